"""LiDAR sweeps by formula: a flat street with a round wall, and sloped ground for any sensor."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import NUSCENES_RAW_CATEGORIES

NUM_RINGS = 32
NUM_COLUMNS = 180
HEIGHT_M = 1.8
WALL_M = 60.0
ELEVATIONS_DEG = np.linspace(-30.67, 10.67, NUM_RINGS)


def street_points(seed: int = 0) -> NDArray[np.float32]:
    """(5760, 4) float32: ring by ring, the lowest first; clockwise, from the left."""
    elevation = np.radians(np.repeat(ELEVATIONS_DEG, NUM_COLUMNS))
    turned = 2 * np.pi * (np.arange(NUM_COLUMNS) + 0.5) / NUM_COLUMNS
    azimuth = np.pi - np.tile(turned, NUM_RINGS)
    to_ground = np.where(elevation < 0, HEIGHT_M / np.maximum(np.tan(-elevation), 1e-9), np.inf)
    flat_range = np.minimum(to_ground, WALL_M)
    intensity = np.random.default_rng(seed).uniform(0.02, 0.4, len(elevation))
    return np.column_stack(
        [
            flat_range * np.cos(azimuth),
            flat_range * np.sin(azimuth),
            flat_range * np.tan(elevation),
            intensity,
        ]
    ).astype(np.float32)


def make_street(root: Path) -> Path:
    """Give the tiny data set sweeps that have rings, objects and a class image.

    Args:
        root: Of `tiny_nuscenes`, which is changed.
    """
    rings = np.repeat(np.arange(32), len(street_points()) // 32)
    for index, path in enumerate(sorted(root.rglob("*.pcd.bin"))):
        points = street_points(index)
        points[:, 3] = np.rint(255 * points[:, 3])
        np.column_stack([points, rings]).astype(np.float32).tofile(path)
    for path in root.rglob("*_lidarseg.bin"):
        (np.arange(len(rings)) % len(NUSCENES_RAW_CATEGORIES)).astype(np.uint8).tofile(path)
    (root / "objects").mkdir()
    for token in ("sample-0", "sample-1"):
        index = np.arange(len(rings), dtype=np.int32)
        np.savez(root / "objects" / f"{token}.npz", index=index, words=np.array(["car"]))
    (root / "class_images" / "sample-0").mkdir(parents=True)
    (root / "class_images" / "sample-0" / "CAM_FRONT.png").write_bytes(b"as it is")
    return root


def spin(
    height_m: float = 1.8,
    beams_deg: NDArray[np.float64] | None = None,
    slope: tuple[float, float] = (0.0, 0.0),
    noise_m: float = 0.02,
    num_columns: int = 600,
    view_deg: float = 360.0,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Look at a tilted plane with walls at x = -12 m and y = 15 m, of 6 m height.

    Args:
        height_m: Height of the sensor above the ground, along z.
        beams_deg: (B,) elevations of the beams, by default 32 from -25 to 15 degrees.
        slope: Rise of the ground along x and y.
        noise_m: Standard deviation of the range.
        num_columns: Columns of a revolution.
        view_deg: Field of view, centered on x.
        seed: Of noise and intensity.

    Returns:
        (N, 4) float32: x, y, z in metres with the sensor at the origin, intensity.
    """
    beams = np.radians(np.linspace(-25, 15, 32) if beams_deg is None else beams_deg)
    azimuths = np.radians(np.linspace(-view_deg / 2, view_deg / 2, num_columns, endpoint=False))
    azimuth, beam = (grid.ravel() for grid in np.meshgrid(azimuths, beams))
    rays = np.stack(
        [np.cos(azimuth) * np.cos(beam), np.sin(azimuth) * np.cos(beam), np.sin(beam)], axis=1
    )
    with np.errstate(divide="ignore"):
        # On the ground z = slope_x x + slope_y y - height.
        to_ground = -height_m / (rays[:, 2] - slope[0] * rays[:, 0] - slope[1] * rays[:, 1])
        to_walls = [-12 / rays[:, 0], 15 / rays[:, 1]]
    to_ground = np.where(to_ground > 0, to_ground, np.inf)
    nearest = to_ground
    for to_wall in to_walls:
        is_hit = (to_wall > 0) & (to_wall * rays[:, 2] < 6 - height_m)
        nearest = np.minimum(nearest, np.where(is_hit, to_wall, np.inf))
    generator = np.random.default_rng(seed)
    range_m = nearest + generator.normal(0, noise_m, len(nearest))
    is_echo = range_m < 80
    intensity = generator.random((int(is_echo.sum()), 1))
    return np.concatenate([rays[is_echo] * range_m[is_echo, None], intensity], axis=1).astype(
        np.float32
    )


def turn(roll_deg: float, pitch_deg: float, yaw_deg: float) -> NDArray[np.float64]:
    """T with the rotation about x, then y, then z, and no translation: (4, 4) float64."""
    transform = np.eye(4)
    for axis, angle_deg in enumerate((roll_deg, pitch_deg, yaw_deg)):
        cosine, sine = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
        rotation = np.eye(4)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        rotation[[first, second], [first, second]] = cosine
        rotation[first, second], rotation[second, first] = -sine, sine
        transform = rotation @ transform
    return transform


def moved(points: NDArray[np.float32], transform: NDArray[np.float64]) -> NDArray[np.float32]:
    """Apply T (4, 4) to points (N, 4): x, y, z, intensity."""
    result = points.copy()
    result[:, :3] = points[:, :3] @ transform[:3, :3].T + transform[:3, 3]
    return result
