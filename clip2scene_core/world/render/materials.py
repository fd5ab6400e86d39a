"""Procedural materials: albedo, gloss and glow of a point on a part or on the ground.

Patterns fade to their mean if a pixel is larger than their period.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.primitives.jit import njit
from clip2scene_core.world.primitives.noise import (
    clip01,
    detail,
    hash_unit,
    line_cover,
    noise2,
    noise3,
)
from clip2scene_core.world.primitives.parts import (
    BANDS,
    BARK,
    BODY,
    BRICK,
    BUS_BODY,
    CABIN,
    CLOTH,
    CONCRETE,
    CORRUGATED,
    FACADE,
    GLASS,
    GRASS_MOUND,
    HAZARD,
    LAMP,
    LEAVES,
    METAL,
    PAINT,
    ROOF,
    SIGN,
    SILL_HALF_M,
    TRACK,
    TYRE,
    Triple,
)

# Albedo red, green, blue, then gloss (share of mirrored sky) and glow (emission), all in [0, 1].
Look = tuple[float, float, float, float, float]
# x, y, z in metres along the axes of the part; u, v in metres along the face that was hit.
Place = tuple[float, float, float, float, float]


@njit(cache=True)
def _scaled(color: Triple, gain: float, gloss: float) -> Look:
    return color[0] * gain, color[1] * gain, color[2] * gain, gloss, 0.0


@njit(cache=True)
def _glass(u: float, v: float, seed: int) -> Look:
    tint = 0.03 + 0.03 * noise2(u * 0.7, v * 0.7, seed)
    return tint, tint * 1.1, tint * 1.2, 0.42, 0.0


@njit(cache=True)
def _brick(color: Triple, u: float, v: float, seed: int, footprint: float) -> Look:
    keep = detail(0.09, footprint)
    row = math.floor(v / 0.085)
    shift = u / 0.25 + 0.5 * (row % 2)
    tone = 0.78 + 0.44 * hash_unit(math.floor(shift), int(row), 3, seed)
    mortar = 1.0 if v / 0.085 - row < 0.16 or shift - math.floor(shift) < 0.06 else 0.0
    gain = keep * tone * (1 - mortar) + (1 - keep) * 0.98
    gray = 0.42 * mortar * keep
    stain = 0.85 + 0.3 * noise2(u * 0.5, v * 0.5, seed)
    return (
        (color[0] * gain + gray) * stain, (color[1] * gain + gray) * stain,
        (color[2] * gain + gray) * stain, 0.0, 0.0,
    )  # fmt: skip


@njit(cache=True)
def _plaster(color: Triple, u: float, v: float, seed: int) -> Look:
    stain = 0.82 + 0.22 * noise2(u * 0.4, v * 0.4, seed) + 0.1 * noise2(u * 2.7, v * 1.3, seed + 1)
    return _scaled(color, stain, 0.0)


@njit(cache=True)
def _facade(
    color: Triple, u: float, v: float, height: float, seed: int, footprint: float,
    lamp: float,
) -> Look:  # fmt: skip
    """Walls with windows, shop fronts and doors; v is metres above the ground."""
    style = hash_unit(seed, 1, 2, 3)
    wall = _brick(color, u, v, seed, footprint) if style < 0.4 else _plaster(color, u, v, seed)
    if v < 0.35:
        return 0.22, 0.215, 0.21, 0.0, 0.0
    storey = math.floor((v - 0.3) / 3.1)
    level = v - 0.3 - 3.1 * storey
    if v > height - 0.55:
        return wall
    bay_width = 2.1 + 1.7 * hash_unit(seed, 5, 6, 7)
    bay = math.floor(u / bay_width)
    across = (u / bay_width - bay - 0.5) * bay_width
    pick = hash_unit(int(bay), int(storey), 11, seed)
    half = bay_width * (0.2 + 0.2 * hash_unit(seed, 8, 9, 10))
    low, high = 0.85, 2.45
    is_shop = storey == 0 and hash_unit(seed, 3, 1, 4) < 0.45
    is_door = storey == 0 and pick < 0.3
    if is_shop:
        half, low, high = bay_width * 0.46, 0.35, 2.6
    if is_door:
        half, low, high = 0.55, 0.0, 2.15
    edge = min(half - abs(across), min(level - low, high - level))
    if edge < -0.1:
        band = level > 2.95 and style > 0.6
        return (wall[0] * 0.75, wall[1] * 0.75, wall[2] * 0.75, 0.0, 0.0) if band else wall
    if edge < 0.07 or (not is_shop and not is_door and abs(across) < 0.035):
        frame = 0.62 if hash_unit(seed, 12, 1, 1) < 0.6 else 0.12
        return frame, frame, frame * 0.97, 0.05, 0.0
    if is_door:
        tone = 0.12 + 0.25 * hash_unit(int(bay), 7, 7, seed)
        return tone, tone * 0.7 + 0.05, tone * 0.5 + 0.08, 0.1, 0.0
    lit = hash_unit(int(bay), int(storey), 13, seed)
    if lit < 0.55 * lamp:
        return 0.75, 0.55, 0.28, 0.1, 0.85 * lamp
    if pick > 0.7 and level - low > 0.9 * pick:
        return 0.5, 0.48, 0.44, 0.12, 0.0  # a drawn blind
    return _glass(u, v, seed)


@njit(cache=True)
def _cabin(color: Triple, face: int, x: float, y: float, z: float, seed: int) -> Look:
    """Cabin of a car: roof, windows and pillars; x, y, z in units of the half extents."""
    if face == 2 or z > 0.86:
        return _scaled(color, 1.0, 0.16)
    if face == 0:
        return _glass(y, z, seed) if abs(y) < 0.9 and z > -0.9 else _scaled(color, 1.0, 0.16)
    pillar = abs(x) > 0.93 or abs(x + 0.02) < 0.05
    return _scaled(color, 0.9, 0.16) if pillar or z < -0.86 else _glass(x, z, seed)


@njit(cache=True)
def _bus_side(color: Triple, face: int, u: float, v: float, half: Triple, seed: int) -> Look:
    if face == 2:
        return _scaled(color, 0.9, 0.08)
    stripe = hash_unit(seed, 2, 2, 2)
    low, high = 0.02 * half[2], 0.68 * half[2]
    if face == 1 and low < v < high and abs(u) < half[0] * 0.95:
        pane = (u / 1.45) % 1.0
        return (0.05, 0.05, 0.055, 0.1, 0.0) if pane < 0.07 else _glass(u, v, seed)
    if face == 1 and abs(v + 0.25 * half[2]) < 0.12 and stripe < 0.6:
        tone = 0.7 if color[0] + color[1] + color[2] < 1.2 else 0.12
        return tone, tone, tone, 0.12, 0.0
    door = face == 1 and (abs(u - 0.8 * half[0]) < 0.5 or abs(u + 0.05 * half[0]) < 0.6)
    if door and v < low:
        return (
            (0.05, 0.055, 0.06, 0.3, 0.0) if abs(u * 1.9) % 1.0 > 0.1 else (0.2, 0.2, 0.2, 0.1, 0.0)
        )
    return _scaled(color, 0.55 if v < -0.88 * half[2] else 1.0, 0.12)


@njit(cache=True)
def _body(color: Triple, face: int, x: float, u: float, z: float, half: Triple) -> Look:
    """Car body: dark sill, wheel arches, door gaps; x, z in units of the half extents, u metres."""
    if face == 1:
        is_sill = abs(half[2] - SILL_HALF_M) < 1e-6
        if is_sill and z < -0.72:
            return 0.05, 0.05, 0.055, 0.05, 0.0
        arch = min(abs(x - 0.63), abs(x + 0.61)) * half[0]
        drop = z * half[2] + 0.42 - 0.31
        if is_sill and arch * arch + drop * drop < 0.36 * 0.36:
            return 0.02, 0.02, 0.02, 0.0, 0.0
        seam = min(abs(x - 0.26), min(abs(x + 0.12), abs(x + 0.45))) * half[0]
        if seam < 0.012:
            return _scaled(color, 0.35, 0.05)
    return _scaled(color, 1.0, 0.17)


@njit(cache=True)
def _leaves(color: Triple, x: float, y: float, z: float, seed: int, footprint: float) -> Look:
    keep = detail(0.09, footprint)
    leaf = hash_unit(math.floor(x * 11), math.floor(y * 11), math.floor(z * 11), seed)
    clump = noise3(x * 3.1, y * 3.1, z * 3.1, seed)
    broad = noise3(x * 1.1, y * 1.1, z * 1.1, seed + 5)
    gain = (0.45 + 0.75 * (1 - clump) + 0.25 * broad) * (1 + keep * (leaf - 0.5) * 0.75)
    yellow = 1.0 + 0.35 * keep * (leaf - 0.5) + 0.2 * (broad - 0.5)
    return color[0] * gain * yellow, color[1] * gain, color[2] * gain * 0.9, 0.0, 0.0


@njit(cache=True)
def _hazard(color: Triple, u: float, v: float, footprint: float) -> Look:
    keep = detail(0.3, footprint)
    stripe = 1.0 if ((u + v) / 0.32) % 1.0 < 0.5 else 0.0
    stripe = keep * stripe + (1 - keep) * 0.5
    other = 0.75 if color[1] < 0.35 else 0.04
    return (
        color[0] * stripe + other * (1 - stripe), color[1] * stripe + other * (1 - stripe),
        color[2] * stripe + other * (1 - stripe), 0.03, 0.0,
    )  # fmt: skip


@njit(cache=True)
def _sign(color: Triple, u: float, v: float, reach: float, seed: int) -> Look:
    """Board with a border and marks that look like text."""
    if reach > 0.86:
        return 0.75, 0.75, 0.73, 0.05, 0.0
    mark = hash_unit(math.floor(u / 0.09), math.floor(v / 0.16), 4, seed)
    if reach < 0.6 and mark > 0.55 and (v / 0.16) % 1.0 > 0.3:
        tone = 0.78 if color[0] + color[1] + color[2] < 1.1 else 0.06
        return tone, tone, tone, 0.05, 0.0
    return color[0], color[1], color[2], 0.05, 0.0


@njit(cache=True)
def _vehicle_look(
    material: int, color: Triple, half: Triple, local: NDArray[np.float64],
    place: Place, face: int, seed: int, footprint: float,
) -> Look:  # fmt: skip
    """Compute the look of the materials of vehicles; arguments as in `part_look`."""
    x, y, z, u, v = place
    if material == PAINT:
        return _scaled(color, 0.94 + 0.1 * noise3(x, y, z, seed), 0.13)
    if material == GLASS:
        return _glass(u, v, seed)
    if material == TYRE:
        radial = math.sqrt(local[0] ** 2 + local[1] ** 2)
        if face == 2 and radial < 0.62:
            spoke = math.cos(math.atan2(local[1], local[0]) * 5)
            tone = 0.34 if radial < 0.2 or spoke > -0.2 else 0.07
            return tone, tone, tone * 1.03, 0.1, 0.0
        return 0.035, 0.035, 0.037, 0.0, 0.0
    if material == CABIN:
        return _cabin(color, face, local[0], local[1], local[2], seed)
    if material == BUS_BODY:
        return _bus_side(color, face, u, v, half, seed)
    if material == BODY:
        return _body(color, face, local[0], u, local[2], half)
    ridge = 0.5 + 0.5 * math.copysign(1.0, math.sin((x + z) * 2 * math.pi / 0.2))
    tone = 0.05 + 0.08 * ridge * detail(0.2, footprint)
    return tone, tone * 0.97, tone * 0.92, 0.0, 0.0


@njit(cache=True)
def _wall_look(
    material: int, color: Triple, half: Triple, place: Place, face: int, seed: int,
    footprint: float, lamp: float,
) -> Look:  # fmt: skip
    """Compute the look of the materials of buildings; arguments as in `part_look`."""
    x, y, _, u, v = place
    if material == FACADE:
        if face == 2:
            return _plaster(color, u, v, seed)
        width = half[1] if face == 0 else half[0]
        return _facade(
            color, u + width, v + half[2] - 0.4, 2 * half[2] - 0.4, seed + face, footprint, lamp
        )
    if material == BRICK:
        return _brick(color, u, v, seed, footprint)
    if material == CONCRETE:
        speck = detail(0.05, footprint) * (noise2(u * 23, v * 23, seed) - 0.5) * 0.25
        return _scaled(color, 0.8 + 0.35 * noise2(u * 0.9, v * 1.6, seed) + speck, 0.0)
    keep = detail(0.3, footprint)
    tile = (
        0.75
        + 0.4 * ((y / 0.3) % 1.0)
        + 0.2 * hash_unit(math.floor(x / 0.25), math.floor(y / 0.3), 1, seed)
    )
    return _scaled(color, keep * tile + (1 - keep) * 1.05, 0.0)


@njit(cache=True)
def part_look(
    material: int, color: Triple, half: Triple, local: NDArray[np.float64],
    face: int, is_round: bool, seed: int, footprint: float, lamp: float,
) -> Look:  # fmt: skip
    """Compute the look of a part at a point.

    Args:
        material: Material number of `parts`.
        color: (3,) albedo RGB.
        half: (3,) half extents, metres.
        local: (3,) point in units of the half extents, local axes.
        face: Local axis of the face (2 is top, bottom or cap).
        is_round: Whether the part is a frustum.
        seed: Seed of the pattern.
        footprint: Size of a pixel on the part, metres.
        lamp: Brightness of lamps, 0 (off) to 1 (on).

    Returns:
        Red, green, blue, gloss, glow.
    """
    x, y, z = local[0] * half[0], local[1] * half[1], local[2] * half[2]
    if is_round and face != 2:
        u, v = math.atan2(local[1], local[0]) * half[0], z
    elif face == 2:
        u, v = x, y
    else:
        u, v = (y if face == 0 else x), z
    place = (x, y, z, u, v)
    if material in (PAINT, GLASS, TYRE, CABIN, BUS_BODY, BODY, TRACK):
        return _vehicle_look(material, color, half, local, place, face, seed, footprint)
    if material in (FACADE, BRICK, CONCRETE, ROOF):
        return _wall_look(material, color, half, place, face, seed, footprint, lamp)
    if material == BARK:
        return _scaled(color, 0.6 + 0.8 * noise2(u * 22, v * 4, seed), 0.0)
    if material == LEAVES:
        return _leaves(color, x, y, z, seed, footprint)
    if material == GRASS_MOUND:
        return grass_look(x, y, seed, footprint)
    if material == CORRUGATED:
        keep = detail(0.25, footprint)
        fold = math.sin(u * 2 * math.pi / 0.25)
        return _scaled(color, (0.92 + 0.25 * fold * keep) * (0.9 + 0.2 * noise2(u, v, seed)), 0.05)
    if material == HAZARD:
        return _hazard(color, u, v, footprint)
    if material == BANDS:
        white = line_cover(local[2] - 0.25, 0.2, footprint / half[2])
        return (
            color[0] * (1 - white) + 0.82 * white, color[1] * (1 - white) + 0.82 * white,
            color[2] * (1 - white) + 0.8 * white, 0.02, 0.0,
        )  # fmt: skip
    if material == CLOTH:
        return _scaled(color, 0.72 + 0.5 * noise3(x * 9, y * 9, z * 6, seed), 0.0)
    if material == METAL:
        return _scaled(color, 0.85 + 0.3 * noise2(u * 3, v * 3, seed), 0.1)
    if material == LAMP:
        return color[0], color[1], color[2], 0.1, 0.25 + 0.75 * lamp
    if material == SIGN:
        radial = math.sqrt(local[0] ** 2 + local[1] ** 2)
        reach = (
            radial
            if is_round
            else max(abs(u) / max(half[1 if face == 0 else 0], 1e-6), abs(local[2]))
        )
        return _sign(color, u, v, reach, seed)
    return _scaled(color, 0.92 + 0.16 * noise3(x * 3, y * 3, z * 3, seed), 0.0)


@njit(cache=True)
def grass_look(x: float, y: float, seed: int, footprint: float) -> Look:
    """Compute the look of a lawn with dry patches and blades of grass."""
    patch = noise2(x * 0.16, y * 0.16, seed) * 0.65 + noise2(x * 0.7, y * 0.7, seed + 1) * 0.35
    blade = 1.0
    if footprint < 0.05:
        blade += detail(0.05, footprint) * (noise2(x * 31, y * 31, seed + 2) - 0.5) * 0.9
    if footprint < 0.3:
        blade *= 1 + detail(0.3, footprint) * (noise2(x * 4.5, y * 4.5, seed + 3) - 0.5) * 0.5
    dry = clip01((patch - 0.5) * 3.2) * (0.4 + 0.6 * hash_unit(seed, 1, 1, 1))
    return (
        (0.105 + 0.18 * dry) * blade, (0.175 + 0.07 * dry) * blade, (0.05 + 0.07 * dry) * blade,
        0.0, 0.0,
    )  # fmt: skip
