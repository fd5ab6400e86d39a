"""Run the zero-shot bench: render, embed, train, count; stages are kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.measure.clip_scores import clip_digest
from clip2scene_core.bench.provenance import digest_of
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.bench.stages import (
    BenchOptions,
    SceneReport,
    Stage,
    StageReport,
    StageResult,
    WorkFolder,
)
from clip2scene_core.bench.tables.scenes import TableScenes, synthetic_scenes, synthetic_worlds
from clip2scene_core.bench.training_stages import (
    QUICK_IMAGE_HEIGHT,
    QUICK_NETWORK,
    supervise_network,
    teacher_parts,
    world_stages,
)
from clip2scene_core.bench.zeroshot.rows import ROWS, ZeroShotRun, plan_run
from clip2scene_core.bench.zeroshot.scores import score_pseudo_labels, score_student
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.config.zeroshot import ANNOTATION_FREE, ZeroShotConfig
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.zeroshot.run import train_zeroshot
from clip2scene_core.world.dataset.options import WorldOptions

TUNE: Final = "tune"
TEST: Final = "test"

_NUM_SCENES: Final = {"train": 120, "val": 30, "test": 40}
"""More than the other tables have: of a class such as trailers, few scenes show one at all."""


@dataclass(frozen=True)
class ZeroShotBenchOptions(BenchOptions):
    """What the zero-shot bench trains.

    Attributes:
        base: Configuration that the rows change; its seed is not used.
        num_seeds: Number of trainings of each row, with the seeds 0, 1, ...
    """

    base: ZeroShotConfig
    num_seeds: int

    def __post_init__(self) -> None:
        if self.num_seeds < 1 or self.workers < 1:
            raise ValueError(
                f"a bench needs a seed and a worker, got {self.num_seeds} seeds and "
                f"{self.workers} workers"
            )
        if self.base.classes != tuple(one.name for one in NUSCENES_CLASSES):
            raise ValueError(
                "the rendered world has the 16 classes of nuScenes; classes must be theirs, in "
                f"their order, got {', '.join(self.base.classes)}"
            )
        split = self.base.class_split
        if split.name == ANNOTATION_FREE or self.base.named_split.ignored:
            raise ValueError(
                "the table compares seen and unseen classes, and full supervision learns them all; "
                f"choose a split with both and without ignored ones, got {split.name!r}"
            )

    @property
    def seeds(self) -> range:
        """Seeds of the trainings."""
        return range(self.num_seeds)

    @property
    def places(self) -> TableScenes:
        """The scenes: to train, to choose the penalty of calibrated stacking, and to test on."""
        return synthetic_scenes(self.work, TEST)

    @property
    def is_unseen(self) -> NDArray[np.bool_]:
        """Which of the 16 classes have no labels: (16,) bool."""
        return np.isin(self.base.classes, self.base.named_split.unseen)

    @property
    def runs(self) -> list[ZeroShotRun]:
        """All trainings."""
        return [plan_run(row, self.base, s, self.work) for row in ROWS for s in self.seeds]


def quick_zeroshot(config: ZeroShotConfig) -> ZeroShotConfig:
    """Make a configuration that trains within seconds, with an epoch in each phase.

    The numbers of its student mean nothing.
    """
    return replace(
        config,
        network=QUICK_NETWORK,
        teacher=replace(config.teacher, image_height=QUICK_IMAGE_HEIGHT),
        training=replace(config.training, epochs=2, batch_size=1),
        self_training=replace(config.self_training, start=0.5),
    )


def run_zeroshot_bench(
    options: ZeroShotBenchOptions, report: StageReport, report_world: SceneReport
) -> dict[str, StageResult]:
    """Compute everything that the table needs; stages that an earlier call computed are kept.

    Args:
        options: What to compute.
        report: Called after each stage.
        report_world: Called after each rendered scene.

    Returns:
        The results of all stages by their names.

    Raises:
        BenchError: If the folder belongs to another setup or a stage fails.
    """
    worlds = worlds_of(options.is_quick)
    folder = WorkFolder(options.work, _setup(options, worlds))
    teacher, cache = options.base.teacher, options.work / "teacher"
    phases = (
        (world_stages(options, worlds, report_world), 1),
        (teacher_parts(options.places.train, teacher, cache, options.device), options.workers),
        ([_train_stage(options, run) for run in options.runs], options.workers),
        (_score_stages(options), options.workers),
    )
    return folder.run_phases(phases, report)


def worlds_of(is_quick: bool) -> dict[str, WorldOptions]:
    """The scenes of the other tables, and more, without previous sweeps, which have no labels."""
    worlds = {
        name: replace(world, previous_sweeps=0)
        for name, world in synthetic_worlds(is_quick, TEST).items()
    }
    if is_quick:
        return worlds
    return {name: replace(world, num_scenes=_NUM_SCENES[name]) for name, world in worlds.items()}


def _setup(options: ZeroShotBenchOptions, worlds: dict[str, WorldOptions]) -> dict[str, Any]:
    """Give what decides the numbers."""
    return {
        "data": {name: asdict(world) for name, world in worlds.items()},
        "clip": clip_digest(options.base.student.teacher),
        "base": config_to_dict(options.base),
        "rows": {
            row.name: config_to_dict(plan_run(row, options.base, 0, options.work).config)
            for row in ROWS
        },
    }


def _train_stage(options: ZeroShotBenchOptions, run: ZeroShotRun) -> Stage:
    train, device = options.places.train, options.device
    if run.row.is_supervised:
        compute = partial(supervise_network, train, run.config.student, run.weights, device)
    else:
        compute = partial(train_student, train, run, options.work / "teacher", device)
    return Stage(f"train-{run.name}", compute)


def train_student(train: Scenes, run: ZeroShotRun, cache: Path, device: str) -> str:
    """Train a student with the labels of seen classes; return the digest of its checkpoint."""
    dataset = train.open(with_labels=True)
    fabric = make_fabric(run.config, device)
    return digest_of(train_zeroshot(dataset, run.config, run.weights, fabric, cache))


def _score_stages(options: ZeroShotBenchOptions) -> list[Stage]:
    places, unseen = options.places, options.base.named_split.unseen
    assert places.tune is not None  # synthetic scenes have all parts
    assert places.test is not None
    parts = {TUNE: places.tune, TEST: places.test}
    teacher = partial(score_pseudo_labels, options.base, parts, options.device)
    return [
        Stage("score-teacher", teacher),
        *(
            Stage(
                f"score-{run.name}",
                partial(score_student, run.weights, parts, unseen, options.device),
            )
            for run in options.runs
        ),
    ]
