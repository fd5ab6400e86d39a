"""SemanticKITTI, or any data set in the layout of KITTI odometry, as samples."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.keyframe_dataset import SceneRecord
from clip2scene_core.datasets.keyframe_files import KeyframeFiles
from clip2scene_core.datasets.kitti_format.sequence import FULL_SCALE, KittiSequence, open_sequence
from clip2scene_core.labels import SEMANTIC_KITTI_CLASSES
from clip2scene_core.sample import DatasetError, Sample, Sweep

SEMANTIC_KITTI_SPLITS: Final = {
    "train": ("00", "01", "02", "03", "04", "05", "06", "07", "09", "10"),
    "val": ("08",),
    "test": ("11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21"),
}
"""Sequences of each split; the labels of "test" are not public."""

_TOKEN_PREFIX: Final = "semantic-kitti-"  # other data sets have sequences called 00, too


class SemanticKittiDataset:
    """The scans of a data set in SemanticKITTI's layout, sequence by sequence, in time order.

    Every scan is a keyframe. Labels are read only if `with_labels`; calib.txt only for images and
    poses.

    Args:
        root: Folder with sequences/NN/velodyne, see `open_sequence`.
        scenes: Names of the sequences, in the wanted order, such as those of a split in
            SEMANTIC_KITTI_SPLITS; None means all.
        num_sweeps: Number of sweeps of a sample, including the keyframe. A scan near the start of
            its sequence has fewer.
        with_labels: Whether keyframes have labels of the 19 classes.
        with_images: Whether samples have camera views; None takes the cameras that are there.
        with_poses: Whether sweeps have poses. Without them the global frame of a sample is that of
            its LiDAR, and there are no previous sweeps.
        intensity_scale: The LiDAR's largest intensity in the files.

    Attributes:
        classes: The 19 classes; the index of a class is its label.
        scenes: The open sequences.
        with_labels: Whether keyframes have labels.

    Raises:
        DatasetError: If a sequence is unknown or incomplete.

    Source: Behley et al., SemanticKITTI (ICCV 2019); Geiger et al., KITTI (CVPR 2012).
    """

    classes = SEMANTIC_KITTI_CLASSES

    def __init__(
        self,
        root: Path,
        scenes: Sequence[str] | None = None,
        num_sweeps: int = 1,
        with_labels: bool = False,
        with_images: bool | None = True,
        with_poses: bool = True,
        intensity_scale: float = FULL_SCALE,
    ) -> None:
        if num_sweeps < 1:
            raise ValueError(f"num_sweeps must be 1 (the keyframe) or more, got {num_sweeps}")
        self._num_sweeps = num_sweeps
        self.with_labels = with_labels
        self._sequences = [
            open_sequence(folder, with_labels, with_images, with_poses, intensity_scale)
            for folder in _choose_folders(Path(root), scenes)
        ]
        self._starts = [0, *accumulate(len(sequence) for sequence in self._sequences)]

    @property
    def scenes(self) -> tuple[SceneRecord, ...]:
        """The open sequences."""
        return tuple(
            SceneRecord(_scene_token(sequence), sequence.folder.name, len(sequence))
            for sequence in self._sequences
        )

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> Sample:
        """Load one scan with the `num_sweeps` - 1 scans just before it; see `load`."""
        return self.load(index, range(1, self._num_sweeps))

    def load(self, index: int, previous: Sequence[int], with_pixels: bool = True) -> Sample:
        """Load one scan and chosen scans before it, see `KeyframeDataset.load`.

        Raises:
            DatasetError: If a file is missing or damaged, or if previous scans are asked of a data
                set without poses.
            IndexError: If there is no such scan.
        """
        sequence, position = self._find(index)
        return Sample(
            token=self.token(index),
            scene_token=_scene_token(sequence),
            sweeps=tuple(self._read_sweeps(sequence, position, previous)),
            cameras=sequence.read_cameras(position, with_pixels),
        )

    def token(self, index: int) -> str:
        """The token of a scan, such as "semantic-kitti-08-000012"; opens no file."""
        sequence, position = self._find(index)
        return f"{_scene_token(sequence)}-{sequence.first + position:06d}"

    def scene_token(self, index: int) -> str:
        """The token of the sequence of a scan; opens no file."""
        return _scene_token(self._find(index)[0])

    def num_previous(self, index: int, limit: int) -> int:
        """Count the scans before a scan in its sequence, up to `limit`; opens no file."""
        return min(self._find(index)[1], limit)

    def files(self, index: int, previous: Sequence[int]) -> KeyframeFiles:
        """The files of a scan and of chosen scans before it, see `KeyframeDataset.files`."""
        sequence, position = self._find(index)
        positions = [position, *(position - steps for steps in previous if steps <= position)]
        placement: list[NDArray[np.float64] | NDArray[np.int64]] = []
        for scan in positions:
            placement += [sequence.pose(scan), sequence.stamps_ns[scan : scan + 1]]
        for camera in sequence.cameras.values():
            placement += [camera.intrinsics, camera.T_camera_lidar]
        return KeyframeFiles(
            tuple(sequence.path("velodyne", scan, ".bin") for scan in positions),
            tuple(sequence.path(name, position, ".png") for name in sequence.cameras),
            tuple(placement),
            sequence.path("labels", position, ".label") if self.with_labels else None,
        )

    def _read_sweeps(
        self, sequence: KittiSequence, position: int, previous: Sequence[int]
    ) -> Iterator[Sweep]:
        sweep = sequence.read_sweep(position)
        labels = sequence.read_labels(position, len(sweep.points)) if self.with_labels else None
        yield replace(sweep, labels=labels)
        if previous and sequence.T_global_lidar is None:
            raise DatasetError(
                f"{sequence.folder} was opened without poses, which previous scans need; open it "
                f"with_poses=True, or take one scan alone"
            )
        for steps in previous:
            if steps <= position:
                yield sequence.read_sweep(position - steps)

    def _find(self, index: int) -> tuple[KittiSequence, int]:
        """Find the sequence of a scan, and the position of the scan in it."""
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} scans, got the index {index}")
        number = bisect_right(self._starts, index) - 1
        return self._sequences[number], index - self._starts[number]


def scan_of_token(token: str) -> tuple[str, int]:
    """Name of the sequence and number of the scan that a token of this data set stands for.

    Raises:
        ValueError: If it is no token of this data set.
    """
    scene_token, _, number = token.rpartition("-")
    if not scene_token.startswith(_TOKEN_PREFIX) or not number.isdigit():
        raise ValueError(f"{token!r} is no scan of SemanticKITTI, such as {_TOKEN_PREFIX}08-000012")
    return scene_token.removeprefix(_TOKEN_PREFIX), int(number)


def _scene_token(sequence: KittiSequence) -> str:
    return f"{_TOKEN_PREFIX}{sequence.folder.name}"


def _choose_folders(root: Path, names: Sequence[str] | None) -> list[Path]:
    found = {path.parent.name: path.parent for path in sorted(root.glob("sequences/*/velodyne"))}
    if not found:
        raise DatasetError(
            f"{root} has no sequences/NN/velodyne; is it the root of SemanticKITTI (dataset/)?"
        )
    if names is None:
        return list(found.values())
    unknown = [name for name in names if name not in found][:5]
    if unknown:
        raise DatasetError(
            f"{root / 'sequences'} has no sequence {', '.join(unknown)} with velodyne/; "
            f"it has {', '.join(found)}"
        )
    return [found[name] for name in names]
