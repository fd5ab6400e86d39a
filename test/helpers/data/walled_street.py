"""A road along a wall, as a LiDAR sees it, with a car or without one, by formula."""

import numpy as np

HEIGHT_M = 1.8
WALL_M = 20.0


def rays(num_rings: int = 32, num_columns: int = 720) -> np.ndarray:
    """Directions (R * C, 3) of a 32-beam LiDAR, 1.33 degrees between the beams."""
    elevation = np.radians(np.linspace(-30.67, 10.67, num_rings))[:, None]
    azimuth = np.linspace(-np.pi, np.pi, num_columns, endpoint=False)
    return np.stack(
        np.broadcast_arrays(
            np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ),
        axis=-1,
    ).reshape(-1, 3)  # fmt: skip


def street(car_x_m: float | None) -> np.ndarray:
    """A sweep (N, 3) over a flat road up to a wall at y = 20 m, with a car at y = 6 to 8 m."""
    directions = rays()
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = np.where(directions[:, 2] < 0, -HEIGHT_M / directions[:, 2], np.inf)
        wall = np.where(directions[:, 1] > 0, WALL_M / directions[:, 1], np.inf)
        hit = np.minimum(ground, wall)
        if car_x_m is not None:
            low = np.array([car_x_m - 2.2, 6.0, -HEIGHT_M + 0.3])
            high = np.array([car_x_m + 2.2, 8.0, -HEIGHT_M + 1.6])
            sides = np.stack([low / directions, high / directions])
            enters, leaves = sides.min(axis=0).max(axis=1), sides.max(axis=0).min(axis=1)
            hit = np.where((enters < leaves) & (enters > 0), np.minimum(hit, enters), hit)
    noisy = hit + np.random.default_rng(0).normal(0, 0.013, len(hit))
    seen = hit < 60
    return (directions[seen] * noisy[seen, None]).astype(np.float32)
