"""A sweep as a spinning LiDAR sees it: beams at fixed elevations, any range."""

import numpy as np
from numpy.typing import NDArray


def make_sweep(num_beams: int = 16, columns: int = 120, seed: int = 0) -> NDArray[np.float32]:
    """Make a sweep from beams at -24 to 6 degrees, ranges of 0.5 to 80 m: (N, 4), beam by beam.

    Intensities are N different numbers in (0, 1), ascending: they tell points apart.
    """
    generator = np.random.default_rng(seed)
    num_points = num_beams * columns
    elevation = np.deg2rad(np.repeat(np.linspace(-24, 6, num_beams), columns))
    azimuth = np.tile(np.linspace(-np.pi, np.pi, columns, endpoint=False), num_beams)
    range_m = generator.uniform(0.5, 80, num_points)
    flat_m = range_m * np.cos(elevation)
    xyz = [flat_m * np.cos(azimuth), flat_m * np.sin(azimuth), range_m * np.sin(elevation)]
    intensity = (np.arange(num_points) + 1) / (num_points + 1)
    return np.stack([*xyz, intensity], axis=1).astype(np.float32)
