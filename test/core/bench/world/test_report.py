import dataclasses
import json

import pytest
from bench_results import make_result

from clip2scene_core.bench.json_dataclass import ResultError
from clip2scene_core.bench.world.report import format_result
from clip2scene_core.bench.world.result import load_result, save_result


def table_rows(document: str) -> list[list[str]]:
    lines = [line for line in document.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_result_survives_its_file_and_tells_what_it_implies(tmp_path):
    path = tmp_path / "bench_world.json"
    result = make_result()
    save_result(path, result)
    loaded = load_result(path)
    save_result(tmp_path / "again.json", loaded)
    assert path.read_bytes() == (tmp_path / "again.json").read_bytes()
    assert format_result(loaded) == format_result(result)
    student = json.loads(path.read_text())["students"][0]
    measured = student["scores"][0]["mean_iou"]
    assert (measured["mean"], measured["num_seeds"]) == (0.45, 2)
    assert measured["spread"] == pytest.approx(0.05 * 2**0.5, abs=1e-6)
    resolved = [difference["paired"]["is_resolved"] for difference in student["differences"]]
    assert resolved == [True, False]
    assert student["scores"][0]["iou"][1]["mean"] is None  # absent


def test_other_files_are_no_results(tmp_path):
    path = tmp_path / "bench_world.json"
    for content in ("", "{}", '{"format": "clip2scene-bench-world-2"}', '{"format": "x"}'):
        path.write_text(content)
        with pytest.raises(ResultError):
            load_result(path)
    with pytest.raises(ResultError, match=r"none\.json"):
        load_result(tmp_path / "none.json")


def test_the_report_holds_means_spreads_differences_and_what_is_not_resolved():
    document = format_result(make_result())
    rows = table_rows(document)
    assert ["student", "45.0 ± 7.1 (2 seeds)", "50.0 ± 7.1 (2 seeds)"] in rows
    assert ["projected teacher", "35.0", "40.0"] in rows
    assert [
        "student - projected teacher", "+10.0 ± 5.0", "not resolved (+5.0 ± 5.0)",
    ] in rows  # fmt: skip
    assert ["car", "35.0", "25.0"] in rows
    assert ["road", "absent", "45.0"] in rows
    assert ["road", "absent", "50.0"] in rows  # the CLIP's recall and pixels
    assert ["held-out synonyms", "60.0", "10.0", "7"] in rows
    assert "cannot read them: giraffe." in document
    assert ["test", "2", "6", "1,000"] in rows
    assert ["car", "30.00 % (4)", "25.00 % (2)"] in rows
    mode = "40.0 ± 14.1 (2 seeds)"
    assert ["synonyms", "mean IoU", mode, mode, mode, "", "-10.0 ± 2.2"] in rows
    assert ["car split by colour", "which colour", "62.5", "62.5", "62.5", "50.0", ""] in rows
    assert ["fog 3", "visibility 100 m", "20.0", "20.0", "20.0", *(["-20.0 ± 5.0"] * 2)] in rows
    assert "![car](pictures/synthetic/car.png)" in document


def test_the_report_says_how_it_came_about_and_that_it_looked_at_the_test_split():
    document = format_result(make_result())
    for said in (
        "`clip2scene bench world --work bench`", "abc, def", "2030-01-02", "A processor, 2 cores",
        "looked at the test split", "`aa`", "| student-synthetic-0 | 60 |",
    ):  # fmt: skip
        assert said in document
    assert "say nothing" not in document
    quick = dataclasses.replace(make_result(), is_quick=True)
    assert "Its numbers say nothing" in format_result(quick)
