"""What a bench computes: students, their references, and the stages that measure them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from clip2scene_core.bench.measure.failures import draw_failures
from clip2scene_core.bench.measure.open_vocabulary import answer_queries
from clip2scene_core.bench.measure.robustness import evaluate_corrupted
from clip2scene_core.bench.measure.score import (
    evaluate_networks,
    evaluate_rules,
    evaluate_students,
    evaluate_untrained,
)
from clip2scene_core.bench.provenance import digest_of
from clip2scene_core.bench.runs import StudentRun, groups_of
from clip2scene_core.bench.stages import Stage
from clip2scene_core.bench.training_stages import embed_images, pretrain_student, supervise_network
from clip2scene_core.corruptions.corruption import Corruption


def corruption_name(corruption: Corruption | None) -> str:
    """Name of a corruption, for files."""
    return f"{corruption.kind}-{corruption.strength}" if corruption else "none"


def teacher_stages(work: Path, runs: Sequence[StudentRun], device: str = "cpu") -> list[Stage]:
    """Stages in which each configuration's teacher speaks, once for all seeds.

    Args:
        work: Folder that holds `train/`; gets `teacher/`.
        runs: All of them; those that are given need no teacher.
        device: Where CLIP runs.
    """
    return [
        Stage(f"teacher-{group}", partial(embed_images, work, members[0].config.teacher, device))
        for group, members in groups_of(runs).items()
        if not members[0].is_given
    ]


def student_stages(work: Path, runs: Sequence[StudentRun], device: str = "cpu") -> list[Stage]:
    """Stages that train each student.

    Args:
        work: Folder that holds `train/`, and `teacher/` by `teacher_stages`.
        runs: All of them.
        device: Where they are trained.
    """
    return [
        Stage(
            f"student-{run.name}",
            partial(digest_of, run.weights)
            if run.is_given
            else partial(pretrain_student, work, run, device),
        )
        for run in runs
    ]


def supervised_stages(work: Path, runs: Sequence[StudentRun], device: str = "cpu") -> list[Stage]:
    """Stages that train each student's network with full supervision.

    Args:
        work: Folder that holds `train/`.
        runs: All of them.
        device: Where they are trained.
    """
    return [
        Stage(
            f"supervised-{run.name}",
            partial(supervise_network, work / "train", run, _supervised(work, run), device),
        )
        for run in runs
    ]


def measuring_stages(
    work: Path, runs: Sequence[StudentRun], corruptions: Sequence[Corruption]
) -> list[Stage]:
    """Stages that measure what was trained on the test split.

    Args:
        work: Folder that holds `train/` and `test/`; gets `pictures/`.
        runs: All of them.
        corruptions: Measured with the first seed of each configuration.
    """
    test = work / "test"
    stages = [Stage("rules", partial(evaluate_rules, work / "train", test))]
    for group, members in groups_of(runs).items():
        weights = [run.weights for run in members]
        first = weights[0]
        supervised = [_supervised(work, run) for run in members]
        seeds = [run.config.training.seed for run in members]
        pictures = work / "pictures" / group
        stages += [
            Stage(f"score-{group}", partial(evaluate_students, weights, test)),
            Stage(f"queries-{group}", partial(answer_queries, weights, test, pictures)),
            Stage(f"score-supervised-{group}", partial(evaluate_networks, supervised, test)),
            Stage(f"score-untrained-{group}", partial(evaluate_untrained, first, seeds, test)),
            Stage(f"failures-{group}", partial(draw_failures, first, test, pictures)),
        ]
        for corruption in (None, *corruptions):
            name = f"corrupted-{group}-{corruption_name(corruption)}"
            stages.append(Stage(name, partial(evaluate_corrupted, first, test, corruption)))
    return stages


def _supervised(work: Path, run: StudentRun) -> Path:
    return work / "supervised" / f"{run.name}.safetensors"
