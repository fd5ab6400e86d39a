"""Move a sweep as if its sensor stood elsewhere: higher, tilted, on rough ground.

All functions take positions (N, 3) float32 in metres, in a frame whose z points up and whose origin
is near the sensor, and return new ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.augmentation import SensorAugmentationConfig

_WAVE_LENGTH_M: Final = (5.0, 40.0)
_MAX_WAVES: Final = 2
_JITTER_LIMIT: Final = 3.0
"""Noise is cut at this many standard deviations."""


def vary_placement(
    points: NDArray[np.float32], config: SensorAugmentationConfig, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Change the positions of points (N, 4) float32 as the config says; return a new array."""
    positions = points[:, :3]
    if config.waves_m:
        positions = add_waves(positions, config.waves_m, generator)
    if config.scale:
        positions = positions * np.float32(1 + generator.uniform(-config.scale, config.scale))
    if config.tilt_deg:
        positions = tilt(positions, config.tilt_deg, generator)
    if config.height_m:
        rise_m = generator.uniform(-config.height_m, config.height_m)
        positions = positions + np.array([0, 0, rise_m], dtype=np.float32)
    if config.jitter_m:
        positions = add_jitter(positions, config.jitter_m, generator)
    return np.concatenate([positions, points[:, 3:]], axis=1)


def add_waves(
    positions: NDArray[np.float32], height_m: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Lift points by one or two waves in random directions, 5 to 40 m long.

    Together the waves are at most `height_m` above and below the level.
    """
    num_waves = int(generator.integers(1, _MAX_WAVES + 1))
    rise_m = np.zeros(len(positions), dtype=np.float32)
    for _ in range(num_waves):
        amplitude_m = generator.uniform(0, height_m / num_waves)
        frequency = 2 * np.pi / generator.uniform(*_WAVE_LENGTH_M)
        heading_rad, phase_rad = generator.uniform(0, 2 * np.pi, 2)
        along = np.array([np.cos(heading_rad), np.sin(heading_rad)]) * frequency
        angle_rad = positions[:, :2] @ along.astype(np.float32) + np.float32(phase_rad)
        rise_m += np.float32(amplitude_m) * np.sin(angle_rad)
    lifted = positions.copy()
    lifted[:, 2] += rise_m
    return lifted


def tilt(
    positions: NDArray[np.float32], max_deg: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Turn points about a random horizontal axis through the origin, by up to `max_deg`."""
    heading_rad = generator.uniform(0, 2 * np.pi)
    angle_rad = np.deg2rad(generator.uniform(0, max_deg))
    x, y = np.cos(heading_rad), np.sin(heading_rad)
    cross = np.array([[0, 0, y], [0, 0, -x], [-y, x, 0]])
    rotation = np.eye(3) + np.sin(angle_rad) * cross + (1 - np.cos(angle_rad)) * cross @ cross
    tilted: NDArray[np.float32] = positions @ rotation.T.astype(np.float32)
    return tilted


def add_jitter(
    positions: NDArray[np.float32], deviation_m: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Add Gaussian noise to every coordinate, cut at three standard deviations."""
    noise = generator.standard_normal(positions.shape, dtype=np.float32)
    np.clip(noise, -_JITTER_LIMIT, _JITTER_LIMIT, out=noise)
    jittered: NDArray[np.float32] = positions + np.float32(deviation_m) * noise
    return jittered
