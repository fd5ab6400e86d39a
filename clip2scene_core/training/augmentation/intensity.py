"""Change the intensities of a sweep as if another sensor had measured them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.augmentation import SensorAugmentationConfig

_REFERENCE_RANGE_M: Final = 10.0
_MIN_RANGE_M: Final = 0.5
"""Nearer points count as this near, so that no factor is infinite."""


def vary_intensity(
    points: NDArray[np.float32], config: SensorAugmentationConfig, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Change intensities by range, gain, gamma and noise, or take all of them away.

    Args:
        points: (N, 4) float32: x, y, z in metres, the origin near the sensor, intensity in [0, 1];
            where it is not finite it is not known, and stays so. Further columns stay.
        config: What to change.
        generator: Random generator.

    Returns:
        As many columns; a new array if anything changes. Changed intensities are in [0, 1], or NaN
        where they were not known.
    """
    before = intensity = points[:, 3]
    if not np.isfinite(before).all():
        intensity = np.where(np.isfinite(before), before, np.float32(np.nan))  # inf would become 1
    if config.intensity_range:
        exponent = generator.uniform(-config.intensity_range, config.intensity_range)
        range_m = np.linalg.norm(points[:, :3], axis=1)
        share = np.maximum(range_m, _MIN_RANGE_M) / np.float32(_REFERENCE_RANGE_M)
        intensity = intensity * share ** np.float32(exponent)
    if config.intensity_gain:
        intensity = intensity * _draw_factor(config.intensity_gain, generator)
    if config.intensity_gamma:
        gamma = _draw_factor(config.intensity_gamma, generator)
        intensity = np.clip(intensity, 0, 1) ** gamma
    if config.intensity_noise:
        noise = generator.standard_normal(len(points), dtype=np.float32)
        intensity = intensity * (1 + np.float32(config.intensity_noise) * noise)
    if config.intensity_dropout and generator.random() < config.intensity_dropout:
        intensity = np.zeros_like(intensity)
    if intensity is before:
        return points
    varied = points.copy()
    varied[:, 3] = np.clip(intensity, 0, 1)
    return varied


def _draw_factor(largest: float, generator: np.random.Generator) -> np.float32:
    """Draw a factor from 1 / largest to largest, uniform in its logarithm."""
    limit = np.log(largest)
    return np.float32(np.exp(generator.uniform(-limit, limit)))
