"""Splits on disk: the rendered ones of the synthetic world, or scenes of any data set."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.json_dataclass import to_json
from clip2scene_core.bench.results import SplitCounts
from clip2scene_core.datasets import JoinedDataset, KeyframeDataset, NuScenesDataset
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.writer import write_world


def quick_world(options: WorldOptions) -> WorldOptions:
    """Make a world so small that rendering takes seconds; its numbers mean nothing."""
    return replace(options, num_scenes=2, seconds=0.5, image_size=(56, 100), lidar_columns=180)


def write_split(
    root: Path, options: WorldOptions, progress: Callable[[int, int], None], workers: int
) -> dict[str, Any]:
    """Render a split, if it is not there, and count its points.

    Args:
        root: Folder of the split, with the split's name. It appears when the split is complete;
            what an interrupted run left is replaced.
        options: What is rendered.
        progress: Called after each scene with (scenes done, scenes).
        workers: Number of processes.

    Returns:
        A `SplitCounts` as JSON.
    """
    if not root.exists():
        unfinished = root.with_name(f"{root.name}.unfinished")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        write_world(unfinished, options, progress, workers)
        unfinished.replace(root)
    dataset = NuScenesDataset(root, with_labels=True, with_images=False)
    by_scene = count_points(dataset)
    split = SplitCounts(
        name=root.name,
        num_scenes=len(dataset.scenes),
        num_keyframes=len(dataset),
        points_per_class=tuple(by_scene.sum(axis=0).tolist()),
        scenes_per_class=tuple((by_scene > 0).sum(axis=0).tolist()),
    )
    values: dict[str, Any] = to_json(split)
    return values


def count_points(dataset: KeyframeDataset) -> NDArray[np.int64]:
    """Count the labelled points of each scene and class: (S, 16) int64; open it with labels."""
    points = {scene.token: np.zeros(len(NUSCENES_CLASSES), np.int64) for scene in dataset.scenes}
    for index in range(len(dataset)):
        sample = dataset[index]
        labels = sample.keyframe.labels
        assert labels is not None  # the data set was opened with labels
        counts = np.bincount(labels[labels != IGNORE_LABEL], minlength=len(NUSCENES_CLASSES))
        points[sample.scene_token] += counts
    return np.stack(list(points.values()))


@dataclass(frozen=True)
class Scenes:
    """Scenes of a data set in nuScenes' format.

    Attributes:
        root: Folder of the data set.
        names: Names of the scenes, in order; None takes all scenes.
        version: Version folder of the data set; None if there is one only.
        others: Folders of further data sets, of which all scenes are taken.
    """

    root: Path
    names: tuple[str, ...] | None = None
    version: str | None = None
    others: tuple[Path, ...] = ()

    def open(self, with_labels: bool = False, with_images: bool = True) -> KeyframeDataset:
        """Open the scenes; see `NuScenesDataset`."""
        first, *others = (
            NuScenesDataset(root, version, names, with_labels=with_labels, with_images=with_images)
            for root, version, names in (
                (self.root, self.version, self.names),
                *((root, None, None) for root in self.others),
            )
        )
        return JoinedDataset([first, *others]) if others else first
