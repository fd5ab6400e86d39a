"""What is counted of a student: its own sensor, moved, with other intensities, other LiDARs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.augmentations.worlds import SEEN_LIDARS, STREET
from clip2scene_core.bench.measure.labeller import mode_of
from clip2scene_core.bench.measure.score import count_networks
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.bench.transfer.changes import NO_CHANGE, ChangedKeyframes, SensorChange
from clip2scene_core.datasets import LabelledDataset
from clip2scene_core.world.dataset.splits import HELD_OUT_LIDARS

OWN: Final = "own sensor"

_CHANGES: Final[Mapping[str, tuple[SensorChange, ...]]] = {
    OWN: (NO_CHANGE,),
    "moved or tilted": (
        SensorChange("10 cm lower", raise_m=-0.1),
        SensorChange("10 cm higher", raise_m=0.1),
        SensorChange("1 m lower", raise_m=-1.0),
        SensorChange("tilted by 1 degree", tilt_deg=1.0),
        SensorChange("tilted by 10 degrees", tilt_deg=10.0),
    ),
    "other intensity": (
        SensorChange("no intensity", gain=0.0),
        SensorChange("intensity x 6", gain=6.0),
    ),
}
_LIDARS: Final[Mapping[str, tuple[str, ...]]] = {
    "seen LiDARs": SEEN_LIDARS,
    "unseen LiDARs": HELD_OUT_LIDARS,
}

SETS: Final = (*_CHANGES, *_LIDARS)
"""Names of what is measured. The counts of a set are those of all its sensors together."""


def score_student(weights: Path, work: Path) -> dict[str, Any]:
    """Count one student with the prompts of its training.

    Args:
        weights: Checkpoint.
        work: Folder with the data sets of `bench_worlds`.

    Returns:
        By the names of SETS, confusion counts (S, C, C + 1) by scene as nested lists.
    """
    street = Scenes(work / STREET).open(with_labels=True, with_images=False)
    counts = {}
    for name, changes in _CHANGES.items():
        counts[name] = _count(weights, (ChangedKeyframes(street, change) for change in changes))
    for name, models in _LIDARS.items():
        scenes = (Scenes(work / f"lidar-{model}") for model in models)
        counts[name] = _count(
            weights, (s.open(with_labels=True, with_images=False) for s in scenes)
        )
    return counts


def _count(weights: Path, datasets: Iterable[LabelledDataset]) -> list[Any]:
    """Add the counts of data sets that show the same scenes."""
    by_dataset: list[NDArray[np.int64]] = [
        np.array(count_networks([weights], dataset)[mode_of("lidar", 0)]["all"])
        for dataset in datasets
    ]
    total: list[Any] = np.sum(by_dataset, axis=0).tolist()
    return total
