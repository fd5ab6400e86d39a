"""Compute the light of hit points: sun with soft shadows, sky, mirrored sky, lamps, haze."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout.relief import FLAT_SIZE, relief_at, slopes_at
from clip2scene_core.world.layout.road import surface_at
from clip2scene_core.world.layout.weather import Light
from clip2scene_core.world.primitives.jit import njit
from clip2scene_core.world.primitives.noise import clip01, hash_unit, noise2
from clip2scene_core.world.primitives.parts import (
    BOX,
    ELLIPSOID,
    FRUSTUM,
    LEAVES,
    Primitives,
)
from clip2scene_core.world.render.lamplight import lamplight_at
from clip2scene_core.world.render.materials import Look, part_look
from clip2scene_core.world.render.pavement import ground_look

GROUND = -2
"""Index of the hit of a ray on the ground."""

SKY = -1
"""Index of the hit of a ray that meets nothing."""

CURVE_END = 4.0
"""Linear light at the end of the display curve."""


@njit(cache=True)
def sky_color(
    light: Light, dx: float, dy: float, dz: float, has_clouds: bool, out: NDArray[np.float64]
) -> None:
    """Write the colour of the sky in a unit direction to out (3,); mirrors show no clouds."""
    up = clip01(dz)
    blend = (1 - up) ** 4
    for c in range(3):
        out[c] = light.colors[2, c] * (1 - blend) + light.colors[3, c] * blend
    if has_clouds and dz > 0.015:
        u, v = dx / (dz + 0.12), dy / (dz + 0.12)
        cloud = 0.55 * noise2(u * 0.9, v * 0.9, 7) + 0.3 * noise2(u * 2.3, v * 2.3, 8)
        cloud += 0.15 * noise2(u * 5.1, v * 5.1, 9)
        cover = clip01((cloud - 0.78 + 0.55 * light.clouds) * 4.0) * clip01(dz * 9)
        tone = 0.75 + 0.5 * cloud
        for c in range(3):
            white = 0.62 * light.colors[3, c] + 0.2 * light.colors[0, c]
            out[c] = out[c] * (1 - 0.75 * cover) + 0.75 * cover * white * tone
    sun = dx * light.sun_direction[0] + dy * light.sun_direction[1] + dz * light.sun_direction[2]
    if sun > 0.6 and light.clouds < 0.8:
        glow = 0.35 * (sun - 0.6) ** 3 * 6 + (2.5 if sun > 0.99988 else 0.0)
        for c in range(3):
            out[c] += glow * light.colors[0, c]


@njit(cache=True, inline="always")
def to_local(
    primitives: Primitives, index: int, x: float, y: float, z: float, local: NDArray[np.float64]
) -> None:
    """Write a point (metres, scene frame) to local (3,), in units of a primitive's half extents."""
    for axis in range(3):
        local[axis] = (
            primitives.axes[index, axis, 0] * (x - primitives.center[index, 0])
            + primitives.axes[index, axis, 1] * (y - primitives.center[index, 1])
            + primitives.axes[index, axis, 2] * (z - primitives.center[index, 2])
        ) / primitives.half[index, axis]


@njit(cache=True, inline="always")
def surface_normal(
    primitives: Primitives, index: int, local: NDArray[np.float64], normal: NDArray[np.float64]
) -> int:
    """Write the outward normal at a point to normal (3,), scene frame; return the face.

    Args:
        primitives: All primitives.
        index: Index of the primitive.
        local: (3,) float64, the point in units of the half extents, local axes.
        normal: (3,) float64, the result.

    Returns:
        Local axis of the face: 0, 1, or 2 (top, bottom or cap).
    """
    x, y, z = local[0], local[1], local[2]
    a, b, c = primitives.shape[index, 0], primitives.shape[index, 1], primitives.shape[index, 2]
    nx, ny, nz = 0.0, 0.0, 0.0
    face = 2
    kind = primitives.kind[index]
    if kind == BOX:
        best = abs(z)
        nz = math.copysign(1.0, z)
        front, back = x + 0.5 * a * (z + 1), -x + 0.5 * b * (z + 1)
        side = abs(y) + 0.5 * c * (z + 1)
        if front > best:
            best, face, nx, ny, nz = front, 0, 1.0, 0.0, 0.5 * a
        if back > best:
            best, face, nx, ny, nz = back, 0, -1.0, 0.0, 0.5 * b
        if side > best:
            face, nx, ny, nz = 1, 0.0, math.copysign(1.0, y), 0.5 * c
    elif kind == ELLIPSOID:
        nx, ny, nz = x, y, z
        face = 0
    else:
        radius = 1 - 0.5 * a * (z + 1)
        if abs(z) > 0.9995 and x * x + y * y < radius * radius * 0.998:
            nz = math.copysign(1.0, z)
        else:
            length = max(math.sqrt(x * x + y * y), 1e-9)
            nx, ny, nz, face = x / length, y / length, 0.5 * a, 0
    nx /= primitives.half[index, 0]
    ny /= primitives.half[index, 1]
    nz /= primitives.half[index, 2]
    for i in range(3):
        normal[i] = (
            primitives.axes[index, 0, i] * nx
            + primitives.axes[index, 1, i] * ny
            + primitives.axes[index, 2, i] * nz
        )
    length = math.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
    for i in range(3):
        normal[i] /= length
    return face


@njit(cache=True, inline="always")
def sunlit(
    sun_depth: NDArray[np.float64], frame: NDArray[np.float64], light: Light,
    x: float, y: float, z: float,
) -> float:  # fmt: skip
    """Share of the sunlight that reaches a point.

    Args:
        sun_depth: (H, W) float64, `depth` of the sun map.
        frame: (4,) float64, `frame` of the sun map.
        light: Light of the scene.
        x: x of the point, metres, scene frame.
        y: y of the point, metres, scene frame.
        z: z of the point, metres, scene frame.

    Returns:
        0 (full shadow) to 1 (no shadow).
    """
    sx, sy, sz = light.sun_direction[0], light.sun_direction[1], light.sun_direction[2]
    u = (x - sx * z / sz - frame[0]) / frame[2]
    v = (y - sy * z / sz - frame[1]) / frame[2]
    if not (2 < u < sun_depth.shape[1] - 3 and 2 < v < sun_depth.shape[0] - 3):
        return 1.0
    own = (frame[3] - z) / sz - 0.22
    spread = light.softness_m / frame[2]
    lit = 0.0
    for i in range(-1, 2):
        row = min(max(int(v + i * spread + 0.5), 0), sun_depth.shape[0] - 1)
        for j in range(-1, 2):
            column = min(max(int(u + j * spread + 0.5), 0), sun_depth.shape[1] - 1)
            if sun_depth[row, column] > own:
                lit += 1.0
    return lit / 9.0


@njit(cache=True)
def _ground_look(
    plan: NDArray[np.float64], light: Light, point: NDArray[np.float64], is_kerb: bool,
    footprint: float,
) -> tuple[Look, float]:  # fmt: skip
    """Compute the look and the ambient occlusion of the ground at a point."""
    if is_kerb:
        return (0.36, 0.355, 0.34, 0.0, 0.0), 0.75
    surface, d, along = surface_at(plan, point[0], point[1])
    look = ground_look(plan, surface, point[0], point[1], d, along, footprint, light.wetness)
    return look, 1.0


@njit(cache=True, inline="always")
def _part_look(
    primitives: Primitives, index: int, light: Light, point: NDArray[np.float64],
    unit: NDArray[np.float64], footprint: float, ground: float, local: NDArray[np.float64],
    normal: NDArray[np.float64],
) -> tuple[Look, float]:  # fmt: skip
    """Compute the look and the ambient occlusion of a part at a point; write the normal (3,)."""
    to_local(primitives, index, point[0], point[1], point[2], local)
    face = surface_normal(primitives, index, local, normal)
    facing = abs(normal[0] * unit[0] + normal[1] * unit[1] + normal[2] * unit[2])
    material = primitives.material[index]
    color = (
        primitives.color[index, 0], primitives.color[index, 1], primitives.color[index, 2],
    )  # fmt: skip
    half = (primitives.half[index, 0], primitives.half[index, 1], primitives.half[index, 2])
    seed = index % 97 if material == LEAVES else primitives.instance[index] % 1013
    is_round = primitives.kind[index] == FRUSTUM
    footprint /= math.sqrt(max(facing, 0.1))
    look = part_look(material, color, half, local, face, is_round, seed, footprint, light.lamp)
    if material == LEAVES:
        return look, 0.5 + 0.5 * clip01(0.5 + 0.6 * local[2])
    occlusion = 0.62 + 0.38 * clip01((point[2] - ground) / 0.9)
    return look, occlusion * (0.6 if normal[2] < -0.3 else 1.0)


@njit(cache=True, inline="always")
def _illuminate(
    light: Light, look: Look, occlusion: float, lit: float, unit: NDArray[np.float64],
    normal: NDArray[np.float64], lamps: NDArray[np.float64], mirrored: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Write the light from a point to the camera, without haze, to out (3,)."""
    sun = light.sun_direction
    cosine = normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2]
    direct = lit * max(cosine, 0.0)
    dome = occlusion * (0.56 + 0.44 * normal[2]) * (0.72 + 0.28 * lit)
    near = occlusion * (0.75 + 0.25 * normal[2])
    gloss = look[3]
    if gloss > 0:
        along = unit[0] * normal[0] + unit[1] * normal[1] + unit[2] * normal[2]
        up = unit[2] - 2 * along * normal[2]
        mx, my = unit[0] - 2 * along * normal[0], unit[1] - 2 * along * normal[1]
        sky_color(light, mx, my, max(up, 0.0), False, mirrored)
        # Near the horizon the mirror shows the street, which is darker than the sky.
        dim = (0.3 + 0.7 * clip01(up * 2.5)) * (0.5 + 0.5 * occlusion)
        gloss = min(1.0, gloss + (1 - gloss) * 0.5 * (1 - abs(along)) ** 4)
        for c in range(3):
            mirrored[c] *= dim
    for c in range(3):
        shine = light.colors[0, c] * direct + light.colors[1, c] * dome + near * lamps[c]
        value = look[c] * (shine * (1 - look[4]) + 1.5 * look[4])
        out[c] = value * (1 - gloss) + mirrored[c] * gloss if gloss > 0 else value


@njit(cache=True)
def shade(
    primitives: Primitives, plan: NDArray[np.float64], light: Light, rays: NDArray[np.float64],
    depth: NDArray[np.float64], hits: NDArray[np.int64], kerbs: NDArray[np.bool_],
    sun_depth: NDArray[np.float64], sun_frame: NDArray[np.float64],
    lamplight: NDArray[np.float64], lamp_frame: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Compute the light of every pixel of a pinhole image.

    Args:
        primitives: All primitives, scene frame.
        plan: (K,) float64, packed ground plan, flat or with relief.
        light: Light of the scene.
        rays: (6, 3) float64 as in `cast_grid`.
        depth: (H, W) float64, ray parameters of the hits.
        hits: (H, W) int64, index of the primitive, or GROUND or SKY.
        kerbs: (H, W) bool, whether the hit is on the face of a kerb.
        sun_depth: (H, W) float64, `depth` of the sun map.
        sun_frame: (4,) float64, `frame` of the sun map.
        lamplight: (H, W, 3) float64, `light` of the lamplight map.
        lamp_frame: (3,) float64, `frame` of the lamplight map.

    Returns:
        (H, W, 3) float64 linear light, 1 is white.
    """
    num_rows, num_columns = depth.shape
    image = np.empty((num_rows, num_columns, 3))
    unit, point, local = np.empty(3), np.empty(3), np.empty(3)
    normal, mirrored, lamps, out = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    pixel = math.sqrt(rays[5, 0] ** 2 + rays[5, 1] ** 2 + rays[5, 2] ** 2)
    for row in range(num_rows):
        for column in range(num_columns):
            index, t = hits[row, column], depth[row, column]
            for i in range(3):
                unit[i] = rays[3, i] + row * rays[4, i] + column * rays[5, i]
                point[i] = rays[0, i] + t * unit[i]
            length = math.sqrt(unit[0] ** 2 + unit[1] ** 2 + unit[2] ** 2)
            for i in range(3):
                unit[i] /= length
            if index == SKY:
                sky_color(light, unit[0], unit[1], unit[2], True, out)
                for c in range(3):
                    image[row, column, c] = out[c]
                continue
            ground = relief_at(plan, point[0], point[1])
            if index == GROUND:
                normal[0], normal[1], normal[2] = 0.0, 0.0, 1.0
                facing = -unit[2]
                if len(plan) > FLAT_SIZE and not kerbs[row, column]:
                    slope_x, slope_y = slopes_at(plan, point[0], point[1])
                    up = 1 / math.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
                    normal[0], normal[1], normal[2] = -slope_x * up, -slope_y * up, up
                    facing = up * (unit[0] * slope_x + unit[1] * slope_y - unit[2])
                footprint = t * pixel / math.sqrt(max(facing, 0.02))
                look, occlusion = _ground_look(plan, light, point, kerbs[row, column], footprint)
            else:
                look, occlusion = _part_look(
                    primitives, index, light, point, unit, t * pixel, ground, local, normal
                )
            lit = sunlit(
                sun_depth, sun_frame, light, point[0] + 0.2 * normal[0],
                point[1] + 0.2 * normal[1], point[2] + 0.03 * normal[2],
            )  # fmt: skip
            lamplight_at(lamplight, lamp_frame, point, lamps, ground)
            _illuminate(light, look, occlusion, lit, unit, normal, lamps, mirrored, out)
            haze = 1 - math.exp(-light.fog_density * t * length)
            for c in range(3):
                image[row, column, c] = out[c] + (light.colors[4, c] - out[c]) * haze
    return image


@njit(cache=True)
def develop(
    image: NDArray[np.float64], hits: NDArray[np.int64], curve: NDArray[np.uint8], grain: float,
    seed: int,
) -> NDArray[np.uint8]:  # fmt: skip
    """Turn linear light into display values; outlines are blended with their neighbours.

    Args:
        image: (H, W, 3) float64 linear light.
        hits: (H, W) int64 as in `shade`; an outline is where it changes.
        curve: (K,) uint8, the display value of light i / (K - 1) * CURVE_END.
        grain: Standard deviation of the noise, in display values.
        seed: Seed of the noise.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    num_rows, num_columns = hits.shape
    picture = np.empty(image.shape, np.uint8)
    scale = (len(curve) - 1) / CURVE_END
    for row in range(num_rows):
        up, down = max(row - 1, 0), min(row + 1, num_rows - 1)
        for column in range(num_columns):
            left, right = max(column - 1, 0), min(column + 1, num_columns - 1)
            own = hits[row, column]
            is_edge = (
                own != hits[up, column] or own != hits[down, column]
                or own != hits[row, left] or own != hits[row, right]
            )  # fmt: skip
            for c in range(3):
                value = image[row, column, c]
                if is_edge:
                    around = image[up, column, c] + image[down, column, c]
                    around += image[row, left, c] + image[row, right, c]
                    value = 0.52 * value + 0.12 * around
                shown = curve[int(min(max(value, 0.0), CURVE_END) * scale + 0.5)]
                if grain > 0:
                    # The sum of three uniform numbers is close to a normal distribution.
                    noise = hash_unit(row, column, c, seed) + hash_unit(row, column, c + 3, seed)
                    noise += hash_unit(row, column, c + 6, seed) - 1.5
                    shown = min(max(shown + 2.0 * grain * noise + 0.5, 0.0), 255.0)
                picture[row, column, c] = shown
    return picture
