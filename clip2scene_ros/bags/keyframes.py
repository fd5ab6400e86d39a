"""Choose the keyframes of a recording: often where the robot moves, rarely where it stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.geometry.se3 import displacement
from clip2scene_ros.messages.decode import NANOSECONDS


@dataclass(frozen=True)
class KeyframeOptions:
    """Which sweeps of a recording become keyframes.

    Attributes:
        period_s: Least time between two keyframes, seconds. nuScenes has two a second.
        distance_m: Least motion between two keyframes, metres...
        angle_deg: ... or turn, degrees.
        standing_s: Time after which a robot that stands gets a keyframe all the same, seconds:
            others move around it.

    Raises:
        ValueError: If a value is negative.
    """

    period_s: float = 0.5
    distance_m: float = 0.5
    angle_deg: float = 10.0
    standing_s: float = 5.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0:
                raise ValueError(f"{name} must be 0 or more, got {value}")


class KeyframeChooser:
    """Says of one sweep after another whether it is a keyframe.

    Args:
        options: When it is one.
    """

    def __init__(self, options: KeyframeOptions) -> None:
        self._options = options
        self._newest: tuple[int, NDArray[np.float64]] | None = None

    def choose(self, stamp_ns: int, T_global_lidar: NDArray[np.float64]) -> bool:
        """Whether a sweep is a keyframe: the first, and each that is late and far enough.

        Args:
            stamp_ns: Stamp of the sweep, later than that of the sweep before.
            T_global_lidar: (4, 4) float64; all NaN if the pose is not known: time alone decides.
        """
        if self._newest is not None and not self._is_due(stamp_ns, *self._newest, T_global_lidar):
            return False
        self._newest = stamp_ns, T_global_lidar
        return True

    def _is_due(
        self,
        stamp_ns: int,
        newest_ns: int,
        newest: NDArray[np.float64],
        T_global_lidar: NDArray[np.float64],
    ) -> bool:
        options = self._options
        seconds = (stamp_ns - newest_ns) / NANOSECONDS
        # Stamps of a LiDAR at exactly this period come a little early or late.
        if seconds < 0.9 * options.period_s:
            return False
        if seconds >= options.standing_s or not np.isfinite(newest + T_global_lidar).all():
            return True
        distance_m, angle_rad = displacement(newest, T_global_lidar)
        return distance_m >= options.distance_m or np.degrees(angle_rad) >= options.angle_deg
