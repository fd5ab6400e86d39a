"""What is written of the tables, from numbers by hand."""

from dataclasses import replace

import pytest
from checkout import DOCS
from PIL import Image

from clip2scene_core.bench.json_dataclass import ResultError
from clip2scene_core.bench.markdown import CardError
from clip2scene_core.bench.provenance import StageTime
from clip2scene_core.bench.results import Difference, SplitSize
from clip2scene_core.bench.statistics import Measurement, PairedDifference
from clip2scene_core.bench.table_page import marks_of
from clip2scene_core.bench.tables.docs import PAGE
from clip2scene_core.bench.tables.report import draw, format_document, format_section
from clip2scene_core.bench.tables.result import (
    Ablation,
    Ablations,
    Cell,
    GridPoint,
    Table2,
    TableProvenance,
)


def make_run(name: str) -> TableProvenance:
    return TableProvenance(
        command=f"clip2scene bench {name} --work bench",
        date="2030-01-02T03:04:05+00:00",
        machine="A processor, 2 cores",
        is_quick=False,
        is_synthetic=True,
        parts=(SplitSize("train", 4, 8), SplitSize("test", 2, 2)),
        measured_on="test",
        seeds=(0, 1),
        config='{"training": {"epochs": 2}}',
        clip="cc",
        classes=("car", "road"),
        stages=(StageTime("teacher-0", 2.5, "abc"), StageTime("pretrain-baseline-0", 60.0, "abc")),
    )


def seeded(*values: float) -> Measurement:
    return Measurement(values, 0.01)


def make_table1() -> Ablations:
    baseline = Ablation(
        "baseline", 0.151, "1 sweep", "", ("sweeps.count=1",), seeded(0.2, 0.3), seeded(0.3, 0.3),
        (seeded(0.1, 0.2), seeded(0.3, 0.4)), 55.0,
    )  # fmt: skip
    refused = Ablation("prompts: others", 0.113, "", "refused: no word", (), None, None, (), 0.0)
    full = replace(baseline, name="CLIP2Scene", paper=0.208, note="")
    differences = (
        Difference("CLIP2Scene", "baseline", "all points", PairedDifference(0.01, 0.01, 0.02)),
        Difference("baseline", "CLIP2Scene", "all points", PairedDifference(-0.1, 0.01, 0.02)),
    )
    return Ablations(
        "table1", "Table 1", make_run("table1"), (baseline, refused, full),
        ("baseline", "CLIP2Scene"), differences,
    )  # fmt: skip


def make_ablations() -> Ablations:
    """No row of the paper's, and other scenes."""
    one = Ablation(
        "recommended", None, "", "", (), seeded(0.2, 0.3), seeded(0.3, 0.3),
        (seeded(0.1, 0.2), seeded(0.3, 0.4)), 55.0,
    )  # fmt: skip
    other = replace(one, name="without consensus", settings=("consensus.voxel_size_m=0",))
    run = replace(
        make_run("ablations"),
        measured_on="tune",
        parts=(SplitSize("train", 4, 8), SplitSize("tune", 2, 2)),
    )
    paired = PairedDifference(-0.1, 0.01, 0.02)
    differences = (Difference("without consensus", "recommended", "all points", paired),)
    return Ablations("ablations", "Ablations", run, (one, other), ("recommended",), differences)


def make_table2() -> Table2:
    grid = (GridPoint(0.02, 2.0, 60, 0.4, True), GridPoint(0.006, 0.6, 30, 0.3, False))
    iou = (seeded(0.1, 0.2), seeded(0.3, 0.4))
    columns = ("5 %, clip2scene_keyframe", "100 %, slidr_scene")
    cells = tuple(
        Cell(start, column, paper, seeded(0.3, 0.5), iou, grid)
        for start, papers in (("random", (0.422, 0.691)), ("ours", (None, None)))
        for column, paper in zip(columns, papers, strict=True)
    )
    differences = tuple(
        Difference("ours", "random", column, PairedDifference(0.1, 0.02, 0.02))
        for column in columns
    )
    return Table2(make_run("table2"), columns, (1, 8), cells, differences)


TABLES = (make_table1(), make_table2(), make_ablations())
NAMES = ("table1", "table2", "ablations")


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_json_gives_the_table_back(tmp_path, table):
    path = tmp_path / "table.json"
    PAGE.file.save(path, table)
    assert PAGE.file.load(path) == table
    path.write_text(path.read_text().replace("bench-tables-3", "bench-tables-0"))
    with pytest.raises(ResultError, match="format 'clip2scene-bench-tables-0'"):
        PAGE.file.load(path)


def test_a_row_stands_beside_the_papers_with_both_differences():
    section = format_section(make_table1())
    assert "| baseline | 15.1 | 25.0 ± 7.1 (2 seeds) | 30.0 ± 0.0 (2 seeds) |  |" in section
    assert "(2 seeds) |  | -10.0 ± 2.2 | yes | 55 |" in section
    assert "| prompts: others | 11.3 | refused: no word |  |  |  |  |  |" in section
    assert (
        "| CLIP2Scene | 20.8 | 25.0 ± 7.1 (2 seeds) | 30.0 ± 0.0 (2 seeds) | not resolved"
        in section
    )
    assert "- baseline: 1 sweep." in section


def test_ablations_stand_beside_what_they_leave_and_not_beside_the_paper():
    section = format_section(make_ablations())
    row = "| without consensus | 25.0 ± 7.1 (2 seeds) | 30.0 ± 0.0 (2 seeds) | -10.0 ± 2.2 | 55 |"
    assert row in section
    assert "numbers are of the scenes `tune`" in section
    assert "paper" not in section


def test_a_cell_stands_beside_the_papers_and_says_what_was_tried():
    table = make_table2()
    section = format_section(table)
    assert (
        "| mean IoU | paper, 1 % | 5 %, clip2scene_keyframe (1 keyframes) | paper, 100 % |"
        in section
    )
    assert "| random | 42.2 | 40.0 ± 14.1 (2 seeds) | 69.1 | 40.0 ± 14.1 (2 seeds) |" in section
    assert "| random | 0.02 of 0.006 or 0.02, 60 of 30 or 60 |" in section
    assert "| ours - random | +10.0 ± 2.8 | +10.0 ± 2.8 |" in section
    tried = "| random | 5 %, clip2scene_keyframe | 0.02, head 2 | 60 | 40.0 | taken |"
    assert tried in format_document(table)


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (PairedDifference(-0.1, 0.01, 0.01), "yes"),
        (PairedDifference(0.1, 0.01, 0.01), "no"),
        (PairedDifference(-0.01, 0.01, 0.01), "not resolved"),
    ],
)
def test_a_row_says_whether_it_is_on_the_papers_side(difference, words):
    table = make_table1()
    minus_full = replace(table.differences[1], paired=difference)
    section = format_section(replace(table, differences=(minus_full,)))
    (row,) = (line for line in section.splitlines() if line.startswith("| baseline"))
    assert row.endswith(f"| {words} | 55 |")


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_a_document_says_how_it_came_about(table):
    document = format_document(table)
    for words in (
        table.run.command, "commit: abc", "2030-01-02T03:04:05", "A processor, 2 cores",
        "train 4 with 8", "seeds: 0, 1", "all stages, one after the other: 62 s",
        "nothing about real data", "| pretrain-baseline-0 | 60 |", '"epochs": 2',
        "| car | 15.0 | 15.0 |",
    ):  # fmt: skip
        assert words in document
    real = format_document(replace(table, run=replace(table.run, is_synthetic=False)))
    assert "rendered" not in real
    quick = replace(table, run=replace(table.run, is_quick=True))
    assert "Its numbers say nothing" in format_document(quick)


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_a_page_is_updated_between_its_marks(tmp_path, table):
    name = table.name
    first, last = marks_of(name)
    page = tmp_path / PAGE.page
    page.write_text(f"before\n\n{first}\n\nold\n\n{last}\n\nafter\n")
    PAGE.update(table, tmp_path)
    assert page.read_text() == f"before\n\n{first}\n\n{PAGE.section_of(table)}\n\n{last}\n\nafter\n"
    assert PAGE.file.load(tmp_path / f"{name}.json") == table
    with Image.open(tmp_path / f"{name}.png") as picture:
        assert picture.size == draw(table).size
    quick = replace(table, run=replace(table.run, is_quick=True))
    with pytest.raises(CardError, match="measures nothing"):
        PAGE.update(quick, tmp_path)
    page.write_text("no place")
    with pytest.raises(CardError, match="no place for numbers"):
        PAGE.update(table, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_holds_what_the_json_beside_it_says(name):
    first, last = marks_of(name)
    text = (DOCS / PAGE.page).read_text()
    section = text.partition(first)[2].partition(last)[0].strip()
    path = DOCS / f"{name}.json"
    assert section == (
        PAGE.section_of(PAGE.file.load(path)) if path.exists() else "Not measured yet."
    )
