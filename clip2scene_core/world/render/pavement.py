"""Procedural ground: asphalt with lane marks, cobbles, paving, lawns, islands."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout.relief import (
    BAY_M,
    FLAT_SIZE,
    HAS_MARKS,
    LAWN_LEFT,
    LAWN_RIGHT,
    LAWN_TINT,
    PATH_COVER,
    ROAD_COVER,
)
from clip2scene_core.world.layout.road import (
    ASPHALT,
    COBBLES,
    GRASS,
    PAVING,
    road_coordinates,
)
from clip2scene_core.world.layout.terrain import SLABS, TARMAC, TILES
from clip2scene_core.world.primitives.jit import njit
from clip2scene_core.world.primitives.noise import detail, hash_unit, line_cover, noise2
from clip2scene_core.world.render.ground_cover import lawn_look, loose_look
from clip2scene_core.world.render.materials import Look, grass_look

AISLE_HALF_M: Final = 3.0
BAY_PERIOD_M: Final = 16.0
"""A car park repeats across the aisle: 3 m of aisle, two rows of bays of 5 m, 3 m of the next."""


@njit(cache=True)
def _asphalt(x: float, y: float, seed: int, footprint: float) -> float:
    tone = (
        0.105 + 0.05 * noise2(x * 0.11, y * 0.11, seed) + 0.03 * noise2(x * 0.9, y * 0.9, seed + 1)
    )
    if footprint < 0.05:
        tone += 0.045 * detail(0.04, footprint) * (noise2(x * 37, y * 37, seed + 2) - 0.5)
    if footprint < 0.15:
        tone += 0.05 * detail(0.12, footprint) * (noise2(x * 11, y * 11, seed + 3) - 0.5)
    if footprint < 0.08 and abs(noise2(x * 0.6, y * 0.6, seed + 4) - 0.5) < 0.012:
        tone *= 1 - 0.4 * detail(0.06, footprint)  # a crack
    if noise2(x * 0.07, y * 0.07, seed + 5) > 0.68:
        tone *= 0.72  # a repaired patch
    return tone * (0.8 + 0.5 * hash_unit(seed, 1, 2, 3))


@njit(cache=True)
def _bay_cover(plan: NDArray[np.float64], x: float, y: float, d: float, footprint: float) -> float:
    """Share of a pixel that the lines of parking bays cover; see `AISLE_HALF_M`."""
    if abs(d) > plan[3]:
        return 0.0
    across = (abs(d) + AISLE_HALF_M) % BAY_PERIOD_M - AISLE_HALF_M
    if across < AISLE_HALF_M:
        return 0.0
    s = road_coordinates(plan[0], x, y)[0]
    bay = plan[BAY_M]
    between = line_cover((s % bay) - 0.5 * bay, 0.05, footprint)
    return max(between, line_cover(across - 0.5 * BAY_PERIOD_M, 0.05, footprint))


@njit(cache=True)
def paint_cover(
    plan: NDArray[np.float64], x: float, y: float, d: float, along: float, footprint: float
) -> float:
    """Share of a pixel of the carriageway that lane marks cover; arguments as in `ground_look`."""
    offset, median, lane, lanes_end = abs(d), plan[1], plan[2], plan[3]
    if len(plan) > FLAT_SIZE and plan[HAS_MARKS] == 0.0:
        return _bay_cover(plan, x, y, d, footprint) if plan[BAY_M] > 0 else 0.0
    half, cover = plan[20], 0.0
    if half < along < half + 5.5 and plan[16] < 1e8:
        if half + 1.0 < along < half + 4.0 and offset < lanes_end - 0.2:
            return line_cover((d % 1.0) - 0.5, 0.25, footprint) * min(1.0, 1.2 - footprint * 0.3)
        return line_cover(along - half - 5.0, 0.2, footprint) if offset < lanes_end else 0.0
    if along <= half:
        return 0.0
    if offset > lanes_end + 0.3 or offset < median - 0.2:
        return 0.0
    s = road_coordinates(plan[0], x, y)[0]
    dashes = 1.0 if (s % 9.0) < 3.6 else 0.0
    for k in range(1, int(plan[22])):
        cover = max(cover, dashes * line_cover(offset - median - k * lane, 0.07, footprint))
    if median < 0.1:
        solid = 1.0 if hash_unit(int(plan[23]), 2, 2, 2) < 0.5 else dashes
        cover = max(cover, solid * line_cover(d, 0.075, footprint))
    else:
        cover = max(cover, line_cover(offset - median - 0.22, 0.06, footprint))
    return max(cover, line_cover(offset - lanes_end + 0.18, 0.065, footprint))


@njit(cache=True)
def _tiles(s: float, d: float, size: float, seed: int, footprint: float) -> float:
    keep = detail(size * 0.35, footprint)
    row, column = math.floor(s / size), math.floor(d / size)
    joint = min(s / size - row, d / size - column)
    tone = 0.9 + 0.2 * keep * (hash_unit(int(row), int(column), 9, seed) - 0.5)
    return tone * (1 - 0.35 * keep) if joint < 0.05 else tone


@njit(cache=True)
def ground_look(
    plan: NDArray[np.float64], surface: int, x: float, y: float, d: float, along: float,
    footprint: float, wetness: float,
) -> Look:  # fmt: skip
    """Compute the look of the ground at a point.

    Args:
        plan: (K,) float64, packed ground plan, flat or with relief.
        surface: Surface number of `road`.
        x: x of the point, metres, scene frame.
        y: y of the point, metres, scene frame.
        d: Distance to the left of the centre line, metres.
        along: Distance from the crossing along the road, metres.
        footprint: Size of a pixel on the ground, metres.
        wetness: 0 (dry) to 1 (wet).

    Returns:
        Red, green, blue, gloss, glow.
    """
    seed = int(plan[23])
    if len(plan) > FLAT_SIZE:
        if surface == GRASS:
            kind = int(plan[LAWN_LEFT] if d > 0 else plan[LAWN_RIGHT])
            return lawn_look(kind, plan[LAWN_TINT], x, y, seed, footprint)
        kind = TILES
        if surface == ASPHALT:
            kind = int(plan[ROAD_COVER])
        elif surface == PAVING:
            kind = int(plan[PATH_COVER])
        if kind == TARMAC and surface != ASPHALT:
            tone = 1.15 * _asphalt(x, y, seed + 17, footprint) * (1 - 0.4 * wetness)
            return tone, tone, tone * 1.02, 0.1 * wetness, 0.0
        if kind == SLABS:
            s = road_coordinates(plan[0], x, y)[0]
            stain = (0.75 + 0.4 * noise2(x * 0.4, y * 0.4, seed + 9)) * (1 - 0.3 * wetness)
            tone = 0.31 * stain * _tiles(s, d, 2.5, seed, footprint)
            return tone, tone * 0.98, tone * 0.93, 0.1 * wetness, 0.0
        if kind not in (TARMAC, TILES):
            return loose_look(kind, x, y, seed, footprint, wetness)
        if kind == TILES and surface == ASPHALT:
            surface = COBBLES
    if surface == ASPHALT:
        tone = _asphalt(x, y, seed, footprint)
        cover = paint_cover(plan, x, y, d, along, footprint)
        if cover > 0:
            cover *= 0.6 + 0.4 * noise2(x * 3, y * 3, seed + 7)
        yellow = 0.62 if hash_unit(seed, 4, 4, 4) < 0.35 and abs(d) < plan[1] + 0.6 else 1.0
        puddle = 0.0
        if wetness > 0:
            puddle = wetness * max(0.0, noise2(x * 0.35, y * 0.35, seed + 8) - 0.25)
        dry = 1 - 0.4 * wetness
        red = tone * dry * (1 - cover) + 0.62 * cover
        green = tone * dry * (1 - cover) + 0.62 * cover * (0.55 + 0.45 * yellow)
        blue = tone * 1.03 * dry * (1 - cover) + 0.6 * cover * (yellow * 2 - 1)
        return red, green, blue, 0.12 * wetness + 0.55 * puddle, 0.0
    if surface == GRASS:
        return grass_look(x, y, seed, footprint)
    s = road_coordinates(plan[0], x, y)[0]
    dirt = (0.8 + 0.3 * noise2(x * 0.5, y * 0.5, seed + 9)) * (1 - 0.3 * wetness)
    if surface == COBBLES:
        tone = dirt * _tiles(s + 0.07 * math.floor(d / 0.16), d, 0.16, seed, footprint)
        warm = hash_unit(seed, 6, 6, 6)
        return (
            tone * (0.23 + 0.1 * warm),
            tone * 0.22,
            tone * (0.22 - 0.05 * warm),
            0.08 * wetness,
            0.0,
        )
    if surface == PAVING:
        size = 0.4 if hash_unit(seed, 5, 5, 5) < 0.5 else 0.9
        tone = dirt * _tiles(s, d, size, seed, footprint)
        warm = 0.06 * hash_unit(seed, 7, 7, 7)
        return tone * (0.34 + warm), tone * 0.335, tone * (0.33 - warm), 0.12 * wetness, 0.0
    tone = dirt * _tiles(s, d, 0.22, seed + 1, footprint)
    if hash_unit(seed, 8, 8, 8) < 0.4 and ((s + abs(d)) / 1.6) % 1.0 < 0.3:
        return 0.6 * dirt, 0.58 * dirt, 0.5 * dirt, 0.1 * wetness, 0.0  # hatched
    return tone * 0.3, tone * 0.27, tone * 0.25, 0.1 * wetness, 0.0
