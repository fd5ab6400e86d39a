"""A cloud on its way to a sweep: message, stamps, and points once they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip2scene_ros.conversions import NANOSECONDS, points_from_cloud
from clip2scene_ros.point_times import point_times


@dataclass(frozen=True)
class WaitingCloud:
    """A sensor_msgs/PointCloud2 that waits for its poses and images.

    Attributes:
        topic: Where it came from.
        message: The cloud.
        at_ns: Its stamp.
        arrival_ns: When it came, by the assembler's clock.
        arrived_s: The same by a steady clock.
        intensity_scale: The LiDAR's largest intensity.
        header: The message's own, or one with the frame that overrides its.
    """

    topic: str
    message: Any
    at_ns: int
    arrival_ns: int
    arrived_s: float
    intensity_scale: float
    header: Any

    @property
    def where(self) -> str:
        """Name topic and stamp, for reasons."""
        return f"{self.topic} at {self.at_ns / NANOSECONDS:.6f}"

    @cached_property
    def points(self) -> NDArray[np.float32]:
        """The points, (N, 4); decoded once.

        Raises:
            CloudError: As `points_from_cloud`.
        """
        return points_from_cloud(self.message, self.intensity_scale)

    @cached_property
    def offsets_s(self) -> NDArray[np.float64]:
        """Seconds of each point from the stamp, (N,); read once.

        Raises:
            CloudError: As `point_times`.
        """
        return point_times(self.message, self.points)

    @property
    def span_s(self) -> tuple[float, float]:
        """First and last of the points' moments and the stamp, in seconds from the stamp.

        Raises:
            CloudError: As `point_times`.
        """
        return float(self.offsets_s.min(initial=0.0)), float(self.offsets_s.max(initial=0.0))
