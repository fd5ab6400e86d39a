"""The sensors of a data set in nuScenes' format: which are read, and their calibration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.sample import DatasetError

LIDAR_CHANNEL: Final = "LIDAR_TOP"
CAMERA_CHANNELS: Final = (
    "CAM_FRONT",
    "CAM_FRONT_RIGHT",
    "CAM_BACK_RIGHT",
    "CAM_BACK",
    "CAM_BACK_LEFT",
    "CAM_FRONT_LEFT",
)
"""The cameras clockwise from the front, seen from above."""

RECORDED: Final = "v1.0-recorded"
"""Version of data sets that `NuScenesWriter` wrote; all cameras in them are a robot's own."""


class Sensor(NamedTuple):
    """A row of sensor.json.

    Attributes:
        channel: Name of the sensor.
        is_camera: Whether it takes pictures.
    """

    channel: str
    is_camera: bool


def read_sensor(row: dict[str, Any]) -> tuple[str, Sensor]:
    """Read a row of sensor.json: its token and the sensor."""
    channel = row["channel"]
    # Hand-made tables may lack the modality.
    modality = row.get("modality") or ("camera" if channel.startswith("CAM") else "")
    return row["token"], Sensor(channel, modality == "camera")


def check_sensors(
    table: Path, sensors: Iterable[Sensor], cameras: Sequence[str]
) -> tuple[str, ...]:
    """Refuse a data set without the LiDAR.

    Args:
        table: Path of sensor.json.
        sensors: The rows of that file.
        cameras: Names of the cameras to read.

    Returns:
        Names of the other cameras.

    Raises:
        DatasetError: If there is no sensor of the name LIDAR_CHANNEL, or a camera is none of
            nuScenes' and not in the table.
    """
    sensors = list(sensors)
    names = sorted(sensor.channel for sensor in sensors)
    found = sorted(sensor.channel for sensor in sensors if sensor.is_camera)
    unknown = [name for name in cameras if name not in (*names, *CAMERA_CHANNELS)]
    if unknown:
        raise DatasetError(
            f"{table} has no camera {', '.join(unknown)}; it has {', '.join(found) or 'none'}"
        )
    if LIDAR_CHANNEL not in names:
        raise DatasetError(
            f"{table} has no {LIDAR_CHANNEL}, only {', '.join(names)}; the LiDAR to read must be "
            f"called so in this table"
        )
    return tuple(name for name in found if name not in cameras)


def read_intrinsics(rows: Any, token: str) -> NDArray[np.float64]:
    """Read a camera_intrinsic: (3, 3) float64, pixels.

    Raises:
        ValueError: If it is none.
    """
    matrix = np.array(rows, dtype=np.float64).reshape(3, 3)
    if not np.isfinite(matrix).all() or min(matrix[0, 0], matrix[1, 1]) <= 0:
        raise ValueError(
            f"camera_intrinsic of calibration {token} must be finite, with positive focal lengths, "
            f"got {rows}"
        )
    return matrix
