"""KITTI's text files: calibration, poses and times of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.files.damage import name_damage
from clip2scene_core.files.text import read_text
from clip2scene_core.geometry.se3 import invert
from clip2scene_core.sample import DatasetError

_MAX_BYTES: Final = 1 << 26
"""Largest text file, bytes; the longest poses.txt has 1 MB."""


@dataclass(frozen=True)
class KittiCamera:
    """A color camera of a sequence.

    Attributes:
        intrinsics: (3, 3) float64, pixels.
        T_camera_lidar: (4, 4) float64, extrinsics.
    """

    intrinsics: NDArray[np.float64]
    T_camera_lidar: NDArray[np.float64]


@dataclass(frozen=True)
class KittiCalibration:
    """The calibration of a sequence.

    Attributes:
        T_cam0_lidar: (4, 4) float64, from the LiDAR into the rectified frame of camera 0: x right,
            y down, z forward.
        cameras: The color cameras that the file has, by the name of their folder.
    """

    T_cam0_lidar: NDArray[np.float64]
    cameras: Mapping[str, KittiCamera]


def read_calibration(path: Path) -> KittiCalibration:
    """Read the calibration of a sequence.

    Args:
        path: calib.txt of KITTI odometry, with Tr; or a file of KITTI's object benchmark, with
            R0_rect and Tr_velo_to_cam.

    Raises:
        DatasetError: If the file is missing, lacks a matrix, or a matrix is damaged.
    """
    remedy = "images and poses need it: unpack data_odometry_calib.zip"
    lines = _read_lines(path, remedy)
    matrices = {key.strip(): row for key, _, row in (line.partition(":") for line in lines)}

    def matrix(key: str, columns: int = 4) -> NDArray[np.float64]:
        return _matrix(path, key, matrices[key], columns)

    if "Tr" in matrices:
        T_cam0_lidar = _rigid(path, "Tr", matrix("Tr"))
    elif "Tr_velo_to_cam" in matrices and "R0_rect" in matrices:
        rectified = np.eye(4)
        rectified[:3, :3] = matrix("R0_rect", 3)
        T_cam0_lidar = rectified @ _rigid(path, "Tr_velo_to_cam", matrix("Tr_velo_to_cam"))
    else:
        raise DatasetError(
            f"{path} has no Tr, nor R0_rect with Tr_velo_to_cam, only {', '.join(matrices)}; is it "
            f"the calib.txt of KITTI odometry?"
        )
    return KittiCalibration(
        T_cam0_lidar,
        {
            f"image_{number}": _camera(matrix(f"P{number}"), T_cam0_lidar)
            for number in (2, 3)
            if f"P{number}" in matrices
        },
    )


def read_poses(path: Path, calibration: KittiCalibration) -> NDArray[np.float64]:
    """Read the poses of a sequence, and turn them from camera 0 to the LiDAR.

    Args:
        path: poses.txt with 12 numbers a line, the upper rows of T_first_cam0: camera 0 of each
            scan in camera 0 of the first one.
        calibration: Of the sequence.

    Returns:
        (N, 4, 4) float64 T_global_lidar. The global frame is the LiDAR's at the first pose, so its
        z points up.

    Raises:
        DatasetError: If the file is missing or damaged.
    """
    rows = _read_table(
        path, 12, "previous sweeps and votes over a sequence need it: unpack the poses"
    )
    T_first_cam0 = np.tile(np.eye(4), (len(rows), 1, 1))
    T_first_cam0[:, :3] = rows.reshape(-1, 3, 4)
    T_cam0_lidar = calibration.T_cam0_lidar
    return invert(T_cam0_lidar) @ T_first_cam0 @ T_cam0_lidar


def read_stamps(path: Path) -> NDArray[np.int64]:
    """Read the times of a sequence: (N,) int64, nanoseconds since its first scan.

    Raises:
        DatasetError: If the file is missing or damaged.
    """
    seconds = _read_table(path, 1, "unpack data_odometry_calib.zip")[:, 0]
    return np.round(seconds * 1e9).astype(np.int64)


def _camera(projection: NDArray[np.float64], T_cam0_lidar: NDArray[np.float64]) -> KittiCamera:
    """Take a projection matrix K [I | t] apart; t is the way from camera 0 to this camera."""
    intrinsics = projection[:, :3].copy()
    T_camera_cam0 = np.eye(4)
    T_camera_cam0[:3, 3] = np.linalg.solve(intrinsics, projection[:, 3])
    return KittiCamera(intrinsics, T_camera_cam0 @ T_cam0_lidar)


def _matrix(path: Path, key: str, text: str, columns: int) -> NDArray[np.float64]:
    try:
        values = np.array(text.split(), dtype=np.float64).reshape(3, columns)
    except ValueError:
        values = np.full((3, columns), np.nan)
    if not np.isfinite(values).all() or np.linalg.det(values[:, :3]) < 1e-6:
        raise DatasetError(
            f"{path}: {key} must be {3 * columns} numbers of an invertible matrix, got {text!r}"
        )
    return values


def _rigid(path: Path, key: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    transform = np.eye(4)
    transform[:3] = rows
    rotation = transform[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
        raise DatasetError(f"{path}: {key} is no rotation with a translation, got {rows.tolist()}")
    return transform


def _read_lines(path: Path, remedy: str) -> list[str]:
    try:
        with name_damage(path, "text", DatasetError):
            return read_text(path, _MAX_BYTES).splitlines()
    except DatasetError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise DatasetError(f"{path} is missing; {remedy}") from None
        raise


def _read_table(path: Path, columns: int, remedy: str) -> NDArray[np.float64]:
    rows = [line.split() for line in _read_lines(path, remedy) if line.strip()]
    try:
        table = np.array(rows, dtype=np.float64).reshape(len(rows), columns)
    except ValueError:
        table = np.full((1, columns), np.nan)
    if not len(rows) or not np.isfinite(table).all():
        raise DatasetError(
            f"{path} must have {columns} numbers in each line; it is damaged or truncated"
        )
    return table
