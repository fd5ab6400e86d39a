"""Any data set of a LiDAR and cameras as one in nuScenes' format, for what reads nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.atomic_write import atomic_folder
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.datasets.nuscenes_writer import NuScenesWriter
from clip2scene_core.geometry.se3 import invert
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.sample import PINHOLE, DatasetError, Sample


def write_nuscenes_copy(
    dataset: KeyframeDataset, out: Path, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write all keyframes of a data set in nuScenes' format.

    The ego frame is that of the LiDAR, since other formats have no other; where a camera is in it
    is taken from the first keyframe of each scene. Images become JPEG of quality 95. Sweeps between
    keyframes are not written.

    Args:
        dataset: Opened with images, and without labels unless they are of nuScenes' 16 classes.
        out: Folder to make; it appears when it is complete.
        progress: Called after each keyframe with the number of keyframes done and in total.

    Raises:
        DatasetError: If the data set is empty, a file is missing or damaged, or there is what
            nuScenes' format has no place for: labels of other classes, colors of points, or a lens
            that distorts.
        FileExistsError: If `out` exists and is not empty.
        OSError: If a file cannot be written.
    """
    if len(dataset) == 0:
        raise DatasetError("the data set has no keyframe, so there is nothing to write")
    if dataset.with_labels and tuple(dataset.classes) != NUSCENES_CLASSES:
        raise DatasetError(
            "the labels are not of nuScenes' classes, which is all that its format can hold; open "
            "the data set without labels"
        )
    name_of_scene = {scene.token: scene.name for scene in dataset.scenes}
    with atomic_folder(out) as draft:
        (draft / "samples").mkdir(parents=True)
        writer = NuScenesWriter(draft, out.name)
        extrinsics: dict[tuple[str, str], NDArray[np.float64]] = {}
        for index in range(len(dataset)):
            sample = dataset[index]
            _check(sample)
            T_ego_global = invert(sample.keyframe.T_global_lidar)
            T_ego_sensor = {
                view.name: extrinsics.setdefault(
                    (sample.scene_token, view.name), T_ego_global @ view.T_global_camera
                )
                for view in sample.cameras
            }
            writer.add(sample, name_of_scene[sample.scene_token], T_ego_sensor)
            if progress is not None:
                progress(index + 1, len(dataset))
        writer.close()


def _check(sample: Sample) -> None:
    """Refuse what would be lost without a word."""
    if sample.keyframe.points.shape[1] != 4:
        raise DatasetError(
            "the points have colors, which nuScenes' format has no place for; only clouds of a "
            "LiDAR can be written in it"
        )
    distorted = [view.name for view in sample.cameras if view.lens != PINHOLE]
    if distorted:
        raise DatasetError(
            f"the lens of {distorted[0]} distorts, and nuScenes' format has pinholes alone; "
            f"rectify its images first"
        )
