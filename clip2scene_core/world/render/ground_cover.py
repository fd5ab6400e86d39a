"""Procedural ground off the pavement: lawns, meadows, soil, leaf litter, gravel, dirt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout.relief import LAWN_LEFT, LAWN_RIGHT, PATH_COVER, ROAD_COVER
from clip2scene_core.world.layout.road import ASPHALT, GRASS, PAVING
from clip2scene_core.world.layout.terrain import (
    DIRT,
    DRY_GRASS,
    GRAVEL,
    LITTER,
    MEADOW,
    SOIL,
    TARMAC,
)
from clip2scene_core.world.primitives.jit import njit
from clip2scene_core.world.primitives.noise import clip01, detail, hash_unit, noise2
from clip2scene_core.world.render.materials import Look, grass_look


@njit(cache=True)
def lawn_look(kind: int, tint: float, x: float, y: float, seed: int, footprint: float) -> Look:
    """Compute the look of a surface of GRASS.

    Args:
        kind: Cover of `terrain`: LAWN, MEADOW, DRY_GRASS, SOIL or LITTER.
        tint: 0 (yellowish) to 1 (bluish green).
        x: x of the point, metres, scene frame.
        y: y of the point, metres, scene frame.
        seed: Seed of the pattern.
        footprint: Size of a pixel on the ground, metres.

    Returns:
        Red, green, blue, gloss, glow.
    """
    red, green, blue, _, _ = grass_look(x, y, seed, footprint)
    red, blue = red * (1.15 - 0.3 * tint), blue * (0.8 + 0.5 * tint)
    patch = 0.6 * noise2(x * 0.23, y * 0.23, seed + 11) + 0.4 * noise2(x * 1.3, y * 1.3, seed + 12)
    if kind == MEADOW:
        # Tall tufts with dark gaps, and a few flowers.
        tuft = 0.55 + 0.9 * noise2(x * 2.1, y * 2.1, seed + 13)
        if footprint < 0.12:
            tuft *= 1 + 0.6 * detail(0.1, footprint) * (noise2(x * 14, y * 14, seed + 14) - 0.5)
        return red * tuft * 1.1, green * tuft, blue * tuft, 0.0, 0.0
    if kind == DRY_GRASS:
        tone = (green + 0.06) * (0.9 + 0.5 * patch)
        return tone * 1.25, tone * 1.05, tone * 0.55, 0.0, 0.0
    share = clip01((patch - 0.34) * 5.0)
    if kind == SOIL:
        earth, other, blues, _, _ = loose_look(DIRT, x, y, seed + 20, footprint, 0.0)
        return (
            red + share * (earth - red), green + share * (other - green),
            blue + share * (blues - blue), 0.0, 0.0,
        )  # fmt: skip
    if kind == LITTER:
        keep = detail(0.12, footprint)
        leaf = hash_unit(int(np.floor(x * 9)), int(np.floor(y * 9)), 3, seed)
        tone = 0.7 + 0.6 * (keep * leaf + (1 - keep) * 0.5)
        share *= 0.85
        return (
            red + share * (0.25 * tone - red), green + share * (0.15 * tone - green),
            blue + share * (0.06 * tone - blue), 0.0, 0.0,
        )  # fmt: skip
    return red, green, blue, 0.0, 0.0


@njit(cache=True)
def loose_look(kind: int, x: float, y: float, seed: int, footprint: float, wetness: float) -> Look:
    """Compute the look of GRAVEL or DIRT; arguments as in `lawn_look`, wetness 0 to 1."""
    tone = 0.8 + 0.35 * noise2(x * 0.3, y * 0.3, seed + 15)
    tone *= 0.85 + 0.3 * noise2(x * 1.7, y * 1.7, seed + 16)
    if footprint < 0.1:
        size = 26.0 if kind == GRAVEL else 9.0
        tone *= 1 + detail(0.08, footprint) * 0.7 * (noise2(x * size, y * size, seed + 18) - 0.5)
    tone *= 1 - 0.35 * wetness
    warm = hash_unit(seed, 3, 1, 4)
    if kind == GRAVEL:
        return tone * (0.24 + 0.05 * warm), tone * 0.225, tone * (0.205 - 0.05 * warm), 0.0, 0.0
    gloss = 0.08 * wetness
    return tone * (0.2 + 0.05 * warm), tone * 0.15, tone * (0.1 - 0.02 * warm), gloss, 0.0


@njit(cache=True)
def cover_albedo(plan: NDArray[np.float64], surface: int, d: float) -> float:
    """Reflectivity of the ground at the wavelength of the LiDAR.

    Args:
        plan: (K,) float64, packed ground plan with relief.
        surface: Surface number of `road`.
        d: Distance to the left of the center line, metres.
    """
    if surface == GRASS:
        kind = int(plan[LAWN_LEFT] if d > 0 else plan[LAWN_RIGHT])
        if kind in (MEADOW, DRY_GRASS):
            return 0.34
        return 0.2 if kind == SOIL else 0.28
    cover = -1
    if surface == ASPHALT:
        cover = int(plan[ROAD_COVER])
    elif surface == PAVING:
        cover = int(plan[PATH_COVER])
    if cover == TARMAC:
        return 0.11
    return 0.18 if cover in (GRAVEL, DIRT) else 0.2
