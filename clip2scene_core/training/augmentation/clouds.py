"""Augment one sweep: let another sensor see it, level it, rotate and mirror it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.augmentation import SensorAugmentationConfig
from clip2scene_core.config.sections import InputConfig
from clip2scene_core.preprocessing.network_input import level_by_ground, tell_intensity
from clip2scene_core.training.augmentation.beams import vary_beams
from clip2scene_core.training.augmentation.dropout import draw_survivors
from clip2scene_core.training.augmentation.intensity import vary_intensity
from clip2scene_core.training.augmentation.placement import vary_placement


def augment_cloud(
    points: NDArray[np.float32],
    config: SensorAugmentationConfig,
    network_input: InputConfig,
    generator: np.random.Generator,
    may_rotate: bool = True,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Let another sensor see a sweep, and make of it what the network is told.

    Points are dropped and beams get their errors first, in the frame of the sensor, where beams are
    cones. What is left is leveled, as the cloud of such a sensor would be, then rotated, placed
    elsewhere, and given other intensities.

    Args:
        points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity in [0, 1].
        config: What to change. What is off draws no random number.
        network_input: Whether to level, and what to do with intensity.
        generator: Random generator.
        may_rotate: Whether to rotate and mirror, see `rotate_and_flip`.

    Returns:
        (M, 4) float32, and (M,) int64, its rows in `points`, ascending. M is 0 only where N is 0.
    """
    kept = draw_survivors(points, config, generator)
    cloud = vary_beams(points[kept], config, generator)
    cloud = level_by_ground(cloud, network_input)
    if may_rotate:
        cloud = rotate_and_flip(cloud, generator)
    cloud = vary_placement(cloud, config, generator)
    cloud = vary_intensity(cloud, config, generator)
    return tell_intensity(cloud, network_input), kept


def rotate_and_flip(
    points: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.float32]:
    """Rotate a sweep about z by a random angle and mirror x and y, each with probability 0.5.

    Pixel-point pairs are indices of points, so they stay valid.

    Args:
        points: (N, 4) float32: x, y, z in metres in any frame whose z points up, intensity.
        generator: Random generator.

    Returns:
        (N, 4) float32, a new array in a rotated and mirrored frame.

    Source: CLIP2Scene (CVPR 2023), section 4.1.
    """
    angle_rad = generator.uniform(0, 2 * np.pi)
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    signs = np.where(generator.random(2) < 0.5, -1.0, 1.0)
    rotation = np.array([[cosine, -sine], [sine, cosine]]) * signs[:, None]
    augmented = points.copy()
    augmented[:, :2] = points[:, :2] @ rotation.T
    return augmented
