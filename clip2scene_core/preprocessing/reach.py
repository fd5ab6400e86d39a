"""Which points of a sweep count: those at a finite place, in range, and not on the robot itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.preprocessing.levelling import mount_rotation

MIN_RANGE_M = 1.0
EGO_RADIUS_M = 1.5
MAX_RANGE_M = 80.0


def is_usable(
    points: NDArray[np.float32],
    min_range_m: float = MIN_RANGE_M,
    ego_radius_m: float = EGO_RADIUS_M,
    max_range_m: float = MAX_RANGE_M,
    *,
    T_base_lidar: NDArray[np.float64] | None = None,
) -> NDArray[np.bool_]:
    """Tell which points are at a finite place, in range and not on the robot itself.

    Args:
        points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity, which need not be
            finite: see `normalize_intensity`.
        min_range_m: Nearer points are not usable.
        ego_radius_m: Points above and below this circle around the LiDAR are not usable.
        max_range_m: Points farther away are not usable.
        T_base_lidar: (4, 4) float64, pose of the LiDAR in a frame whose z points up; only its
            rotation is used. None: z of the LiDAR points up.

    Returns:
        (N,) bool.

    Raises:
        ValueError: If `T_base_lidar` holds no rotation.
    """
    x, y, z = points[:, :3].T  # column by column: reductions over three numbers are slow
    across_x, across_y = x, y
    with np.errstate(invalid="ignore", over="ignore"):
        if T_base_lidar is not None:
            rotation = mount_rotation(T_base_lidar)[:2, :3].astype(np.float32)
            across_x, across_y = rotation @ points[:, :3].T
        range_m = np.sqrt(x * x + y * y + z * z)
        inside: NDArray[np.bool_] = (range_m >= min_range_m) & (range_m <= max_range_m)
        inside &= np.sqrt(across_x * across_x + across_y * across_y) >= ego_radius_m
    inside &= np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
    return inside
