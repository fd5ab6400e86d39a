"""What is chosen and written of the zero-shot table, from numbers by hand."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from checkout import CONFIGS, DOCS

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.bench.json_dataclass import ResultError
from clip2scene_core.bench.markdown import CardError
from clip2scene_core.bench.provenance import StageTime
from clip2scene_core.bench.results import Difference, SplitSize
from clip2scene_core.bench.stages import StageResult
from clip2scene_core.bench.statistics import Measurement, PairedDifference
from clip2scene_core.bench.table_page import marks_of
from clip2scene_core.bench.tables.result import TableProvenance
from clip2scene_core.bench.zeroshot import assembly
from clip2scene_core.bench.zeroshot.docs import PAGE
from clip2scene_core.bench.zeroshot.report import OURS, draw, format_document, format_section
from clip2scene_core.bench.zeroshot.result import (
    GroupScores,
    ZeroShotResult,
    ZeroShotTable,
)
from clip2scene_core.bench.zeroshot.rows import FULL, ROWS, TEACHER
from clip2scene_core.bench.zeroshot.run import ZeroShotBenchOptions
from clip2scene_core.bench.zeroshot.scores import PENALTIES, penalty_name
from clip2scene_core.config.zeroshot import load_zeroshot_config


def make_run(is_quick: bool = False) -> TableProvenance:
    return TableProvenance(
        command="clip2scene bench zeroshot --work bench",
        date="2030-01-02T03:04:05+00:00",
        machine="A processor, 2 cores",
        is_quick=is_quick,
        is_synthetic=True,
        parts=(SplitSize("train", 4, 8), SplitSize("test", 2, 2)),
        measured_on="test",
        seeds=(0, 1),
        config='{"training": {"epochs": 2}}',
        clip="cc",
        classes=("car", "cone"),
        stages=(StageTime("teacher-0", 2.5, "abc"),),
    )


def seeded(*values: float) -> Measurement:
    return Measurement(values, 0.01)


def make_table() -> ZeroShotTable:
    scores = GroupScores(seeded(0.6, 0.7), seeded(0.31, 0.31), seeded(0.4, 0.5), seeded(0.4, 0.42))
    full = ZeroShotResult(
        FULL, "all of it", (), scores, scores, 0.2, (0.1,) * len(PENALTIES),
        replace(scores, unseen=seeded(0.51, 0.53)),
        (seeded(0.65, 0.65), seeded(0.123, 0.123)), 50.0,
    )  # fmt: skip
    other = replace(
        full, name="without patch loss", note="", settings=("losses.patch_weight=0",), penalty=0.0,
        train_seconds=0.0, tried=(math.nan,) * len(PENALTIES),
    )  # fmt: skip
    difference = Difference(FULL, other.name, "unseen", PairedDifference(0.05, 0.01, 0.01))
    return ZeroShotTable(
        make_run(), ("cone",), "transductive", PENALTIES, (full, other), (difference,)
    )


def test_the_section_says_whose_numbers_these_are_and_on_what():
    section = format_section(make_table())
    assert OURS in section
    assert "no number\nis the authors'" in OURS
    assert "rendered" in section
    assert "Unseen: cone; protocol: transductive" in section
    lines = section.splitlines()
    assert any(line.startswith(f"| {FULL} | 65.0 ± 7.1 (2 seeds) | 31.0 ± 0.0") for line in lines)
    assert any(
        line.startswith(f"| {FULL} | 0.2 | 65.0 ± 7.1 (2 seeds) | 52.0 ± 1.4") for line in lines
    )
    assert f"| {FULL} - without patch loss | +5.0 ± 1.4 |" in section
    assert f"- {FULL}: all of it." in section
    assert "- without patch loss:" not in section


def test_the_document_marks_unseen_classes_and_shows_what_was_tried():
    document = format_document(make_table())
    assert "| **cone** | 12.3 | 12.3 |" in document
    assert "| car | 65.0 | 65.0 |" in document
    assert "| 0.2 | 10.0 | absent |" in document
    assert "| without patch loss | `losses.patch_weight=0` |" in document
    assert draw(make_table()).size[0] > 400


def test_a_table_comes_back_from_its_file(tmp_path):
    path = tmp_path / "zeroshot.json"
    PAGE.file.save(path, make_table())
    table = PAGE.file.load(path)
    assert format_document(table) == format_document(make_table())
    assert table.rows[0] == make_table().rows[0]
    path.write_text(json.dumps({"format": "clip2scene-bench-tables-3"}))
    with pytest.raises(ResultError):
        PAGE.file.load(path)


def test_the_page_has_a_place_for_the_table_and_takes_no_quick_one(tmp_path):
    page = tmp_path / PAGE.page
    page.write_text((DOCS / PAGE.page).read_text())
    PAGE.update(make_table(), tmp_path)
    text = page.read_text()
    first, last = marks_of("zeroshot")
    assert "+5.0 ± 1.4" in text[text.index(first) : text.index(last)]
    assert (tmp_path / "zeroshot.png").is_file()
    assert PAGE.file.load(tmp_path / "zeroshot.json").name == "zeroshot"
    with pytest.raises(CardError, match="quick run"):
        PAGE.update(replace(make_table(), run=make_run(is_quick=True)), tmp_path)


def test_the_penalty_is_the_best_one_the_smallest_of_equals_and_never_nan():
    nothing = [math.nan] * len(PENALTIES)
    assert assembly.best_penalty(nothing) == 0
    assert assembly.best_penalty([0.3] * len(PENALTIES)) == 0
    values = [*nothing]
    values[3] = 0.0
    assert assembly.best_penalty(values) == PENALTIES[3]


def counts_of(seen_hits: int, unseen_hits: int) -> dict[str, list]:
    """Two scenes of 16 classes with 100 points each; what is no hit has no label."""
    options = make_options()
    scene = [[0] * 17 for _ in range(16)]
    for label, is_unseen in enumerate(options.is_unseen):
        hits = unseen_hits if is_unseen else seen_hits
        scene[label][label], scene[label][16] = hits, 100 - hits
    return {"all": [scene, scene], "seen": [scene, scene]}


def make_options() -> ZeroShotBenchOptions:
    return ZeroShotBenchOptions(
        work=Path("work"), is_quick=False, workers=1, device="cpu", command="",
        base=load_zeroshot_config(CONFIGS / "zeroshot_tables_synthetic.yaml"), num_seeds=2,
    )  # fmt: skip


def test_the_penalty_is_chosen_on_tune_and_the_numbers_are_of_test(monkeypatch):
    monkeypatch.setattr(assembly, "_provenance", lambda options, results: make_run())
    at_02 = penalty_name(0.2)
    values = {
        part: {penalty_name(penalty): counts_of(80, 10) for penalty in PENALTIES}
        for part in ("tune", "test")
    }
    values["tune"][at_02] = counts_of(70, 60)  # the best of tune
    values["test"][at_02] = counts_of(50, 40)
    values["test"][penalty_name(0.3)] = counts_of(90, 90)  # the best of test, which must not count
    results = {}

    def add(name: str, value: object) -> None:
        results[name] = StageResult(name, 3.0, "abc", value)

    add("score-teacher", values)
    options = make_options()
    for run in options.runs:
        add(f"train-{run.name}", "digest")
        add(f"score-{run.name}", values)
    table = assembly.assemble_table(options, results)
    assert [row.name for row in table.rows] == [*(row.name for row in ROWS), TEACHER]
    for row in table.rows:
        assert row.penalty == 0.2
        assert (row.plain.seen.mean, row.plain.unseen.mean) == pytest.approx((0.8, 0.1))
        assert row.plain.harmonic.mean == pytest.approx(2 * 0.8 * 0.1 / 0.9)
        assert (row.stacked.seen.mean, row.stacked.unseen.mean) == pytest.approx((0.5, 0.4))
        assert row.plain.seen.num_seeds == (0 if row.name == TEACHER else 2)
        assert row.train_seconds == (0 if row.name == TEACHER else 3)
    assert {one.one for one in table.differences} == {FULL}
    assert {one.points for one in table.differences} == {
        "unseen", "seen", "all", "hIoU", "hIoU, stacked",
    }  # fmt: skip
    assert [one.paired.difference for one in table.differences] == pytest.approx([0] * 35)
