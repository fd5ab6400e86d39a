"""Light hit points: sun with soft shadows, sky light, mirrored sky, lamps, haze."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from clip2scene_core.world.materials import part_look
from clip2scene_core.world.noise import clip01, noise2
from clip2scene_core.world.parts import BOX, ELLIPSOID, FRUSTUM, LEAVES, Primitives
from clip2scene_core.world.pavement import ground_look
from clip2scene_core.world.road import surface_at
from clip2scene_core.world.weather import Light

GROUND = -2
KERB = -3
SKY = -1


@njit(cache=True)
def sky_colour(light: Light, dx: float, dy: float, dz: float, out: NDArray[np.float64]) -> None:
    """Colour of the sky in a unit direction, written to out (3,)."""
    up = clip01(dz)
    blend = (1 - up) ** 4
    for c in range(3):
        out[c] = light.colours[2, c] * (1 - blend) + light.colours[3, c] * blend
    if dz > 0.015:
        u, v = dx / (dz + 0.12), dy / (dz + 0.12)
        cloud = 0.55 * noise2(u * 0.9, v * 0.9, 7) + 0.3 * noise2(u * 2.3, v * 2.3, 8)
        cloud += 0.15 * noise2(u * 5.1, v * 5.1, 9)
        cover = clip01((cloud - 0.78 + 0.55 * light.clouds) * 4.0) * clip01(dz * 9)
        tone = 0.75 + 0.5 * cloud
        for c in range(3):
            white = 0.62 * light.colours[3, c] + 0.2 * light.colours[0, c]
            out[c] = out[c] * (1 - 0.75 * cover) + 0.75 * cover * white * tone
    sun = dx * light.sun_direction[0] + dy * light.sun_direction[1] + dz * light.sun_direction[2]
    if sun > 0.6 and light.clouds < 0.8:
        glow = 0.35 * (sun - 0.6) ** 3 * 6 + (2.5 if sun > 0.9994 else 0.0)
        for c in range(3):
            out[c] += glow * light.colours[0, c]


@njit(cache=True)
def surface_normal(
    primitives: Primitives, index: int, local: NDArray[np.float64], normal: NDArray[np.float64]
) -> int:
    """Outward normal at a local unit point, written to normal (3,) in the scene frame; the face."""
    x, y, z = local
    a, b, c = primitives.shape[index]
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
    nx, ny, nz = (
        nx / primitives.half[index, 0], ny / primitives.half[index, 1], nz / primitives.half[index, 2],
    )  # fmt: skip
    for i in range(3):
        normal[i] = (
            primitives.axes[index, 0, i] * nx
            + primitives.axes[index, 1, i] * ny
            + primitives.axes[index, 2, i] * nz
        )
    normal /= math.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
    return face


@njit(cache=True)
def sunlit(
    sun_depth: NDArray[np.float64], frame: NDArray[np.float64], light: Light,
    x: float, y: float, z: float,
) -> float:  # fmt: skip
    """Share of the sun that reaches a point.

    Args:
        sun_depth: (H, W) float64, distance from the top plane along the sun's rays.
        frame: (4,) x and y of texel (0, 0), metres per texel, height of the top plane.
        light: Light of the scene.
        x: Metres, scene frame, as y and z.
        y: Metres.
        z: Metres.

    Returns:
        0 in full shadow to 1.
    """
    sx, sy, sz = light.sun_direction
    u = (x - sx * z / sz - frame[0]) / frame[2]
    v = (y - sy * z / sz - frame[1]) / frame[2]
    if not (2 < u < sun_depth.shape[1] - 3 and 2 < v < sun_depth.shape[0] - 3):
        return 1.0
    own = (frame[3] - z) / sz - 0.16
    spread = light.softness_m / frame[2]
    lit = 0.0
    for i in range(3):
        for j in range(3):
            column = int(u + (i - 1) * spread + 0.5)
            row = int(v + (j - 1) * spread + 0.5)
            row = min(max(row, 0), sun_depth.shape[0] - 1)
            column = min(max(column, 0), sun_depth.shape[1] - 1)
            lit += 1.0 if sun_depth[row, column] > own else 0.0
    return lit / 9.0


@njit(cache=True)
def shade(
    primitives: Primitives, plan: NDArray[np.float64], light: Light, rays: NDArray[np.float64],
    depth: NDArray[np.float64], hits: NDArray[np.int64], kerbs: NDArray[np.bool_],
    sun_depth: NDArray[np.float64], sun_frame: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Colour every pixel of a pinhole image.

    Args:
        primitives: The scene.
        plan: (24,) ground plan.
        light: Light of the scene.
        rays: (6, 3) as `cast_grid` takes them.
        depth: (H, W) ray parameters.
        hits: (H, W) primitive index, GROUND or SKY.
        kerbs: (H, W) True where the ground hit is a kerb's face.
        sun_depth: (H, W) as `sunlit` takes it.
        sun_frame: (4,) as `sunlit` takes it.

    Returns:
        (H, W, 3) float64 linear light, 1 is white.
    """
    num_rows, num_columns = depth.shape
    image = np.empty((num_rows, num_columns, 3))
    local, normal, mirrored, road = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    pixel = math.sqrt(rays[5, 0] ** 2 + rays[5, 1] ** 2 + rays[5, 2] ** 2)
    for row in range(num_rows):
        for column in range(num_columns):
            direction = rays[3] + row * rays[4] + column * rays[5]
            length = math.sqrt(direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2)
            unit = direction / length
            index = hits[row, column]
            if index == SKY:
                sky_colour(light, unit[0], unit[1], unit[2], image[row, column])
                continue
            t = depth[row, column]
            point = rays[0] + t * direction
            occlusion = 1.0
            if index == GROUND:
                surface, road[0], road[1], road[2] = surface_at(plan, point[0], point[1])
                normal[:] = 0.0
                normal[2] = 1.0
                steep = max(-unit[2], 0.02)
                footprint = t * pixel / math.sqrt(steep)
                if kerbs[row, column]:
                    look = (0.36, 0.355, 0.34, 0.0, 0.0)
                    occlusion = 0.75
                else:
                    look = ground_look(
                        plan, surface, point[0], point[1], road, footprint, light.wetness
                    )
            else:
                relative = point - primitives.centre[index]
                for axis in range(3):
                    a = primitives.axes[index, axis]
                    local[axis] = a[0] * relative[0] + a[1] * relative[1] + a[2] * relative[2]
                    local[axis] /= primitives.half[index, axis]
                face = surface_normal(primitives, index, local, normal)
                facing = abs(normal[0] * unit[0] + normal[1] * unit[1] + normal[2] * unit[2])
                footprint = t * pixel / math.sqrt(max(facing, 0.1))
                material = primitives.material[index]
                seed = primitives.instance[index] % 1013
                if material == LEAVES:
                    seed = index % 97
                look = part_look(
                    material, primitives.colour[index], primitives.half[index], local, face,
                    primitives.kind[index] == FRUSTUM, seed, footprint, light.lamp,
                )  # fmt: skip
                occlusion = 0.62 + 0.38 * clip01(point[2] / 0.9)
                if normal[2] < -0.3:
                    occlusion *= 0.6
                if material == LEAVES:
                    occlusion = 0.55 + 0.45 * clip01(0.5 + 0.6 * local[2])
            lit = sunlit(
                sun_depth, sun_frame, light,
                point[0] + 0.1 * normal[0], point[1] + 0.1 * normal[1], point[2] + 0.05 * normal[2],
            )  # fmt: skip
            cosine = (
                normal[0] * light.sun_direction[0]
                + normal[1] * light.sun_direction[1]
                + normal[2] * light.sun_direction[2]
            )
            direct = lit * max(cosine, 0.0)
            dome = occlusion * (0.56 + 0.44 * normal[2]) * (0.72 + 0.28 * lit)
            gloss = look[3]
            if gloss > 0:
                along = unit[0] * normal[0] + unit[1] * normal[1] + unit[2] * normal[2]
                mx, my = unit[0] - 2 * along * normal[0], unit[1] - 2 * along * normal[1]
                mz = unit[2] - 2 * along * normal[2]
                sky_colour(light, mx, my, max(mz, 0.0), mirrored)
                if mz < 0:
                    mirrored *= 0.35  # the street mirrors itself darker than the sky
                gloss = min(1.0, gloss + (1 - gloss) * 0.6 * (1 - abs(along)) ** 4)
            haze = 1 - math.exp(-light.fog_density * t * length)
            for c in range(3):
                shine = light.colours[0, c] * direct + light.colours[1, c] * dome
                value = look[c] * (shine * (1 - look[4]) + 1.5 * look[4])
                if gloss > 0:
                    value = value * (1 - gloss) + mirrored[c] * gloss * (0.5 + 0.5 * occlusion)
                image[row, column, c] = value * (1 - haze) + light.colours[4, c] * haze
    return image


@njit(cache=True)
def soften_edges(image: NDArray[np.float64], hits: NDArray[np.int64]) -> NDArray[np.float64]:
    """Blend pixels at outlines with their neighbours, the poor man's anti-aliasing."""
    result = image.copy()
    num_rows, num_columns = hits.shape
    for row in range(1, num_rows - 1):
        for column in range(1, num_columns - 1):
            own = hits[row, column]
            if (
                own != hits[row - 1, column]
                or own != hits[row + 1, column]
                or own != hits[row, column - 1]
                or own != hits[row, column + 1]
            ):
                for c in range(3):
                    around = (
                        image[row - 1, column, c] + image[row + 1, column, c]
                        + image[row, column - 1, c] + image[row, column + 1, c]
                    )  # fmt: skip
                    result[row, column, c] = 0.52 * image[row, column, c] + 0.12 * around
    return result
