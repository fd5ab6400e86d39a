"""One sequence in the layout of KITTI odometry: which files it has, and what one file holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.intensity import DatasetIntensity
from clip2scene_core.datasets.kitti_format.calibration import (
    KittiCalibration,
    KittiCamera,
    read_calibration,
    read_poses,
    read_stamps,
)
from clip2scene_core.files.color_picture import PictureError, read_picture
from clip2scene_core.geometry.se3 import invert
from clip2scene_core.labels import semantic_kitti_label_map
from clip2scene_core.sample import CameraView, DatasetError, Sweep

FULL_SCALE: Final = 1.0
"""Largest intensity of KITTI."""
_CAMERA_FOLDERS: Final = ("image_2", "image_3")
_SCAN_PERIOD_NS: Final = 100_000_000
_POINT_BYTES: Final = 16
_LABEL_BYTES: Final = 4
_UNKNOWN: Final = 254
_OFF_CENTER: Final = (0.15, 0.25)
"""Share of the width and the height by which the principal point may lie beside the middle: 0.02 in
KITTI, 0.14 of the height in KITTI-360. Pictures of half the size have it at their edge."""
_LABEL_OF_RAW: Final = np.full(1 << 16, _UNKNOWN, dtype=np.uint8)
for _raw, _label in semantic_kitti_label_map().items():
    _LABEL_OF_RAW[_raw] = _label


@dataclass(frozen=True)
class KittiSequence:
    """The files of a sequence, found but for the small text files not opened.

    Attributes:
        folder: sequences/NN.
        first: Number of the first scan.
        stamps_ns: (N,) int64, time of each scan, nanoseconds since scan 0.
        T_global_lidar: (N, 4, 4) float64, pose of each scan; None if it was opened without poses.
        cameras: The cameras that are read, by the name of their folder.
        intensity_scale: The LiDAR's largest intensity in the files.
    """

    folder: Path
    first: int
    stamps_ns: NDArray[np.int64]
    T_global_lidar: NDArray[np.float64] | None
    cameras: dict[str, KittiCamera]
    intensity_scale: float = FULL_SCALE

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def path(self, kind: str, position: int, suffix: str) -> Path:
        """File of the scan at a position, for example velodyne/000012.bin."""
        return self.folder / kind / f"{self.first + position:06d}{suffix}"

    def pose(self, position: int) -> NDArray[np.float64]:
        """T_global_lidar of a scan, (4, 4) float64; without poses its own frame is the global."""
        return np.eye(4) if self.T_global_lidar is None else self.T_global_lidar[position]

    def read_sweep(self, position: int) -> Sweep:
        """Read a scan, without labels; without poses its own frame is the global one.

        Raises:
            DatasetError: If the file is missing or damaged.
        """
        path = self.path("velodyne", position, ".bin")
        pose, points = self.pose(position), read_kitti_points(path, self.intensity_scale)
        return Sweep(points, pose, int(self.stamps_ns[position]))

    def read_labels(self, position: int, num_points: int) -> NDArray[np.uint8]:
        """Read the labels of a scan: (N,) uint8, the 19 classes and IGNORE_LABEL.

        Raises:
            DatasetError: If the file is missing, damaged, or of another scan.
        """
        path = self.path("labels", position, ".label")
        raw = _read_values(path, _LABEL_BYTES, "the labels are incomplete").view("<u4")
        if len(raw) != num_points:
            raise DatasetError(
                f"{path} has {len(raw)} labels, but its scan has {num_points} points; both must be "
                f"of one release, and whole"
            )
        labels: NDArray[np.uint8] = _LABEL_OF_RAW[raw & 0xFFFF]
        if (labels == _UNKNOWN).any():
            unknown = int(raw[labels == _UNKNOWN][0] & 0xFFFF)
            raise DatasetError(
                f"{path} holds the raw label {unknown}, which SemanticKITTI does not have; write "
                f"raw labels such as 40 for road, not classes"
            )
        return labels

    def read_cameras(self, position: int, with_pixels: bool = True) -> tuple[CameraView, ...]:
        """Read the images of a scan. KITTI takes them while the LiDAR looks ahead: at its stamp.

        Raises:
            DatasetError: If a file is missing, is no color picture (see `decode_picture`), or has
                another size than the calibration.
        """
        pose = self.pose(position)
        return tuple(
            CameraView(
                name=name,
                image=_read_image(
                    self.path(name, position, ".png"), camera.intrinsics, with_pixels
                ),
                intrinsics=camera.intrinsics,
                T_global_camera=pose @ invert(camera.T_camera_lidar),
                stamp_ns=int(self.stamps_ns[position]),
            )
            for name, camera in self.cameras.items()
        )


def open_sequence(
    folder: Path,
    with_labels: bool,
    with_images: bool | None,
    with_poses: bool,
    intensity_scale: float = FULL_SCALE,
) -> KittiSequence:
    """Find the files of a sequence, and read its calibration, poses and times.

    Args:
        folder: sequences/NN with velodyne/; labels/, image_2/, image_3/, calib.txt, poses.txt and
            times.txt as far as they are asked for. Without times.txt scans are 0.1 s apart. Poses
            may also lie in poses/NN.txt beside sequences/, as KITTI has them.
        with_labels: Whether there must be labels.
        with_images: Whether there must be images; None takes the cameras that are there.
        with_poses: Whether there must be poses.
        intensity_scale: The LiDAR's largest intensity in the files.

    Raises:
        DatasetError: If something is missing, or does not fit.
    """
    numbers = _scan_numbers(folder / "velodyne")
    end = numbers[-1] + 1
    if with_labels and not (folder / "labels").is_dir():
        raise DatasetError(
            f"{folder} has no labels/; unpack data_odometry_labels.zip, leave the sequence out or "
            f"open it without labels (those of 11 to 21 are not public)"
        )
    names = [name for name in _CAMERA_FOLDERS if (folder / name).is_dir()]
    if with_images and not names:
        raise DatasetError(
            f"{folder} has neither image_2/ nor image_3/; unpack data_odometry_color.zip or open "
            f"the data set without images"
        )
    names = [] if with_images is False else names
    calibration = read_calibration(folder / "calib.txt") if names or with_poses else None
    stamps_ns = np.arange(end, dtype=np.int64) * _SCAN_PERIOD_NS
    if (folder / "times.txt").is_file():
        stamps_ns = read_stamps(folder / "times.txt")
        _check_length(folder / "times.txt", len(stamps_ns), end)
    poses = None
    if with_poses:
        assert calibration is not None
        path = folder / "poses.txt"
        beside = folder.parent.parent / "poses" / f"{folder.name}.txt"
        path = beside if beside.is_file() and not path.is_file() else path
        poses = read_poses(path, calibration)
        _check_length(path, len(poses), end)
    part = slice(numbers[0], end)
    return KittiSequence(
        folder,
        numbers[0],
        stamps_ns[part],
        None if poses is None else poses[part],
        {name: _camera(folder, calibration, name) for name in names},
        intensity_scale,
    )


def read_kitti_points(path: Path, intensity_scale: float = FULL_SCALE) -> NDArray[np.float32]:
    """Read a scan.

    Args:
        path: File of x, y, z and intensity.
        intensity_scale: The LiDAR's largest intensity in the file.

    Returns:
        (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity in [0, 1], or NaN where the
        file's is not finite.

    Raises:
        DatasetError: If the file is missing, truncated, or has intensities beyond the scale.
    """
    values = _read_values(path, _POINT_BYTES, "the data set is incomplete")
    # The files are little-endian on every machine.
    points: NDArray[np.float32] = values.view("<f4").reshape(-1, 4).astype(np.float32, copy=False)
    known = points[np.isfinite(points[:, 3]), 3]
    if known.max(initial=0) > intensity_scale or known.min(initial=0) < 0:
        raise DatasetError(
            f"{path} has intensities from {known.min():g} to {known.max():g}, but KITTI's are 0 to "
            f"{intensity_scale:g}; give the sensor's largest intensity as intensity_scale"
        )
    points[:, 3] = DatasetIntensity(intensity_scale).scale(points[:, 3], path)
    return points


def _scan_numbers(folder: Path) -> list[int]:
    """Numbers of the scans in a folder, ascending and without a gap."""
    names = sorted(path.stem for path in folder.glob("*.bin"))
    if not names or not all(name.isdigit() and len(name) == 6 for name in names):
        found = f"for example {names[0]}.bin" if names else "none"
        raise DatasetError(f"{folder} must hold scans called 000000.bin and so on; it has {found}")
    numbers = [int(name) for name in names]
    missing = sorted({*range(numbers[0], numbers[-1])} - {*numbers})
    if missing:
        raise DatasetError(
            f"{folder} lacks {len(missing)} scans, the first is {missing[0]:06d}.bin; "
            f"complete the download"
        )
    return numbers


def _camera(folder: Path, calibration: KittiCalibration | None, name: str) -> KittiCamera:
    if calibration is None or name not in calibration.cameras:
        raise DatasetError(f"{folder / 'calib.txt'} has no P{name[-1]}, the calibration of {name}/")
    return calibration.cameras[name]


def _check_length(path: Path, length: int, wanted: int) -> None:
    if length < wanted:
        raise DatasetError(
            f"{path} has {length} lines, but the scans go up to {wanted - 1:06d}.bin; "
            f"a line belongs to each scan, from 000000 on"
        )


def _read_values(path: Path, size: int, remedy: str) -> NDArray[np.uint8]:
    try:
        values = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing; {remedy}") from None
    if len(values) % size:
        raise DatasetError(
            f"{path} has {len(values)} bytes, not a multiple of {size}; it is truncated"
        )
    return values


def _read_image(
    path: Path, intrinsics: NDArray[np.float64], with_pixels: bool
) -> NDArray[np.uint8]:
    try:
        image = read_picture(path, with_pixels)
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing; the data set is incomplete") from None
    except PictureError as error:
        raise DatasetError(f"{path} {error}") from None
    except OSError as error:
        raise DatasetError(f"{path} is no readable picture: {error}") from None
    height, width = image.shape[:2]
    center = intrinsics[:2, 2]
    if (np.abs(center / (width, height) - 0.5) > _OFF_CENTER).any():
        raise DatasetError(
            f"{path} is {width} x {height} pixels, but calib.txt has its middle at "
            f"{center[0]:.0f}, {center[1]:.0f}: it is for pictures of another size; scale P as the "
            f"pictures"
        )
    return image
