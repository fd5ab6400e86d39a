"""The vehicle or robot that carries a LiDAR, where its rays hit it: boxes near the sensor."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Platform = Literal["car", "truck", "robot"]
PLATFORMS: Final[tuple[Platform, ...]] = ("car", "truck", "robot")

NUSCENES_BODY: Final = np.array([[[-0.48, -0.42, -0.9], [0.48, 0.42, -0.30]]])
"""The corners of the roof that nuScenes' LiDAR sees."""


def draw_body(platform: Platform, height_m: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the body around a LiDAR.

    A car has a roof and a bonnet, a truck a roof and often a cargo box behind the LiDAR, a robot a
    deck and often a mast.

    Args:
        platform: Kind of the vehicle.
        height_m: Height of the LiDAR above the ground, metres.
        rng: Generator.

    Returns:
        (B, 2, 3) float64: lowest and highest corner of each box, metres from the LiDAR, along the
        axes of the vehicle (x forward, y left, z up). No box holds the LiDAR.
    """
    if platform == "car":
        return _car(height_m, rng)
    return _truck(height_m, rng) if platform == "truck" else _robot(height_m, rng)


def _car(height_m: float, rng: np.random.Generator) -> NDArray[np.float64]:
    under, half = float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.5, 0.65))
    front, back = float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.5, 1.4))
    floor, nose = -height_m + 0.3, front + float(rng.uniform(1.3, 1.9))
    top = min(-height_m + float(rng.uniform(0.85, 1.05)), -under)
    roof = [[-back, -half, floor], [front, half, -under]]
    return np.array([roof, [[front, -half - 0.2, floor], [nose, half + 0.2, top]]])


def _truck(height_m: float, rng: np.random.Generator) -> NDArray[np.float64]:
    under, half = float(rng.uniform(0.35, 0.9)), float(rng.uniform(0.9, 1.25))
    front, floor = float(rng.uniform(0.1, 0.6)), -height_m + 0.4
    boxes = [[[-1.0, -half, floor], [front, half, -under]]]
    if rng.random() < 0.35:
        gap, above = float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.2, 1.6))
        boxes.append([[-6.0, -half, floor], [-gap, half, above]])
    return np.array(boxes)


def _robot(height_m: float, rng: np.random.Generator) -> NDArray[np.float64]:
    top = -min(float(rng.uniform(0.08, 0.4)), height_m - 0.15)
    half, front = float(rng.uniform(0.15, 0.35)), float(rng.uniform(0.05, 0.5))
    back = float(rng.uniform(0.2, 0.7))
    boxes = [[[-back, -half, -height_m + 0.08], [front, half, top]]]
    if rng.random() < 0.5:
        x, radius = -float(rng.uniform(0.12, 0.3)), float(rng.uniform(0.02, 0.06))
        boxes.append([[x - radius, -radius, top], [x + radius, radius, 0.5]])
    return np.array(boxes)


def body_ranges(boxes: NDArray[np.float64], directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cast rays from the LiDAR onto the body.

    Args:
        boxes: (B, 2, 3) float64 as from `draw_body`.
        directions: (..., 3) float64 unit vectors along the axes of the vehicle.

    Returns:
        (...) float64 ranges in metres, infinity for rays that miss the body.
    """
    nearest = np.full(directions.shape[:-1], np.inf)
    inverse = 1.0 / np.where(np.abs(directions) < 1e-12, 1e-12, directions)
    for low, high in boxes:
        one, other = low * inverse, high * inverse
        enter = np.minimum(one, other).max(axis=-1)
        leave = np.maximum(one, other).min(axis=-1)
        hits = (enter < leave) & (enter > 0)
        nearest = np.where(hits, np.minimum(nearest, enter), nearest)
    return nearest
