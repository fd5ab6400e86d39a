"""Bounds of primitives in images, so that only rays that can hit them are cast."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.primitives.jit import njit
from clip2scene_core.world.primitives.parts import Primitives

NEAR_M = 0.05


@njit(cache=True)
def azimuth_span(
    primitives: Primitives, index: int, origin: NDArray[np.float64], azimuth_0: float
) -> tuple[float, float]:
    """Interval of clockwise angles from column 0 that a primitive covers; a full turn if near."""
    center = primitives.center[index] - origin
    middle = azimuth_0 - math.atan2(center[1], center[0])
    low, high = 0.0, 0.0
    for corner in range(8):
        x, y = center[0], center[1]
        for axis in range(3):
            sign = 1.0 if (corner >> axis) & 1 else -1.0
            x += sign * primitives.half[index, axis] * primitives.axes[index, axis, 0]
            y += sign * primitives.half[index, axis] * primitives.axes[index, axis, 1]
        turn = azimuth_0 - math.atan2(y, x) - middle
        turn = (turn + math.pi) % (2 * math.pi) - math.pi
        low, high = min(low, turn), max(high, turn)
    if high - low > 0.9 * math.pi:
        return 0.0, 2 * math.pi
    return middle + low, middle + high


@njit(cache=True)
def grid_bounds(
    primitives: Primitives, rays: NDArray[np.float64], num_rows: int, num_columns: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bound every primitive on a pinhole image.

    Args:
        primitives: P primitives of the scene.
        rays: (6, 3) float64 as in `cast_grid`, without origin steps.
        num_rows: Number of rows of the image.
        num_columns: Number of columns of the image.

    Returns:
        Bounds (P, 4) int64 as in `cast_grid`, empty for primitives outside the image, and minimum
        depths (P,) float64 along the optical axis, metres.
    """
    count = len(primitives.kind)
    bounds = np.zeros((count, 4), np.int64)
    distance = np.zeros(count)
    right = rays[5] / math.sqrt(np.sum(rays[5] ** 2))
    down = rays[4] / math.sqrt(np.sum(rays[4] ** 2))
    forward = np.cross(right, down)
    focal = 1.0 / math.sqrt(np.sum(rays[5] ** 2))
    left, top = np.sum(rays[3] * right) * focal, np.sum(rays[3] * down) * focal
    corners, offset = np.empty((8, 3)), np.empty(3)
    for index in range(count):
        relative = primitives.center[index] - rays[0]
        radius = math.sqrt(np.sum(primitives.half[index] ** 2))
        distance[index] = np.sum(relative * forward) - radius
        if distance[index] < -2 * radius or distance[index] > 400:
            continue
        for corner in range(8):
            offset[:] = relative
            for axis in range(3):
                reach = primitives.half[index, axis] * (1.0 if (corner >> axis) & 1 else -1.0)
                for i in range(3):
                    offset[i] += reach * primitives.axes[index, axis, i]
            corners[corner, 0] = np.sum(offset * right)
            corners[corner, 1] = np.sum(offset * down)
            corners[corner, 2] = np.sum(offset * forward)
        low_u, high_u, low_v, high_v = _clipped_extent(corners, focal, left, top)
        bounds[index, 0] = max(0, math.floor(low_v))
        bounds[index, 1] = min(num_rows, math.ceil(high_v) + 1)
        bounds[index, 2] = max(0, math.floor(low_u))
        bounds[index, 3] = min(num_columns, math.ceil(high_u) + 1)
    return bounds, distance


@njit(cache=True)
def _clipped_extent(
    corners: NDArray[np.float64], focal: float, left: float, top: float
) -> tuple[float, float, float, float]:
    """Extent in pixels (low u, high u, low v, high v) of a box, clipped at the near plane.

    Args:
        corners: (8, 3) float64, corners in the camera frame, metres.
        focal: Focal length, pixels.
        left: u of the image's left edge relative to the principal point, pixels.
        top: v of the image's top edge relative to the principal point, pixels.
    """
    low_u, high_u, low_v, high_v = 1e9, -1e9, 1e9, -1e9
    for first in range(8):
        for bit in range(-1, 3):
            if bit < 0:
                x, y, z = corners[first]
                if z < NEAR_M:
                    continue
            else:
                second = first ^ (1 << bit)
                z_first, z_second = corners[first, 2], corners[second, 2]
                if not (z_first < NEAR_M <= z_second):
                    continue
                share = (NEAR_M - z_first) / (z_second - z_first)
                x = corners[first, 0] + share * (corners[second, 0] - corners[first, 0])
                y = corners[first, 1] + share * (corners[second, 1] - corners[first, 1])
                z = NEAR_M
            u = min(max(focal * x / z - left, -1e6), 1e6)
            v = min(max(focal * y / z - top, -1e6), 1e6)
            low_u, high_u = min(low_u, u), max(high_u, u)
            low_v, high_v = min(low_v, v), max(high_v, v)
    return low_u, high_u, low_v, high_v


@njit(cache=True)
def sun_bounds(
    primitives: Primitives, sun: NDArray[np.float64], frame: NDArray[np.float64],
    num_rows: int, num_columns: int,
) -> NDArray[np.int64]:  # fmt: skip
    """Bound the shadow of every primitive on the sun map: (P, 4) int64 as in `cast_grid`.

    Args:
        primitives: P primitives of the scene.
        sun: (3,) float64 unit vector towards the sun, scene frame.
        frame: (4,) float64: x and y of texel (0, 0), metres per texel, height of the top plane.
        num_rows: Number of rows of the sun map.
        num_columns: Number of columns of the sun map.
    """
    bounds = np.zeros((len(primitives.kind), 4), np.int64)
    for index in range(len(primitives.kind)):
        low_u, high_u, low_v, high_v = 1e9, -1e9, 1e9, -1e9
        for corner in range(8):
            point = primitives.center[index].copy()
            for axis in range(3):
                sign = 1.0 if (corner >> axis) & 1 else -1.0
                point += sign * primitives.half[index, axis] * primitives.axes[index, axis]
            u = (point[0] - sun[0] * point[2] / sun[2] - frame[0]) / frame[2]
            v = (point[1] - sun[1] * point[2] / sun[2] - frame[1]) / frame[2]
            low_u, high_u = min(low_u, u), max(high_u, u)
            low_v, high_v = min(low_v, v), max(high_v, v)
        bounds[index, 0] = max(0, math.floor(low_v))
        bounds[index, 1] = min(num_rows, math.ceil(high_v) + 1)
        bounds[index, 2] = max(0, math.floor(low_u))
        bounds[index, 3] = min(num_columns, math.ceil(high_u) + 1)
    return bounds
