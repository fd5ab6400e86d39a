"""The benchmark on the synthetic world: from nothing to every number of the model cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Final

from clip2scene_core.bench.measure.clip_scores import clip_digest, clip_result, score_clip
from clip2scene_core.bench.provenance import describe_machine, digest_of
from clip2scene_core.bench.results import StageTime
from clip2scene_core.bench.runs import StudentRun, groups_of
from clip2scene_core.bench.splits import quick_world, split_result, write_split
from clip2scene_core.bench.stages import BenchError, Stage, StageResult, WorkFolder
from clip2scene_core.bench.world.assembly import assemble_student, compare_groups
from clip2scene_core.bench.world.plan import (
    measuring_stages,
    student_stages,
    supervised_stages,
    teacher_stages,
)
from clip2scene_core.bench.world.result import BenchResult
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.config.sections import TeacherConfig
from clip2scene_core.corruptions.corruption import STRENGTHS, Corruption
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.world.dataset.splits import SPLITS, benchmark_options

RESULT_NAMES: Final = ("bench_world.json", "bench_world.md")

_SPLITS: Final = ("train", "test")
"""The bench has no use for val, which is for tuning."""

_MEASURED_STRENGTHS: Final = (1, 3, 5)
_PICTURES: Final = 2000
_QUICK_PICTURES: Final = 40


@dataclass(frozen=True)
class BenchOptions:
    """What a bench measures, and how.

    Attributes:
        work: Folder for everything; an interrupted bench goes on in it.
        runs: The students, see `trained_runs` and `given_runs`.
        is_quick: A tiny world: shows that everything runs, measures nothing.
        workers: Processes, each with one thread.
        device: Where CLIP and trainings run; what is trained is measured on the CPU.
        command: What was typed, for the report.
    """

    work: Path
    runs: tuple[StudentRun, ...]
    is_quick: bool
    workers: int
    device: str
    command: str

    def __post_init__(self) -> None:
        if not self.runs or self.workers < 1:
            raise ValueError(
                f"a bench needs a student and a worker, got {len(self.runs)} students and "
                f"{self.workers} workers"
            )
        clips = sorted({run.config.teacher.clip for run in self.runs})
        if len(clips) > 1:
            raise ValueError(f"all students of a bench share one CLIP, got {', '.join(clips)}")

    @property
    def teacher(self) -> TeacherConfig:
        """The first student's."""
        return self.runs[0].config.teacher

    @property
    def corruptions(self) -> list[Corruption]:
        """What the keyframes are corrupted by."""
        strengths = _MEASURED_STRENGTHS[1:2] if self.is_quick else _MEASURED_STRENGTHS
        return [Corruption(kind, strength) for kind in STRENGTHS for strength in strengths]


def run_world_bench(
    options: BenchOptions,
    report: Callable[[StageResult, int], None],
    report_world: Callable[[str, int, int], None],
) -> BenchResult:
    """Compute everything that a bench measures; what an earlier call computed is kept.

    Args:
        options: What to measure.
        report: Called after each stage with its result and how many stages there are.
        report_world: Called after each scene that is written, with the name of its split, how many
            are done and how many there are.

    Returns:
        The numbers. Pictures lie in `work/pictures/`, a folder for each configuration.

    Raises:
        BenchError: If the folder belongs to another bench or a stage fails.
    """
    worlds = {split.name: benchmark_options(split) for split in SPLITS if split.name in _SPLITS}
    if options.is_quick:
        worlds = {name: quick_world(world) for name, world in worlds.items()}
    setup = {
        "worlds": {name: asdict(world) for name, world in worlds.items()},
        "clip": clip_digest(options.teacher),
        "students": [_describe(run) for run in options.runs],
    }
    folder = WorkFolder(options.work, setup)

    def write(name: str) -> Stage:
        progress = partial(report_world, name)
        root, workers = options.work / name, options.workers
        return Stage(f"world-{name}", partial(write_split, root, worlds[name], progress, workers))

    num_pictures = _QUICK_PICTURES if options.is_quick else _PICTURES
    test, device = options.work / "test", options.device
    clip = Stage("clip", partial(score_clip, options.teacher, test, num_pictures, device))
    measuring = measuring_stages(options.work, options.runs, options.corruptions)
    phases = (
        ([write(name) for name in _SPLITS], 1),
        # Students come last, when the teacher has spoken; one that comes early asks it itself.
        (
            [
                *teacher_stages(options.work, options.runs, device),
                *supervised_stages(options.work, options.runs, device),
                *student_stages(options.work, options.runs, device),
            ],
            options.workers,
        ),
        ([clip, *measuring], options.workers),
    )
    total = sum(len(stages) for stages, _ in phases)
    results: dict[str, StageResult] = {}
    for stages, workers in phases:
        for result in folder.run(stages, workers, lambda result: report(result, total)):
            results[result.name] = result
    try:
        return _assemble(options, results)
    except KeyError as error:
        raise BenchError(
            f"a kept stage lacks {error}: other code computed it; remove the stage's file from "
            f"{options.work / 'results'} and run again"
        ) from error


def _assemble(options: BenchOptions, results: dict[str, StageResult]) -> BenchResult:
    groups = groups_of(options.runs).values()
    return BenchResult(
        command=options.command,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        machine=describe_machine(),
        is_quick=options.is_quick,
        classes=tuple(c.name for c in NUSCENES_CLASSES),
        splits=tuple(split_result(name, results[f"world-{name}"].value) for name in _SPLITS),
        clip=clip_result(options.teacher, results["clip"].value),
        students=tuple(assemble_student(results, runs, options.corruptions) for runs in groups),
        between=compare_groups(results, list(groups)),
        stages=tuple(StageTime(r.name, r.seconds, r.commit) for r in results.values()),
    )


def _describe(run: StudentRun) -> Any:
    """What decides a run's numbers."""
    return digest_of(run.weights) if run.is_given else config_to_dict(run.config)
