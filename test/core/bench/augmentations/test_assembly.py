"""Numbers of the table of augmentations, from counts by hand."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.bench.augmentations import assembly
from clip2scene_core.bench.augmentations.report import draw, format_section
from clip2scene_core.bench.augmentations.run import AugmentationBenchOptions
from clip2scene_core.bench.augmentations.scores import SETS
from clip2scene_core.bench.provenance import StageTime
from clip2scene_core.bench.results import SplitSize
from clip2scene_core.bench.stages import StageResult
from clip2scene_core.bench.tables.result import TableProvenance
from clip2scene_core.bench.transfer.scores import COARSE_WORDS, OWN_WORDS, FrameCounts
from clip2scene_core.config.augmentation import AugmentationConfig
from clip2scene_core.config.pretrain import PretrainConfig

RUN = TableProvenance(
    "clip2scene bench augmentations", "2030-01-02", "A processor", False, ("car",),
    (StageTime("teacher-0", 2.5, "abc"),), True, (SplitSize("train", 4, 8),), "tune", (0, 1),
    "{}", "cc",
)  # fmt: skip


def counts_of(hits: int) -> list:
    """Three scenes of 16 classes with 100 points each; what is no hit has no label."""
    scene = np.zeros((16, 17), dtype=int)
    np.fill_diagonal(scene, hits)
    scene[:, 16] = 100 - hits
    return [scene.tolist()] * 3


def nested(confusion: np.ndarray) -> tuple:
    return tuple(map(tuple, confusion.tolist()))


def frames_of(right: int) -> list:
    """A scan with 10 points of vegetation, and one with boxes; own words get all wrong."""
    confusion = np.zeros((6, 7), dtype=int)
    confusion[5, 5], confusion[5, 6] = right, 10 - right
    no_boxes = ((0, 0, 0),) * 3
    scan = FrameCounts("scan", COARSE_WORDS, nested(confusion), no_boxes, (0, 0))
    boxes = replace(scan, confusion=(), in_boxes=((10, 9, 8), (10, 5, 2), (4, 4, 1)))
    wrong = replace(scan, words=OWN_WORDS, confusion=nested(np.eye(6, 7, 1, int)))
    return [asdict(one) for one in (wrong, scan, boxes)]


@pytest.fixture
def table(monkeypatch):
    monkeypatch.setattr(assembly, "_provenance", lambda options, results: RUN)
    options = AugmentationBenchOptions(
        work=Path("work"), is_quick=False, workers=1, device="cpu", command="",
        base=PretrainConfig(augmentation=AugmentationConfig(tilt_deg=2)), num_seeds=2,
        real=Path("real"),
    )  # fmt: skip
    hits = {"all": 60, "none": 20, "without tilt_deg": 50, "only tilt_deg": 45}
    results = {}
    for run in options.runs:
        own = hits.get(run.group, 60) + 2 * run.config.training.seed
        values = {"train": "digest", "score": {name: counts_of(own) for name in SETS}}
        values["real"] = frames_of(4 + run.config.training.seed)
        for stage, value in values.items():
            name = f"{stage}-{run.name}"
            results[name] = StageResult(name, 3.0, "abc", value)
    return assembly.assemble_table(options, results)


def test_each_row_is_compared_with_what_it_differs_from_in_one_thing(table):
    rows = {row.name: row for row in table.rows}
    found = {
        name: None if row.scores[0].difference is None else row.scores[0].difference.difference
        for name, row in rows.items()
    }
    assert found == {
        "all": None, "none": pytest.approx(-0.4), "without tilt_deg": pytest.approx(-0.1),
        "only tilt_deg": pytest.approx(0.25), "with density": 0, "with polarmix": 0,
    }  # fmt: skip
    for score in rows["without tilt_deg"].scores:
        assert score.mean_iou.values == pytest.approx((0.5, 0.52))
    assert {row.train_seconds for row in table.rows} == {3}


def test_real_frames_count_by_the_words_for_six_groups(table):
    real = table.rows[0].real
    assert real.right.values == pytest.approx((0.4, 0.5))
    assert real.vehicles.values == (0.5, 0.5)
    assert real.people.values == (0.25, 0.25)


def test_the_section_shows_what_is_lost_and_what_is_gained(table):
    section = format_section(table)
    assert "| **all** |  | 61.0 ± 1.4 (2 seeds) |" in section
    assert "| without tilt_deg | 2 | -10.0 ± 0.0 |" in section
    assert "| **none** |  | 21.0 ± 1.4 (2 seeds) |" in section
    assert "| only tilt_deg | 2 | +25.0 ± 0.0 |" in section
    assert "| with density |  | equal |" in section
    assert "| all | 45.0 ± 7.1 (2 seeds) | 50.0 ± 0.0 (2 seeds) | 25.0 ± 0.0 (2 seeds) |" in section
    assert draw(table).size[0] > 400
