"""`clip2scene bench world`, quick: every stage runs, is kept, and is reported."""

from pathlib import Path

import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.bench.world.report import format_result
from clip2scene_core.bench.world.result import load_result
from clip2scene_core.corruptions.corruption import STRENGTHS
from clip2scene_ros.cli.main import main


@pytest.mark.slow
def test_a_quick_bench_runs_every_stage_once(tmp_path, capsys):
    work = tmp_path / "work"
    arguments = ["bench", "world", "--work", str(work), "--quick", "--seeds", "2", "--workers", "1"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "looks at the test split" in printed
    assert "synthetic, projected teacher: mean IoU" in printed
    result = load_result(work / "bench_world.json")
    assert result.is_quick
    assert [split.name for split in result.splits] == ["train", "varied", "test"]
    assert [split.num_scenes for split in result.splits] == [2, 2, 2]
    (student,) = result.students
    assert student.seeds == (0, 1)
    assert len(set(student.digests)) == 2
    measured = {score.labeller: score.mean_iou for score in student.scores}
    for name in ("student", "student and cameras", "untrained network"):
        assert measured[name].num_seeds == 2
    references = ("projected teacher", "majority class", "perfect 2D labels projected")
    for name in (*references, "full supervision"):
        assert measured[name].num_seeds == 0
    assert measured["perfect 2D labels projected"].mean > measured["projected teacher"].mean
    assert {one.kind for one in student.corruptions} == {"none", *STRENGTHS}
    for name in {result.picture for result in student.queries} - {""}:
        assert (work / "pictures" / "synthetic" / name).stat().st_size > 1000
    for failure in student.failures:
        assert (work / "pictures" / "synthetic" / failure.file).stat().st_size > 1000
    assert (work / "bench_world.md").read_text() == format_result(result)

    computed = ages(work / "results")
    assert len(computed) == len(result.stages)
    assert main(arguments) == 0
    assert ages(work / "results") == computed
    kept = work / "results" / "queries-synthetic.json"
    kept.write_text(kept.read_text().replace('"synonyms"', '"antonyms"'))
    assert main(arguments) == 1
    assert "a kept stage lacks 'synonyms'" in capsys.readouterr().err
    assert main([*arguments[:-3], "1", "--workers", "1"]) == 1
    assert "another setup" in capsys.readouterr().err


@pytest.mark.slow
def test_a_quick_transfer_bench_trains_and_compares(tmp_path, capsys):
    configs = [tmp_path / "level.yaml", tmp_path / "tilted.yaml"]
    configs[0].write_text("teacher: {clip: small}\n")
    configs[1].write_text("teacher: {clip: small}\naugmentation: {tilt_deg: 2}\n")
    work = tmp_path / "work"
    arguments = ["bench", "transfer", "--work", str(work), "--quick", "--configs"]
    assert main([*arguments, *map(str, configs)]) == 0
    assert "tilted, 10 cm lower: mean IoU" in capsys.readouterr().out
    report = (work / "bench_transfer.md").read_text()
    assert "## Side by side" in report
    assert "| tilted |" in report


def ages(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quick", "--update-cards"], "nothing that a card could hold"),
        (["--seeds", "0"], "got 0 students"),
        (["--workers", "0"], "0 workers"),
        (["--students", "none.safetensors"], "no such checkpoint"),
        (["--configs", "none.yaml"], "cannot be read"),
    ],
)
def test_what_cannot_be_measured_is_one_line(tmp_path, capsys, arguments, message):
    assert main(["bench", "world", "--work", str(tmp_path / "work"), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "work").exists()
