"""The scenes of a table: those of the synthetic world, or of any data set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from clip2scene_core.bench.splits import Scenes, quick_world
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.splits import SPLITS, benchmark_options

_NUM_SCENES: Final = {"train": 32, "val": 16, "test": 32}
"""The first scenes of each split, with their seeds."""

_NUM_SCENES_OF_ABLATIONS: Final = {"train": 32, "val": 30}
"""The numbers are of `val`, so all of its scenes are used."""

_SECONDS: Final = {"train": 1.5, "val": 0.5, "test": 0.5}
"""Three keyframes of a scene to train on, one to measure on: another scene tells more than another
keyframe of the same scene."""

_LIDAR_COLUMNS: Final = 180
_PREVIOUS_SWEEPS: Final = {"train": 4, "val": 0, "test": 0}


@dataclass(frozen=True)
class TableScenes:
    """The parts of the scenes.

    Attributes:
        train: Scenes to pre-train on without labels, and to fine-tune on with some.
        tune: Scenes to choose settings by; None if no setting is chosen.
        test: Scenes of the numbers of the paper's tables; None for ablations.
    """

    train: Scenes
    tune: Scenes | None
    test: Scenes | None


def synthetic_worlds(is_quick: bool, measured_on: str) -> dict[str, WorldOptions]:
    """Say what is rendered of each split, by its name: so little that a table takes an hour."""
    num_scenes = _NUM_SCENES if measured_on == "test" else _NUM_SCENES_OF_ABLATIONS
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
    """Give the rendered scenes in the folder of a bench."""
    test = Scenes(work / "test") if measured_on == "test" else None
    return TableScenes(Scenes(work / "train"), Scenes(work / "val"), test)
