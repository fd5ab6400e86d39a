"""Turn and shift a cloud so that its ground is level, at a nominal depth below the sensor."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.preprocessing.ground import Ground, estimate_ground

_MAX_STEP_M: Final = 0.3
_MAX_STEP_DEG: Final = 5.0
"""A ground that differs by more from the sweep before is another place, or an error."""
_PATIENCE: Final = 3
"""Sweeps in a row that make another ground the ground."""
_HELD: Final = 5
"""Sweeps in a row without a ground in which the last one still counts."""


def find_ground(
    points: NDArray[np.floating], T_base_lidar: NDArray[np.float64] | None = None
) -> Ground | None:
    """Find the ground under a sensor that may be mounted at any angle.

    Args:
        points: (N, 3 or more) float: x, y, z in metres in the LiDAR frame.
        T_base_lidar: (4, 4) float64, pose of the LiDAR in a frame whose z points up. Only its
            rotation is used. None: z of the LiDAR points up, to within 25 degrees.

    Returns:
        The ground, in the LiDAR's place and the axes of the base; None if there is none, see
        `estimate_ground`.

    Raises:
        ValueError: If `T_base_lidar` holds no rotation.
    """
    if T_base_lidar is None:
        return estimate_ground(points)
    return estimate_ground(transform_points(mount_rotation(T_base_lidar), points[:, :3]))


def level(
    points: NDArray[np.float32],
    sensor_height_m: float,
    ground: Ground | None,
    T_base_lidar: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Turn and shift a cloud by `level_transform`.

    Args:
        points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity.
        sensor_height_m: See `level_transform`.
        ground: See `level_transform`.
        T_base_lidar: See `level_transform`.

    Returns:
        (N, 4) float32, a new array: the points in the same order, with z up.

    Raises:
        ValueError: If `T_base_lidar` holds no rotation.
    """
    T_level_lidar = level_transform(sensor_height_m, ground, T_base_lidar).astype(np.float32)
    levelled = points.copy()
    levelled[:, :3] = points[:, :3] @ T_level_lidar[:3, :3].T + T_level_lidar[:3, 3]
    return levelled


def level_transform(
    sensor_height_m: float, ground: Ground | None, T_base_lidar: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Find what turns z up, levels the ground and puts it at z = -sensor_height_m.

    Args:
        sensor_height_m: Nominal height of the sensor above the ground, metres.
        ground: From `find_ground` with the same extrinsics. The cloud is turned by the smallest
            rotation that levels it, which keeps the heading. None: it is not turned by it, and not
            shifted.
        T_base_lidar: (4, 4) float64, pose of the LiDAR in a frame whose z points up. Only its
            rotation is used. None: the axes of the LiDAR are taken as they are.

    Returns:
        T_level_lidar, (4, 4) float64.

    Raises:
        ValueError: If `T_base_lidar` holds no rotation.
    """
    T_level_lidar = np.eye(4) if T_base_lidar is None else mount_rotation(T_base_lidar)
    if ground is not None:
        T_level_lidar[:3, :3] = _rotation_to_z(ground.normal) @ T_level_lidar[:3, :3]
        T_level_lidar[2, 3] = ground.height_m - sensor_height_m
    return T_level_lidar


class GroundTracker:
    """Follows the ground over the sweeps of one sensor.

    A ground that jumps by more than 0.3 m or 5 degrees is believed when three sweeps in a row show
    it; until then, and for five sweeps without a ground, the last one counts.

    Args:
        smoothing: Weight of the past in each sweep, in [0, 1). 0 takes each ground as it comes.

    Raises:
        ValueError: If smoothing is out of its range.
    """

    def __init__(self, smoothing: float = 0.8) -> None:
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing must be in [0, 1), got {smoothing}")
        self._smoothing = smoothing
        self._ground: Ground | None = None
        self._other: Ground | None = None
        self._num_other = self._num_lost = 0

    @property
    def ground(self) -> Ground | None:
        """The ground of the last sweep."""
        return self._ground

    def update(self, found: Ground | None) -> Ground | None:
        """Take the ground of the next sweep, and return what counts for this sweep."""
        if self._smoothing == 0:
            self._ground = found
        elif found is None:
            self._num_lost += 1
            if self._num_lost > _HELD:
                self.reset()
        else:
            self._num_lost = 0
            self._follow(found)
        return self._ground

    def reset(self) -> None:
        """Forget the past, for example after a jump in time."""
        self._ground = self._other = None
        self._num_other = self._num_lost = 0

    def _follow(self, found: Ground) -> None:
        last = self._ground
        if last is None or not _is_far(last, found):
            self._ground = found if last is None else self._blend(last, found)
            self._other, self._num_other = None, 0
            return
        is_again = self._other is not None and not _is_far(self._other, found)
        self._num_other = self._num_other + 1 if is_again else 1
        self._other = found
        if self._num_other >= _PATIENCE:
            self._ground, self._other, self._num_other = found, None, 0

    def _blend(self, last: Ground, found: Ground) -> Ground:
        past = self._smoothing
        normal = past * last.normal + (1 - past) * found.normal
        height_m = past * last.height_m + (1 - past) * found.height_m
        return replace(found, normal=normal / np.linalg.norm(normal), height_m=height_m)


def _is_far(one: Ground, other: Ground) -> bool:
    """Whether two grounds differ by a jump."""
    angle_deg = np.degrees(np.arccos(np.clip(one.normal @ other.normal, -1, 1)))
    return bool(abs(one.height_m - other.height_m) > _MAX_STEP_M or angle_deg > _MAX_STEP_DEG)


def mount_rotation(T_base_lidar: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep the rotation of a transform: (4, 4) float64 without translation.

    Raises:
        ValueError: If it is no rigid transform.
    """
    rotation = np.eye(4)
    rotation[:3, :3] = T_base_lidar[:3, :3]
    is_rotation = T_base_lidar.shape == (4, 4) and np.allclose(
        rotation[:3, :3] @ rotation[:3, :3].T, np.eye(3), atol=1e-3
    )
    if not is_rotation or np.linalg.det(rotation) < 0:
        raise ValueError(
            f"T_base_lidar must be a (4, 4) rigid transform with a right-handed rotation, got "
            f"{T_base_lidar.tolist()}; give base <- LiDAR, in metres"
        )
    return rotation


def _rotation_to_z(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smallest rotation that turns a unit vector with z > 0 to z: (3, 3) float64."""
    x, y, z = normal
    # Rodrigues' formula about the axis normal x z, whose length is the sine of the angle.
    cross = np.array([[0, 0, -x], [0, 0, -y], [x, y, 0.0]])
    rotation: NDArray[np.float64] = np.eye(3) + cross + cross @ cross / (1 + z)
    return rotation
