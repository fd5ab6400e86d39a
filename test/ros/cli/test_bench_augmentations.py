"""`clip2scene bench augmentations`, quick: rows, differences, real frames, the page."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from checkout import DOCS

from clip2scene_core.bench.augmentations.docs import PAGE
from clip2scene_core.bench.augmentations.scores import SETS
from clip2scene_core.bench.table_page import marks_of
from clip2scene_ros.cli.main import main


def write_real_scan(folder: Path) -> None:
    """Write a scan on which one point in four is vegetation, the others road."""
    folder.mkdir(parents=True)
    points = np.random.default_rng(0).uniform(-20, 20, (400, 4)).astype("<f4")
    points.tofile(folder / "000000.bin")
    np.repeat([70, 40], [100, 300]).astype("<u4").tofile(folder / "000000.label")


@pytest.mark.slow
def test_a_quick_bench_takes_one_away_and_leaves_one_alone(tmp_path, capsys):
    config = tmp_path / "tilted.yaml"
    config.write_text("teacher: {clip: small}\naugmentation: {tilt_deg: 2}\ninput: {level: true}\n")
    write_real_scan(tmp_path / "real" / "semantickitti_scan")
    work = tmp_path / "work"
    arguments = ["bench", "augmentations", "--work", str(work), "--quick", "--workers", "1"]
    arguments += ["--config", str(config), "--real", str(tmp_path / "real")]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    table = PAGE.file.load(work / "augmentations.json")
    assert PAGE.format_section(table) in printed
    assert (work / "augmentations.md").read_text() == PAGE.format_document(table)
    rows = {row.name: row for row in table.rows}
    names = ["all", "none", "without tilt_deg", "only tilt_deg", "without level", "only level"]
    names += ["with density", "with polarmix"]
    assert list(rows) == names
    assert [row.amount for row in table.rows] == ["", "", "2.0", "2.0", "", "", "", ""]
    for name, row in rows.items():
        assert [one.sensors for one in row.scores] == list(SETS)
        reference = rows["none" if name.startswith("only ") else "all"]
        for own, other in zip(row.scores, reference.scores, strict=True):
            if name == "all":
                assert own.difference is None
            else:
                expected = own.mean_iou.mean - other.mean_iou.mean
                assert own.difference.difference == pytest.approx(expected, abs=2e-6)
        assert row.real is not None
        assert 0 <= row.real.right.mean <= 1
        assert np.isnan(row.real.vehicles.mean)  # no box
    assert f"| **all** |  | {rows['all'].scores[0].mean_iou.format()} |" in printed
    assert "| only tilt_deg | 2.0 | not resolved (" in printed

    computed = {path: path.stat().st_mtime_ns for path in (work / "results").iterdir()}
    assert main(arguments) == 0
    assert computed == {path: path.stat().st_mtime_ns for path in (work / "results").iterdir()}
    assert main([*arguments, "--update-docs"]) == 1
    assert "nothing that a page could hold" in capsys.readouterr().err


def test_a_configuration_without_augmentations_is_refused(tmp_path, capsys):
    config = tmp_path / "plain.yaml"
    config.write_text("teacher: {clip: small}\n")
    arguments = ["bench", "augmentations", "--work", str(tmp_path / "work")]
    assert main([*arguments, "--config", str(config)]) == 1
    assert "no augmentation of the sensor to take away" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_the_page_holds_what_the_json_beside_it_says():
    first, last = marks_of("augmentations")
    section = (DOCS / PAGE.page).read_text().partition(first)[2].partition(last)[0].strip()
    assert section == PAGE.section_of(PAGE.file.load(DOCS / "augmentations.json"))
