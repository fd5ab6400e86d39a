"""What a bench computes: students, their references, and the stages that measure them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from clip2scene_core.bench.evaluations import (
    evaluate_networks,
    evaluate_rules,
    evaluate_students,
    evaluate_untrained,
)
from clip2scene_core.bench.failures import draw_failures
from clip2scene_core.bench.machine import digest_of
from clip2scene_core.bench.open_vocabulary import answer_probes
from clip2scene_core.bench.references import supervise
from clip2scene_core.bench.robustness import evaluate_corrupted
from clip2scene_core.bench.stages import Stage
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.config import PretrainConfig
from clip2scene_core.config_sections import NetworkConfig, TeacherConfig
from clip2scene_core.corruptions.corruption import Corruption
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.device import find_device
from clip2scene_core.teacher.cache import TeacherCache
from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain import pretrain
from clip2scene_core.training.teacher import fill_cache
from clip2scene_core.training.teaching import dense_clip_of

_QUICK_NETWORK: Final = NetworkConfig(width=0.125, voxel_size_m=0.5)
_QUICK_IMAGE_HEIGHT: Final = 64


@dataclass(frozen=True)
class Run:
    """One student of one seed.

    Attributes:
        group: Name of its configuration.
        config: With its seed.
        weights: Its checkpoint.
        is_given: Whether it was trained before.
    """

    group: str
    config: PretrainConfig
    weights: Path
    is_given: bool

    @property
    def name(self) -> str:
        """Name of the run, for files."""
        return f"{self.group}-{self.config.training.seed}"


def trained_runs(configs: Mapping[str, PretrainConfig], num_seeds: int, work: Path) -> list[Run]:
    """Plan to train each configuration with the seeds 0, 1, ...

    Args:
        configs: By name.
        num_seeds: How many seeds.
        work: The bench's folder; checkpoints go to `students/` in it.
    """
    runs = []
    for group, config in configs.items():
        for seed in range(num_seeds):
            seeded = replace(config, training=replace(config.training, seed=seed))
            weights = work / "students" / f"{group}-{seed}.safetensors"
            runs.append(Run(group, seeded, weights, is_given=False))
    return runs


def quick_config(config: PretrainConfig) -> PretrainConfig:
    """Make a configuration whose training takes seconds and is worth nothing."""
    return replace(
        config,
        network=_QUICK_NETWORK,
        teacher=replace(config.teacher, image_height=_QUICK_IMAGE_HEIGHT),
        training=replace(config.training, epochs=1),
    )


def given_runs(students: Sequence[Path]) -> list[Run]:
    """Plan to measure checkpoints as they are; those of one configuration are its seeds.

    Args:
        students: Checkpoints, in the order wanted.

    Raises:
        CheckpointError: If one cannot be used.
        ValueError: If two have one configuration and one seed, or two configurations one name.
    """
    groups: dict[str, dict[int, Run]] = {}  # by configuration, then by seed
    for path in students:
        config = load_checkpoint(path).config
        seed = config.training.seed
        without_seed = repr(replace(config, training=replace(config.training, seed=0)))
        members = groups.setdefault(without_seed, {})
        if seed in members:
            raise ValueError(f"{path} and {members[seed].weights} differ in nothing but weights")
        first = next(iter(members.values()), None)
        # "embedded-0" is a seed of "embedded".
        name = first.group if first else re.sub(r"-\d+$", "", path.stem)
        members[seed] = Run(name, config, path, is_given=True)
    names = [next(iter(members.values())).group for members in groups.values()]
    if len(set(names)) < len(names):
        raise ValueError(
            f"students of {len(names)} configurations are called {', '.join(names)}; give the "
            f"files of each configuration a name of their own"
        )
    return [run for members in groups.values() for run in members.values()]


def groups_of(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Sort runs by their configuration, in order; those of one differ by their seeds."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.group, []).append(run)
    return groups


def corruption_name(corruption: Corruption | None) -> str:
    """Name of a corruption, for files."""
    return f"{corruption.kind}-{corruption.strength}" if corruption else "none"


def teacher_stages(work: Path, runs: Sequence[Run], device: str = "cpu") -> list[Stage]:
    """Stages in which each configuration's teacher speaks, once for all seeds.

    Args:
        work: Folder that holds `train/`; gets `teacher/`.
        runs: All of them; those that are given need no teacher.
        device: Where CLIP runs.
    """
    return [
        Stage(f"teacher-{group}", partial(_embed, work, members[0].config.teacher, device))
        for group, members in groups_of(runs).items()
        if not members[0].is_given
    ]


def student_stages(work: Path, runs: Sequence[Run], device: str = "cpu") -> list[Stage]:
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
            else partial(_pretrain, work, run, device),
        )
        for run in runs
    ]


def supervised_stages(work: Path, runs: Sequence[Run], device: str = "cpu") -> list[Stage]:
    """Stages that train each student's network with full supervision.

    Args:
        work: Folder that holds `train/`.
        runs: All of them.
        device: Where they are trained.
    """
    return [
        Stage(
            f"supervised-{run.name}",
            partial(_supervise, work / "train", run, _supervised(work, run), device),
        )
        for run in runs
    ]


def measuring_stages(
    work: Path, runs: Sequence[Run], corruptions: Sequence[Corruption]
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
            Stage(f"probes-{group}", partial(answer_probes, weights, test, pictures)),
            Stage(f"score-supervised-{group}", partial(evaluate_networks, supervised, test)),
            Stage(f"score-untrained-{group}", partial(evaluate_untrained, first, seeds, test)),
            Stage(f"failures-{group}", partial(draw_failures, first, test, pictures)),
        ]
        for corruption in (None, *corruptions):
            name = f"corrupted-{group}-{corruption_name(corruption)}"
            stages.append(Stage(name, partial(evaluate_corrupted, first, test, corruption)))
    return stages


def _supervised(work: Path, run: Run) -> Path:
    return work / "supervised" / f"{run.name}.safetensors"


def _embed(work: Path, teacher: TeacherConfig, device: str) -> str:
    """Let a teacher embed every training image; gives the name of its cache."""
    dense_clip = dense_clip_of(teacher, load_clip(teacher.clip, find_device(device)))
    cache = TeacherCache(work / "teacher", dense_clip)
    dataset = NuScenesDataset(work / "train")
    fill_cache(cache, dataset, range(len(dataset)), lambda done, total: None)
    return cache.folder.name


def _pretrain(work: Path, run: Run, device: str) -> str:
    """Train a student; gives the digest of its checkpoint."""
    dataset = NuScenesDataset(work / "train")
    fabric = make_fabric(run.config, device)
    return digest_of(pretrain(dataset, run.config, run.weights, fabric, work / "teacher"))


def _supervise(train: Path, run: Run, out: Path, device: str) -> str:
    """Train its network with 3D labels; gives the digest of its checkpoint."""
    dataset = NuScenesDataset(train, with_labels=True, with_images=False)
    return digest_of(supervise(dataset, run.config, out, make_fabric(run.config, device)))
