"""The whole way from a sensor's cloud to a network's: levelled, then its intensity normalized."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.sections import InputConfig
from clip2scene_core.preprocessing.ground import Ground
from clip2scene_core.preprocessing.intensity import normalize_intensity
from clip2scene_core.preprocessing.levelling import GroundTracker, find_ground, level


@dataclass(frozen=True)
class NetworkInput:
    """What a network is told of a sweep of N points.

    Attributes:
        points: (N, 4) float32: x, y, z in metres, intensity, in the order of the sweep.
        ground: The ground that levelled them, in the LiDAR's place and the axes of the base; None
            if there was none, or the points are not levelled.
    """

    points: NDArray[np.float32]
    ground: Ground | None = None


def preprocess(
    points: NDArray[np.float32],
    config: InputConfig,
    T_base_lidar: NDArray[np.float64] | None = None,
    tracker: GroundTracker | None = None,
) -> NetworkInput:
    """Make what a network is told of one sweep.

    Args:
        points: (N, 4) float32, without the robot itself, see `is_usable`: x, y, z in metres in the
            LiDAR frame, intensity.
        config: Whether to level, and what to do with intensity.
        T_base_lidar: (4, 4) float64, pose of the LiDAR in a frame whose z points up; only its
            rotation is used, and only for levelling. None: z of the LiDAR points up.
        tracker: Smooths the ground over the sweeps of this sensor. None: the sweep is on its own.

    Returns:
        N points; the array that came in if there is nothing to do.

    Raises:
        ValueError: If `T_base_lidar` holds no rotation.
    """
    ground = None
    if config.level:
        ground = find_ground(points, T_base_lidar)
        if tracker is not None:
            ground = tracker.update(ground)
        points = level(points, config.sensor_height_m, ground, T_base_lidar)
    return NetworkInput(tell_intensity(points, config), ground)


def levelled_as(config: InputConfig, level: bool | None) -> InputConfig:
    """Switch levelling on or off; None leaves it as the network was trained."""
    return config if level is None else replace(config, level=level)


def level_by_ground(points: NDArray[np.float32], config: InputConfig) -> NDArray[np.float32]:
    """Level points (N, 4) by their own ground if the config says so; else they stay as they are."""
    if not config.level:
        return points
    return level(points, config.sensor_height_m, find_ground(points))


def tell_intensity(points: NDArray[np.float32], config: InputConfig) -> NDArray[np.float32]:
    """Normalize the intensities of points (N, 4): a new array, or the same one if nothing changes.

    Every cloud passes here before a network, in training and inference: what comes out is finite.
    """
    if config.intensity == "raw" and np.isfinite(points[:, 3]).all():
        return points
    told = points.copy()
    told[:, 3] = normalize_intensity(points[:, 3], config.intensity)
    return told
