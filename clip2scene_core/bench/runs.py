"""Students that a bench trains or is given, one for each configuration and seed."""

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
        config: Configuration with the seed.
        weights: File of the checkpoint.
        is_given: True for a checkpoint that was trained before.
    """

    group: str
    config: PretrainConfig
    weights: Path
    is_given: bool

    @property
    def name(self) -> str:
        """Name of the run, for files."""
        return f"{self.group}-{self.config.training.seed}"


def with_seed(config: PretrainConfig, seed: int) -> PretrainConfig:
    """Set the seed of a configuration."""
    return replace(config, training=replace(config.training, seed=seed))


def trained_run(group: str, config: PretrainConfig, seed: int, work: Path) -> StudentRun:
    """Plan to train a configuration with a seed.

    Args:
        group: Name of the configuration.
        config: Configuration; its own seed is replaced.
        seed: Seed of the training.
        work: Folder of the bench; the checkpoint goes to `students/` in it.
    """
    weights = work / "students" / f"{group}-{seed}.safetensors"
    return StudentRun(group, with_seed(config, seed), weights, is_given=False)


def trained_runs(
    configs: Mapping[str, PretrainConfig], num_seeds: int, work: Path
) -> list[StudentRun]:
    """Plan to train each configuration with the seeds 0, 1, ...

    Args:
        configs: Configurations by their names.
        num_seeds: Number of seeds.
        work: Folder of the bench.
    """
    return [
        trained_run(group, config, seed, work)
        for group, config in configs.items()
        for seed in range(num_seeds)
    ]


def given_runs(students: Sequence[Path]) -> list[StudentRun]:
    """Plan to measure checkpoints; those of one configuration count as its seeds.

    Args:
        students: Files of checkpoints, in the order of the report.

    Raises:
        CheckpointError: If a checkpoint cannot be used.
        ValueError: If two have the same configuration and seed, or two configurations have the
            same name.
    """
    groups: dict[str, dict[int, StudentRun]] = {}  # by configuration, then by seed
    for path in students:
        config = load_checkpoint(path).config
        seed = config.training.seed
        members = groups.setdefault(repr(with_seed(config, 0)), {})
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
    """Sort runs by the names of their configurations; the runs of one differ by their seeds."""
    groups: dict[str, list[StudentRun]] = {}
    for run in runs:
        groups.setdefault(run.group, []).append(run)
    return groups
