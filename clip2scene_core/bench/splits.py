"""The splits of the synthetic world on disk, and how large they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clip2scene_core.bench.results import SplitCounts
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.writer import write_world


def quick_world(options: WorldOptions) -> WorldOptions:
    """Make a world that takes seconds and shows next to nothing."""
    return replace(options, num_scenes=2, seconds=0.5, image_size=(56, 100), lidar_columns=180)


def write_split(
    root: Path, options: WorldOptions, progress: Callable[[int, int], None], workers: int
) -> dict[str, Any]:
    """Write a split and measure it.

    Args:
        root: Where it appears when it is complete; what an interrupted bench left is replaced.
        options: What to write.
        progress: Called with (scenes done, scenes).
        workers: Processes.

    Returns:
        Its sizes as JSON holds them, see `split_result`.
    """
    if not root.exists():
        unfinished = root.with_name(f"{root.name}.unfinished")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        write_world(unfinished, options, progress, workers)
        unfinished.replace(root)
    dataset = NuScenesDataset(root, with_labels=True, with_images=False)
    points = {scene.token: np.zeros(len(NUSCENES_CLASSES), np.int64) for scene in dataset.scenes}
    for index in range(len(dataset)):
        sample = dataset[index]
        labels = sample.keyframe.labels
        assert labels is not None  # the data set was opened with labels
        counts = np.bincount(labels[labels != IGNORE_LABEL], minlength=len(NUSCENES_CLASSES))
        points[sample.scene_token] += counts
    by_scene = np.stack(list(points.values()))
    return {
        "num_scenes": len(dataset.scenes),
        "num_keyframes": len(dataset),
        "points_per_class": by_scene.sum(axis=0).tolist(),
        "scenes_per_class": (by_scene > 0).sum(axis=0).tolist(),
    }


def split_result(name: str, value: dict[str, Any]) -> SplitCounts:
    """Make the noun of a report from what `write_split` gave."""
    return SplitCounts(
        name,
        value["num_scenes"],
        value["num_keyframes"],
        tuple(value["points_per_class"]),
        tuple(value["scenes_per_class"]),
    )


@dataclass(frozen=True)
class Scenes:
    """Scenes of a data set in nuScenes' format.

    Attributes:
        root: Folder of the data set.
        names: Of the scenes, in order; None takes all.
        version: Its version folder, if there are several.
    """

    root: Path
    names: tuple[str, ...] | None = None
    version: str | None = None

    def open(self, with_labels: bool = False, with_images: bool = True) -> NuScenesDataset:
        """Open them; see `NuScenesDataset`."""
        return NuScenesDataset(
            self.root,
            self.version,
            self.names,
            with_labels=with_labels,
            with_images=with_images,
        )
