"""The zero-shot table, quick: every row runs, is kept, is reported."""

import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.bench.zeroshot.report import format_document
from clip2scene_core.bench.zeroshot.result import FILE
from clip2scene_core.bench.zeroshot.rows import FULL, ROWS, TEACHER
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_ros.cli.main import main


@pytest.mark.slow
def test_a_quick_table_runs_every_row_once(tmp_path, capsys):
    work = tmp_path / "work"
    arguments = ["bench", "zeroshot", "--work", str(work), "--quick"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "Its numbers say nothing" in printed
    assert "Our reconstruction" in printed
    table = FILE.load(work / "zeroshot.json")
    assert [row.name for row in table.rows] == [*(row.name for row in ROWS), TEACHER]
    assert table.unseen == ("motorcycle", "trailer", "terrain", "traffic cone")
    rows = {row.name: row for row in table.rows}
    # Half of what stands in view of cameras is learned by nobody in seconds, but CLIP sees it.
    assert rows[TEACHER].in_view.all.mean > rows[FULL].in_view.all.mean
    for row in table.rows:
        assert 0 <= row.plain.seen.mean <= 1
        assert row.plain.seen.num_seeds == (0 if row.name == TEACHER else 1)
    assert {part.name for part in table.run.parts} == {"train", "tune", "test"}
    assert (work / "zeroshot.md").read_text() == format_document(table)
    assert (work / "zeroshot.png").stat().st_size > 1000
    student = load_checkpoint(work / "students" / "without-patch-loss-0.safetensors")
    assert student.record["zeroshot"]["losses"]["patch_weight"] == 0

    ages = {path.name: path.stat().st_mtime_ns for path in (work / "results").iterdir()}
    assert len(ages) == len(table.run.stages)
    assert main(arguments) == 0
    assert {path.name: path.stat().st_mtime_ns for path in (work / "results").iterdir()} == ages


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quick", "--update-docs"], "nothing that a page could hold"),
        (["--seeds", "0"], "got 0 seeds"),
        (["--config", "none.yaml"], "cannot be read"),
    ],
)
def test_what_cannot_be_computed_is_one_line(tmp_path, capsys, arguments, message):
    work = tmp_path / "work"
    assert main(["bench", "zeroshot", *arguments, "--work", str(work)]) == 1
    assert message in capsys.readouterr().err
    assert not work.exists()
