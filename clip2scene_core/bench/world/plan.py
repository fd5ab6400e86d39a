"""The stages of the world bench: they train references, then measure them and students.

In all functions `work` is the folder of the bench, with the training worlds and `test/`; `runs` are
all students; `device` is the device of CLIP or of trainings.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from clip2scene_core.bench.measure.failures import draw_failures
from clip2scene_core.bench.measure.labeller import mode_of
from clip2scene_core.bench.measure.open_vocabulary import answer_queries
from clip2scene_core.bench.measure.robustness import score_corrupted
from clip2scene_core.bench.measure.score import (
    score_networks,
    score_rules,
    score_students,
    score_untrained,
)
from clip2scene_core.bench.runs import StudentRun, groups_of
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.bench.stages import Stage
from clip2scene_core.bench.training_stages import supervise_network, training_scenes
from clip2scene_core.corruptions.corruption import Corruption


def corruption_name(corruption: Corruption | None) -> str:
    """Name of a corruption, for files."""
    return f"{corruption.kind}-{corruption.strength}" if corruption else "none"


def supervised_stages(work: Path, runs: Sequence[StudentRun], device: str = "cpu") -> list[Stage]:
    """Train the network of each configuration's first seed with full supervision.

    A reference needs no spread, and each takes as long as a student. Where students are given,
    nothing is trained.
    """
    train = training_scenes(work)
    return [
        Stage(
            f"supervised-{group}",
            partial(supervise_network, train, members[0].config, _supervised(work, group), device),
        )
        for group, members in groups_of(runs).items()
        if not members[0].is_given
    ]


def measuring_stages(
    work: Path, runs: Sequence[StudentRun], corruptions: Sequence[Corruption]
) -> list[Stage]:
    """Measure students and references on the test split, with pictures in `pictures/`.

    Corruptions are measured with the first seed of each configuration.
    """
    root = work / "test"
    test = Scenes(root)
    stages = [Stage("rules", partial(score_rules, training_scenes(work), test))]
    for group, members in groups_of(runs).items():
        weights = [run.weights for run in members]
        first = weights[0]
        seeds = {
            mode_of("lidar", number): run.config.training.seed for number, run in enumerate(members)
        }
        pictures = work / "pictures" / group
        stages += [
            Stage(f"score-{group}", partial(score_students, weights, test)),
            Stage(f"queries-{group}", partial(answer_queries, weights, root, pictures)),
            Stage(f"score-untrained-{group}", partial(score_untrained, first, seeds, test)),
            Stage(f"failures-{group}", partial(draw_failures, first, root, pictures)),
        ]
        if not members[0].is_given:
            supervised = partial(score_networks, [_supervised(work, group)], test)
            stages.append(Stage(f"score-supervised-{group}", supervised))
        for corruption in (None, *corruptions):
            name = f"corrupted-{group}-{corruption_name(corruption)}"
            stages.append(Stage(name, partial(score_corrupted, first, root, corruption)))
    return stages


def _supervised(work: Path, group: str) -> Path:
    return work / "supervised" / f"{group}.safetensors"
