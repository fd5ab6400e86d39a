"""The height of the ground: a smooth relief below the ground plan, and kerbs of any height.

A plan of FLAT_SIZE numbers is flat with kerbs of KERB_HEIGHT_M. A longer plan has a header of
relief (see the constants), then heights on a square grid, row by row, then the highest point and
the steepest slope of each block of BLOCK x BLOCK cells. Between the nodes the height is bilinear,
outside the grid it is that of the nearest edge. So a height costs the same however rich the relief
is.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout.road import (
    ASPHALT,
    KERB_HEIGHT_M,
    PAVING,
    ground_hit,
    surface_at,
)
from clip2scene_core.world.primitives.jit import njit

FLAT_SIZE: Final = 24
ROAD_COVER: Final = 24
HAS_MARKS: Final = 25
BAY_M: Final = 26
PATH_COVER: Final = 27
LAWN_LEFT: Final = 28
LAWN_RIGHT: Final = 29
LAWN_TINT: Final = 30
BLADES_M: Final = 31
KERB_LEFT: Final = 32
KERB_RIGHT: Final = 33
KERB_MEDIAN: Final = 34
KERB_HIGHEST: Final = 35
GRID_X: Final = 36
GRID_Y: Final = 37
GRID_COLUMNS: Final = 38
GRID_ROWS: Final = 39
BLOCK_COLUMNS: Final = 40
BLOCK_ROWS: Final = 41
HIGHEST_M: Final = 42
GRID_START: Final = 43

CELL_M: Final = 0.5
BLOCK: Final = 16
FACE_M: Final = 0.006
"""A hit this far below the top of a kerb is on its face."""


@njit(cache=True)
def relief_at(plan: NDArray[np.float64], x: float, y: float) -> float:
    """Height of the smooth relief without kerbs, metres; 0 on a flat plan."""
    if len(plan) == FLAT_SIZE:
        return 0.0
    columns, rows = int(plan[GRID_COLUMNS]), int(plan[GRID_ROWS])
    u = min(max((x - plan[GRID_X]) / CELL_M, 0.0), columns - 1.001)
    v = min(max((y - plan[GRID_Y]) / CELL_M, 0.0), rows - 1.001)
    column, row = int(u), int(v)
    fu, fv = u - column, v - row
    start = GRID_START + row * columns + column
    low = plan[start] + fu * (plan[start + 1] - plan[start])
    start += columns
    high = plan[start] + fu * (plan[start + 1] - plan[start])
    return float(low + fv * (high - low))


@njit(cache=True)
def kerb_lift(plan: NDArray[np.float64], surface: int, d: float) -> float:
    """Height of a surface above the relief: that of the kerb at its edge, metres."""
    if surface < PAVING:
        return 0.0
    if len(plan) == FLAT_SIZE:
        return KERB_HEIGHT_M
    if abs(d) < plan[1]:
        return float(plan[KERB_MEDIAN])
    return float(plan[KERB_LEFT] if d > 0 else plan[KERB_RIGHT])


@njit(cache=True)
def height_at(plan: NDArray[np.float64], x: float, y: float) -> float:
    """Height of the ground at a point, metres, scene frame.

    Args:
        plan: Packed ground plan, flat or with relief.
        x: x of the point, metres, scene frame.
        y: y of the point, metres, scene frame.
    """
    surface, d, _ = surface_at(plan, x, y)
    return relief_at(plan, x, y) + kerb_lift(plan, surface, d)


@njit(cache=True)
def slopes_at(plan: NDArray[np.float64], x: float, y: float) -> tuple[float, float]:
    """Slope of the relief along x and y, relative; it is continuous, and 0 on a flat plan."""
    if len(plan) == FLAT_SIZE:
        return 0.0, 0.0
    wide = 0.5 / CELL_M
    return (
        wide * (relief_at(plan, x + CELL_M, y) - relief_at(plan, x - CELL_M, y)),
        wide * (relief_at(plan, x, y + CELL_M) - relief_at(plan, x, y - CELL_M)),
    )


@njit(cache=True)
def terrain_hit(
    plan: NDArray[np.float64],
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, limit: float,
    start: float = 0.0,
) -> tuple[float, bool, int]:  # fmt: skip
    """Cast a ray from (ox, oy, oz) in the direction (dx, dy, dz) onto the ground.

    Args:
        plan: Packed ground plan, flat or with relief.
        ox: x of the origin, metres, scene frame; oy and oz likewise.
        oy: See ox.
        oz: See ox.
        dx: x of the direction, of any length; dy and dz likewise.
        dy: See dx.
        dz: See dx.
        limit: Largest ray parameter to search on relief; a flat plan ignores it.
        start: Ray parameter below which there is no ground; a flat plan ignores it.

    Returns:
        The ray parameter (0 for no hit), whether the hit is on the face of a kerb, and the surface
        number.
    """
    if len(plan) == FLAT_SIZE:
        return ground_hit(plan, ox, oy, oz, dx, dy, dz)
    top = plan[HIGHEST_M] + plan[KERB_HIGHEST]
    t, end = start, limit
    if oz > top:
        if dz >= 0:
            return 0.0, False, ASPHALT
        t = max(t, (top - oz) / dz)
    elif dz > 0:
        end = min(end, (top - oz) / dz)
    while t < end:
        leave, highest, steepest = _block_of(plan, ox + t * dx, oy + t * dy, dx, dy, t)
        leave = min(leave, end)
        if oz + dz * (leave if dz < 0 else t) < highest + plan[KERB_HIGHEST]:
            hit, is_kerb, surface = _march(
                plan, ox, oy, oz, dx, dy, dz, steepest, t, leave
            )  # fmt: skip
            if hit > 0:
                return hit, is_kerb, surface
        t = leave
    return 0.0, False, ASPHALT


@njit(cache=True)
def _block_of(
    plan: NDArray[np.float64], x: float, y: float, dx: float, dy: float, t: float
) -> tuple[float, float, float]:
    """Where a ray leaves the block of cells at (x, y), the block's height and steepest slope."""
    size = BLOCK * CELL_M
    u, v = (x - plan[GRID_X]) / size, (y - plan[GRID_Y]) / size
    column, row = math.floor(u), math.floor(v)
    along = 1e9
    if dx != 0.0:
        along = min(along, ((column + (1 if dx > 0 else 0)) - u) * size / dx)
    if dy != 0.0:
        along = min(along, ((row + (1 if dy > 0 else 0)) - v) * size / dy)
    columns, rows = int(plan[BLOCK_COLUMNS]), int(plan[BLOCK_ROWS])
    column, row = min(max(column, 0), columns - 1), min(max(row, 0), rows - 1)
    start = GRID_START + int(plan[GRID_COLUMNS]) * int(plan[GRID_ROWS])
    start += 2 * (row * columns + column)
    # A little further than the edge, so that rounding does not stop the walk there.
    reach = 1e-3 / max(abs(dx) + abs(dy), 1e-9)
    return t + along + reach, plan[start], plan[start + 1]


@njit(cache=True)
def _march(
    plan: NDArray[np.float64],
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float,
    steepest: float, start: float, end: float,
) -> tuple[float, bool, int]:  # fmt: skip
    """Find the first hit between two ray parameters by steps, then halve the last step.

    Far above the ground a step is as long as the steepest slope allows. Within the height of the
    highest kerb it is short, so that no raised strip is stepped over.
    """
    speed = math.sqrt(dx * dx + dy * dy)
    if speed < 1e-6:
        t = (height_at(plan, ox, oy) - oz) / dz
        return max(t, 1e-9), False, surface_at(plan, ox, oy)[0]
    closing = steepest + max(-dz / speed, 0.0) + 0.02
    t, before = start, start
    while True:
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        above = z - relief_at(plan, x, y)
        if above < plan[KERB_HIGHEST]:
            surface, d, _ = surface_at(plan, x, y)
            if above <= kerb_lift(plan, surface, d):
                return _halve(plan, ox, oy, oz, dx, dy, dz, before, t)
            step = 0.25 + 0.002 * t * speed
        else:
            step = max((above - plan[KERB_HIGHEST]) / closing, 0.3 + 0.002 * t * speed)
        if t >= end:
            return 0.0, False, ASPHALT
        before = t
        t = min(t + step / speed, end)


@njit(cache=True)
def _halve(
    plan: NDArray[np.float64],
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, upper: float, lower: float,
) -> tuple[float, bool, int]:  # fmt: skip
    """Narrow a hit between a point above the ground and a point below it."""
    x, y = ox + upper * dx, oy + upper * dy
    surface, d, _ = surface_at(plan, x, y)
    gap_upper = oz + upper * dz - relief_at(plan, x, y) - kerb_lift(plan, surface, d)
    x, y = ox + lower * dx, oy + lower * dy
    surface, d, _ = surface_at(plan, x, y)
    gap_lower = oz + lower * dz - relief_at(plan, x, y) - kerb_lift(plan, surface, d)
    for i in range(14):
        if gap_lower > -0.001 or lower - upper < 1e-6:
            break
        share = 0.5
        if i % 3 < 2 and gap_upper > 0:
            # The line between the two gaps; every third time halves, for kerbs.
            share = min(max(gap_upper / (gap_upper - gap_lower), 0.02), 0.98)
        middle = upper + share * (lower - upper)
        x, y = ox + middle * dx, oy + middle * dy
        below, d, _ = surface_at(plan, x, y)
        gap = oz + middle * dz - relief_at(plan, x, y) - kerb_lift(plan, below, d)
        if gap <= 0:
            lower, gap_lower, surface = middle, gap, below
        else:
            upper, gap_upper = middle, gap
    return max(lower, 1e-9), gap_lower < -FACE_M and surface >= PAVING, surface
