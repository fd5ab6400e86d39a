"""Augment one sweep: rotate and mirror it, then let another sensor see it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.augmentation import AugmentationConfig, SensorAugmentationConfig
from clip2scene_core.training.augmentation.dropout import draw_survivors
from clip2scene_core.training.augmentation.intensity import vary_intensity
from clip2scene_core.training.augmentation.placement import vary_placement


def augment_cloud(
    points: NDArray[np.float32], config: AugmentationConfig, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rotate and mirror a sweep if the config says so, then vary its sensor.

    Args:
        points: (N, 4) float32: x, y, z in metres in any frame whose z points up and whose origin is
            near the sensor, intensity in [0, 1].
        config: What to change. What is off draws no random number.
        generator: Random generator.

    Returns:
        (M, 4) float32, a new array, and (M,) int64, its rows in `points`, ascending; see
        `vary_sensor`.
    """
    if config.cloud:
        points = rotate_and_flip(points, generator)
    return vary_sensor(points, config, generator)


def vary_sensor(
    points: NDArray[np.float32], config: SensorAugmentationConfig, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Change a sweep as if another sensor had seen it from another place.

    Args:
        points: (N, 4) float32, see `augment_cloud`.
        config: What to change. What is off draws no random number.
        generator: Random generator.

    Returns:
        (M, 4) float32, a new array, and (M,) int64, its rows in `points`, ascending. M is 0 only
        where N is 0.
    """
    kept = draw_survivors(points, config, generator)
    varied = vary_placement(points[kept], config, generator)
    return vary_intensity(varied, config, generator), kept


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
