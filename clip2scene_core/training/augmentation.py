"""Augmentation of the cloud: any heading, either hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rotate_and_flip(
    points: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.float32]:
    """Rotate a sweep about z by any angle and mirror x and y, each with probability 0.5.

    Pixel-point pairs are indices, so they stay valid.

    Args:
        points: (N, 4) float32: x, y, z, intensity.
        generator: Source of chance.

    Returns:
        (N, 4) float32, a new array.

    Source: CLIP2Scene (CVPR 2023), section 4.1.
    """
    angle_rad = generator.uniform(0, 2 * np.pi)
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    signs = np.where(generator.random(2) < 0.5, -1.0, 1.0)
    rotation = np.array([[cosine, -sine], [sine, cosine]]) * signs[:, None]
    augmented = points.copy()
    augmented[:, :2] = points[:, :2] @ rotation.T
    return augmented
