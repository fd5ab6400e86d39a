"""A LiDAR sweep of a flat street with a round wall, by formula."""

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
