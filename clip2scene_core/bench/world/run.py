"""Run the world bench: render, train, measure, and put the numbers together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

from clip2scene_core.bench.json_dataclass import from_json
from clip2scene_core.bench.measure.clip_scores import clip_digest, score_clip
from clip2scene_core.bench.provenance import describe_run, digest_of
from clip2scene_core.bench.results import ClipResult, SplitCounts
from clip2scene_core.bench.runs import StudentRun, groups_of
from clip2scene_core.bench.splits import quick_world
from clip2scene_core.bench.stages import (
    BenchOptions,
    SceneReport,
    Stage,
    StageReport,
    StageResult,
    WorkFolder,
    name_missing_value,
)
from clip2scene_core.bench.training_stages import student_stages, teacher_stages, world_stages
from clip2scene_core.bench.world.assembly import assemble_student, compare_groups
from clip2scene_core.bench.world.plan import (
    measuring_stages,
    supervised_stages,
)
from clip2scene_core.bench.world.result import BenchResult
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.config.sections import TeacherConfig
from clip2scene_core.corruptions.corruption import STRENGTHS, Corruption
from clip2scene_core.world.dataset.splits import SPLITS, TRAINING_WORLDS, benchmark_options

RESULT_NAMES: Final = ("bench_world.json", "bench_world.md")

_WORLDS: Final = {
    **TRAINING_WORLDS,
    **{split.name: benchmark_options(split) for split in SPLITS if split.name == "test"},
}
"""What is rendered, by name; val is for tuning."""

_MEASURED_STRENGTHS: Final = (1, 3, 5)
_PICTURES: Final = 2000
_QUICK_PICTURES: Final = 40


@dataclass(frozen=True)
class WorldBenchOptions(BenchOptions):
    """What the world bench measures; networks are measured on the CPU, whatever the device.

    Attributes:
        runs: The students, see `trained_runs` and `given_runs`.
    """

    runs: tuple[StudentRun, ...]

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
        """Configuration of the teacher, from the first student."""
        return self.runs[0].config.teacher

    @property
    def corruptions(self) -> list[Corruption]:
        """Corruptions of the keyframes."""
        strengths = _MEASURED_STRENGTHS[1:2] if self.is_quick else _MEASURED_STRENGTHS
        return [Corruption(kind, strength) for kind in STRENGTHS for strength in strengths]


def run_world_bench(
    options: WorldBenchOptions, report: StageReport, report_world: SceneReport
) -> BenchResult:
    """Compute all numbers; stages that an earlier call computed are kept.

    Args:
        options: What to measure.
        report: Called after each stage.
        report_world: Called after each rendered scene.

    Returns:
        The numbers. Pictures are in `work/pictures/`, a folder for each configuration.

    Raises:
        BenchError: If the folder belongs to another setup or a stage fails.
    """
    worlds = _WORLDS
    if options.is_quick:
        worlds = {name: quick_world(world) for name, world in worlds.items()}
    setup = {
        "worlds": {name: asdict(world) for name, world in worlds.items()},
        "clip": clip_digest(options.teacher),
        "students": [_describe(run) for run in options.runs],
    }
    folder = WorkFolder(options.work, setup)
    num_pictures = _QUICK_PICTURES if options.is_quick else _PICTURES
    test, device = options.work / "test", options.device
    clip = Stage("clip", partial(score_clip, options.teacher, test, num_pictures, device))
    measuring = measuring_stages(options.work, options.runs, options.corruptions)
    phases = (
        (world_stages(options, worlds, report_world), 1),
        # Students come last, after their teacher; one that starts early embeds its images itself.
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
    results = folder.run_phases(phases, report)
    with name_missing_value(options.work):
        return _assemble(options, results)


def _assemble(options: WorldBenchOptions, results: dict[str, StageResult]) -> BenchResult:
    groups = groups_of(options.runs).values()
    return BenchResult(
        **describe_run(options.command, options.is_quick, results.values()),
        splits=tuple(from_json(SplitCounts, results[f"world-{name}"].value) for name in _WORLDS),
        clip=from_json(ClipResult, results["clip"].value),
        students=tuple(assemble_student(results, runs, options.corruptions) for runs in groups),
        between=compare_groups(results, list(groups)),
    )


def _describe(run: StudentRun) -> Any:
    """Give what decides the numbers of a student."""
    return digest_of(run.weights) if run.is_given else config_to_dict(run.config)
