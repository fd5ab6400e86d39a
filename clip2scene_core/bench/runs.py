"""Students that a benchmark trains or is given, one per configuration and seed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.config.pretrain import PretrainConfig


@dataclass(frozen=True)
class StudentRun:
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


def trained_runs(
    configs: Mapping[str, PretrainConfig], num_seeds: int, work: Path
) -> list[StudentRun]:
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
            runs.append(StudentRun(group, seeded, weights, is_given=False))
    return runs


def given_runs(students: Sequence[Path]) -> list[StudentRun]:
    """Plan to measure checkpoints as they are; those of one configuration are its seeds.

    Args:
        students: Checkpoints, in the order wanted.

    Raises:
        CheckpointError: If one cannot be used.
        ValueError: If two have one configuration and one seed, or two configurations one name.
    """
    groups: dict[str, dict[int, StudentRun]] = {}  # by configuration, then by seed
    for path in students:
        config = load_checkpoint(path).config
        seed = config.training.seed
        without_seed = repr(replace(config, training=replace(config.training, seed=0)))
        members = groups.setdefault(without_seed, {})
        if seed in members:
            raise ValueError(f"{path} and {members[seed].weights} differ in nothing but weights")
        first = next(iter(members.values()), None)
        # "synthetic-0" is a seed of "synthetic".
        name = first.group if first else re.sub(r"-\d+$", "", path.stem)
        members[seed] = StudentRun(name, config, path, is_given=True)
    names = [next(iter(members.values())).group for members in groups.values()]
    if len(set(names)) < len(names):
        raise ValueError(
            f"students of {len(names)} configurations are called {', '.join(names)}; give the "
            f"files of each configuration a name of their own"
        )
    return [run for members in groups.values() for run in members.values()]


def groups_of(runs: Sequence[StudentRun]) -> dict[str, list[StudentRun]]:
    """Sort runs by their configuration, in order; those of one differ by their seeds."""
    groups: dict[str, list[StudentRun]] = {}
    for run in runs:
        groups.setdefault(run.group, []).append(run)
    return groups
