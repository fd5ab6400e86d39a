"""Run the transfer bench: render, train, measure, and put the numbers together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from clip2scene_core.bench.provenance import describe_run, digest_of
from clip2scene_core.bench.runs import StudentRun, groups_of
from clip2scene_core.bench.splits import quick_world
from clip2scene_core.bench.stages import (
    BenchOptions,
    SceneReport,
    StageReport,
    WorkFolder,
    name_missing_value,
)
from clip2scene_core.bench.training_stages import student_stages, teacher_stages, world_stages
from clip2scene_core.bench.transfer.assembly import assemble_student
from clip2scene_core.bench.transfer.plan import measuring_stages
from clip2scene_core.bench.transfer.real_frames import digest_real_frames
from clip2scene_core.bench.transfer.result import TransferResult
from clip2scene_core.bench.transfer.worlds import surfaces_twin, test_worlds
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.splits import TRAINING_WORLDS

RESULT_NAMES: Final = ("bench_transfer.json", "bench_transfer.md")
_QUICK_LIDARS: Final = 2


@dataclass(frozen=True)
class TransferBenchOptions(BenchOptions):
    """What the transfer bench measures; networks are measured on the CPU, whatever the device.

    Attributes:
        runs: The students, see `trained_runs` and `given_runs`.
        real: Folder of real frames, see `real_frames`; None for none.
    """

    runs: tuple[StudentRun, ...]
    real: Path | None

    def __post_init__(self) -> None:
        if not self.runs or self.workers < 1:
            raise ValueError(
                f"a bench needs a student and a worker, got {len(self.runs)} students and "
                f"{self.workers} workers"
            )


def run_transfer_bench(
    options: TransferBenchOptions, report: StageReport, report_world: SceneReport
) -> TransferResult:
    """Compute all numbers; stages that an earlier call computed are kept.

    Args:
        options: What to measure.
        report: Called after each stage.
        report_world: Called after each rendered scene.

    Raises:
        BenchError: If the folder belongs to another setup or a stage fails.
    """
    worlds = _worlds(options)
    setup = {
        "worlds": {name: asdict(world) for name, world in worlds.items()},
        "students": [_describe(run) for run in options.runs],
        "real": digest_real_frames(options.real) if options.real is not None else None,
    }
    folder = WorkFolder(options.work, setup)
    lidar_worlds = [name for name in worlds if name.startswith("lidar-")]
    phases = (
        (world_stages(options, worlds, report_world), 1),
        (teacher_stages(options.work, options.runs, options.device), options.workers),
        (student_stages(options.work, options.runs, options.device), options.workers),
        (
            measuring_stages(options.work, options.runs, lidar_worlds, options.real),
            options.workers,
        ),
    )
    results = folder.run_phases(phases, report)
    with name_missing_value(options.work):
        return TransferResult(
            **describe_run(options.command, options.is_quick, results.values()),
            students=tuple(
                assemble_student(results, runs, lidar_worlds, options.real is not None)
                for runs in groups_of(options.runs).values()
            ),
        )


def _worlds(options: TransferBenchOptions) -> dict[str, WorldOptions]:
    """The data sets to render; those of the training only if a student is trained."""
    worlds = test_worlds()
    if not all(run.is_given for run in options.runs):
        worlds = {**TRAINING_WORLDS, **worlds}
    if not options.is_quick:
        return worlds
    lidars = [name for name in worlds if name.startswith("lidar-")]
    left_out = {*lidars[_QUICK_LIDARS:], *map(surfaces_twin, lidars[_QUICK_LIDARS:])}
    names = [name for name in worlds if name not in left_out]
    return {name: quick_world(worlds[name]) for name in names}


def _describe(run: StudentRun) -> Any:
    """Give what decides the numbers of a student."""
    return digest_of(run.weights) if run.is_given else config_to_dict(run.config)
