"""The scenes that a table is computed on: those of the synthetic world, or anybody's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from clip2scene_core.bench.splits import Scenes, quick_world
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.splits import SPLITS, benchmark_options

_NUM_SCENES: Final = {"train": 32, "val": 16, "test": 32}
"""Fewer than the benchmark's splits have, and the first of each: they keep their seeds."""

_NUM_SCENES_OF_CHOICES: Final = {"train": 32, "val": 30}
"""Where the numbers are of `val`, all that there are."""

_SECONDS: Final = {"train": 1.5, "val": 0.5, "test": 0.5}
"""Three keyframes of a scene to train on, one to measure on: scenes tell more than keyframes."""

_LIDAR_COLUMNS: Final = 180
_PREVIOUS_SWEEPS: Final = {"train": 4, "val": 0, "test": 0}


@dataclass(frozen=True)
class TableScenes:
    """Who is used for what.

    Attributes:
        train: Pre-training without labels, and the labels to fine-tune on.
        tune: Settings are chosen on them; None where nothing is to be chosen.
        test: The numbers of the paper's tables; None where no number may be of them.
    """

    train: Scenes
    tune: Scenes | None
    test: Scenes | None


def synthetic_worlds(is_quick: bool, measured_on: str) -> dict[str, WorldOptions]:
    """Say what is rendered of the benchmark's splits, by their names: small enough for an hour."""
    num_scenes = _NUM_SCENES if measured_on == "test" else _NUM_SCENES_OF_CHOICES
    worlds = {}
    for split in SPLITS:
        if split.name not in num_scenes:
            continue
        options = replace(
            benchmark_options(split),
            num_scenes=num_scenes[split.name],
            seconds=_SECONDS[split.name],
            lidar_columns=_LIDAR_COLUMNS,
            previous_sweeps=_PREVIOUS_SWEEPS[split.name],
            with_ground_truth=False,
        )
        worlds[split.name] = quick_world(options) if is_quick else options
    return worlds


def synthetic_scenes(work: Path, measured_on: str) -> TableScenes:
    """Where a bench's folder holds them."""
    test = Scenes(work / "test") if measured_on == "test" else None
    return TableScenes(Scenes(work / "train"), Scenes(work / "val"), test)
