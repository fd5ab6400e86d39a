"""Run the bench: render, embed, train every row with every seed, count; stages are kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from clip2scene_core.bench.augmentations.rows import ONLY, rows_of
from clip2scene_core.bench.augmentations.scores import score_student
from clip2scene_core.bench.augmentations.worlds import bench_worlds
from clip2scene_core.bench.measure.clip_scores import clip_digest
from clip2scene_core.bench.runs import StudentRun, trained_runs
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.bench.stages import (
    BenchOptions,
    SceneReport,
    Stage,
    StageReport,
    StageResult,
    WorkFolder,
)
from clip2scene_core.bench.training_stages import (
    pretrain_student,
    teacher_parts,
    training_scenes,
    world_stages,
)
from clip2scene_core.bench.transfer.real_frames import digest_real_frames
from clip2scene_core.bench.transfer.scores import score_real
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.config.pretrain import PretrainConfig


@dataclass(frozen=True)
class AugmentationBenchOptions(BenchOptions):
    """What the bench trains.

    Attributes:
        base: Configuration that the rows change; its seed is not used.
        num_seeds: Number of trainings of each row, with the seeds 0, 1, ...
        real: Folder of real frames, see `real_frames`; None for none.
    """

    base: PretrainConfig
    num_seeds: int
    real: Path | None

    def __post_init__(self) -> None:
        if self.num_seeds < 1 or self.workers < 1:
            raise ValueError(
                f"a bench needs a seed and a worker, got {self.num_seeds} seeds and "
                f"{self.workers} workers"
            )
        if not any(name.startswith(ONLY) for name in rows_of(self.base)):
            raise ValueError("the configuration has no augmentation of the sensor to take away")

    @property
    def train(self) -> Scenes:
        """The scenes that teach."""
        return training_scenes(self.work)

    @property
    def runs(self) -> list[StudentRun]:
        """All trainings, by seed: an interrupted bench has all rows of its first seeds."""
        runs = trained_runs(rows_of(self.base), self.num_seeds, self.work)
        return sorted(runs, key=lambda run: run.config.training.seed)


def shortened(config: PretrainConfig) -> PretrainConfig:
    """Take a network and a schedule that let a hundred students train in 90 minutes."""
    return replace(
        config,
        network=replace(config.network, name="minkunet14"),
        training=replace(config.training, epochs=3),
    )


def run_augmentation_bench(
    options: AugmentationBenchOptions, report: StageReport, report_world: SceneReport
) -> dict[str, StageResult]:
    """Compute everything that the tables need; stages that an earlier call computed are kept.

    Args:
        options: What to compute.
        report: Called after each stage.
        report_world: Called after each rendered scene.

    Returns:
        The results of all stages by their names.

    Raises:
        BenchError: If the folder belongs to another setup or a stage fails.
    """
    worlds = bench_worlds(options.is_quick)
    setup: dict[str, Any] = {
        "worlds": {name: asdict(world) for name, world in worlds.items()},
        "clip": clip_digest(options.base.teacher),
        "base": config_to_dict(options.base),
        "real": digest_real_frames(options.real) if options.real is not None else None,
    }
    folder = WorkFolder(options.work, setup)
    teacher, cache = options.base.teacher, options.work / "teacher"
    phases = (
        (world_stages(options, worlds, report_world), 1),
        (teacher_parts(options.train, teacher, cache, options.device), options.workers),
        ([_train_stage(options, run) for run in options.runs], options.workers),
        (_score_stages(options), options.workers),
    )
    return folder.run_phases(phases, report)


def _train_stage(options: AugmentationBenchOptions, run: StudentRun) -> Stage:
    cache, device = options.work / "teacher", options.device
    compute = partial(pretrain_student, options.train, run.config, run.weights, cache, device)
    return Stage(f"train-{run.name}", compute)


def _score_stages(options: AugmentationBenchOptions) -> list[Stage]:
    score = partial(score_student, work=options.work)
    stages = [Stage(f"score-{run.name}", partial(score, run.weights)) for run in options.runs]
    if options.real is not None:
        real = partial(score_real, root=options.real)
        stages += [Stage(f"real-{run.name}", partial(real, run.weights)) for run in options.runs]
    return stages
