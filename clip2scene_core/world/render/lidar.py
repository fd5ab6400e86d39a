"""A spinning 32-beam LiDAR: ranges, intensities, dropouts, ego returns and stray points.

A revolution has one pose of the LiDAR, or one pose for each firing. In both cases moving objects
stand still during its 50 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout.road import (
    GRASS,
    SURFACE_RAW_CATEGORY,
    ground_hit,
    surface_at,
)
from clip2scene_core.world.primitives.jit import njit
from clip2scene_core.world.primitives.parts import (
    BANDS,
    BODY,
    CABIN,
    CLOTH,
    CONCRETE,
    CORRUGATED,
    FACADE,
    GLASS,
    HAZARD,
    LAMP,
    LEAVES,
    METAL,
    PAINT,
    SIGN,
    TRACK,
    TYRE,
    Primitives,
)
from clip2scene_core.world.render.pavement import paint_cover
from clip2scene_core.world.render.raycast import cast_sphere
from clip2scene_core.world.render.sensor_rig import LIDAR_HZ
from clip2scene_core.world.render.shading import GROUND, SKY, surface_normal

NUM_RINGS: Final = 32
LOWEST_DEGREES: Final = -30.67
HIGHEST_DEGREES: Final = 10.67
MAX_RANGE_M: Final = 100.0
RESOLUTION: Final = 512
"""Coordinates are stored as multiples of 1/512 m, so that recordings compress well."""

RAW_NOISE: Final = 0
RAW_EGO: Final = 31
ROOF_BELOW_M: Final = 0.30
NUM_STRAYS: Final = 14


@dataclass(frozen=True)
class Revolution:
    """The points of one revolution.

    Attributes:
        points: (N, 5) float32: x, y, z in metres in the LiDAR frame (x right, y forward, z up),
            intensity 0-255, ring 0-31 from the lowest.
        categories: (N,) uint8 raw lidarseg category.
        instances: (N,) int64 index of the object that was hit, -1 for none.
        columns: (N,) int64 index of the firing (column) of each point.
    """

    points: NDArray[np.float32]
    categories: NDArray[np.uint8]
    instances: NDArray[np.int64]
    columns: NDArray[np.int64]


def firing_times(num_columns: int) -> NDArray[np.float64]:
    """Firing time of each column, (num_columns,) float64, seconds from the stamp, <= 0.

    The stamp is the end of the revolution, as in nuScenes.
    """
    return (np.arange(num_columns) / num_columns - 1.0) / LIDAR_HZ


def measure_revolution(
    primitives: Primitives,
    plan: NDArray[np.float64],
    T_scene_lidar: NDArray[np.float64],
    num_columns: int,
    rng: np.random.Generator,
) -> Revolution:
    """Measure one revolution.

    Args:
        primitives: All primitives at the stamp of the sweep, scene frame.
        plan: (24,) float64, packed ground plan.
        T_scene_lidar: (4, 4) float64, one pose for all columns, or (num_columns, 4, 4), one pose
            for each column; the z axis of the LiDAR is vertical.
        num_columns: Number of firings per revolution.
        rng: Generator for noise and dropouts.

    Returns:
        The measured points, firing by firing, ring 0 first. Each is in the LiDAR frame at its
        firing, without motion compensation.
    """
    elevation = np.radians(np.linspace(LOWEST_DEGREES, HIGHEST_DEGREES, NUM_RINGS))[:, None]
    # Column 0 points to the left of the vehicle (-x); the sensor turns clockwise.
    turn = -2 * math.pi * np.arange(num_columns) / num_columns + math.pi
    rays_lidar = np.stack(
        np.broadcast_arrays(
            np.cos(elevation) * np.cos(turn), np.cos(elevation) * np.sin(turn), np.sin(elevation)
        ),
        axis=-1,
    )
    poses = np.broadcast_to(T_scene_lidar, (num_columns, 4, 4))
    rays = np.ascontiguousarray(np.einsum("cij,rcj->irc", poses[:, :3, :3], rays_lidar))
    origins = np.ascontiguousarray(poses[:, :3, 3])
    ranges = np.full(rays.shape[1:], MAX_RANGE_M)
    index = np.full(rays.shape[1:], SKY, dtype=np.int64)
    azimuth_0, swing = _azimuths(poses)
    cast_sphere(primitives, origins, rays, azimuth_0, swing, ranges, index)
    category, facing, albedo = _reflect(
        primitives, plan, SURFACE_RAW_CATEGORY, origins, rays, ranges, index
    )
    instance = np.where(index >= 0, primitives.instance[np.maximum(index, 0)], -1)
    _add_ego_roof(rays_lidar, ranges, category, albedo, instance)
    signal = albedo * (0.25 + 0.75 * facing)
    returned = rng.random(ranges.shape) < 1 - np.exp(-40.0 * signal * (40.0 / ranges) ** 2)
    returned &= (ranges < MAX_RANGE_M) & (rng.random(ranges.shape) > 0.015)
    noise = rng.normal(0, 0.013, ranges.shape) * np.where(category == 27, 2.5, 1.0)
    intensity = 255 * 0.42 * signal * np.exp(rng.normal(0, 0.18, ranges.shape))
    return _collect(rays_lidar, ranges + noise, (category, instance, intensity, returned), rng)


def _azimuths(poses: NDArray[np.float64]) -> tuple[float, float]:
    """Azimuth of column 0 in the last pose, and the maximum rotation of a pose from it, radians."""
    # Column 0 points along -x of the LiDAR.
    azimuths = np.arctan2(-poses[:, 1, 0], -poses[:, 0, 0])
    turned = (azimuths - azimuths[-1] + math.pi) % (2 * math.pi) - math.pi
    return float(azimuths[-1]), float(np.abs(turned).max())


def _add_ego_roof(
    rays_lidar: NDArray[np.float64],
    ranges: NDArray[np.float64],
    category: NDArray[np.uint8],
    albedo: NDArray[np.float64],
    instance: NDArray[np.int64],
) -> None:
    """Let the lowest beams hit the corners of the ego vehicle's roof."""
    falling = np.minimum(rays_lidar[..., 2], -1e-6)
    reach = -ROOF_BELOW_M / falling
    on_roof = (np.abs(rays_lidar[..., 0]) * reach < 0.42) & (
        np.abs(rays_lidar[..., 1]) * reach < 0.48
    )
    ranges[on_roof] = reach[on_roof]
    category[on_roof] = RAW_EGO
    albedo[on_roof] = 0.3
    instance[on_roof] = -1


def _collect(
    rays_lidar: NDArray[np.float64],
    ranges: NDArray[np.float64],
    returns: tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]],
    rng: np.random.Generator,
) -> Revolution:
    """Gather the returned points in the order of firing, and add stray points."""
    category, instance, intensity, returned = (array.T for array in returns)
    ring = np.broadcast_to(np.arange(NUM_RINGS), returned.shape)
    column = np.broadcast_to(np.arange(len(returned))[:, None], returned.shape)
    xyz = (rays_lidar * ranges[..., None]).transpose(1, 0, 2)[returned]
    points = np.column_stack(
        [
            np.rint(xyz * RESOLUTION) / RESOLUTION,
            np.rint(np.clip(intensity[returned], 0, 255)),
            ring[returned],
        ]
    )
    stray_range = rng.uniform(1.5, 35.0, NUM_STRAYS)
    stray_ring = rng.integers(0, NUM_RINGS, NUM_STRAYS)
    stray_column = rng.integers(0, rays_lidar.shape[1], NUM_STRAYS)
    stray_ray = rays_lidar[stray_ring, stray_column]
    above = np.maximum(stray_ray[:, 2] * stray_range, -1.5)
    strays = np.column_stack(
        [
            np.rint(stray_ray[:, :2] * stray_range[:, None] * RESOLUTION) / RESOLUTION,
            np.rint(above * RESOLUTION) / RESOLUTION,
            rng.integers(0, 6, NUM_STRAYS),
            rng.integers(0, NUM_RINGS, NUM_STRAYS),
        ]
    )
    return Revolution(
        points=np.concatenate([points, strays]).astype(np.float32),
        categories=np.append(category[returned], np.full(NUM_STRAYS, RAW_NOISE, dtype=np.uint8)),
        instances=np.append(instance[returned], np.full(NUM_STRAYS, -1)),
        columns=np.append(column[returned], stray_column),
    )


@njit(cache=True)
def _albedo(material: int, gray: float) -> float:
    """Reflectivity at the wavelength of the LiDAR; more than 1 for retro-reflectors."""
    if material == GLASS:
        return 0.008
    if material == CABIN:
        return 0.03 + 0.1 * gray
    if material in (SIGN, LAMP):
        return 2.2
    if material in (BANDS, HAZARD):
        return 0.9
    if material == LEAVES:
        return 0.32
    if material in (TYRE, TRACK):
        return 0.05
    if material == METAL:
        return 0.35
    if material == CLOTH:
        return 0.15 + 0.6 * gray
    if material in (PAINT, BODY, CORRUGATED):
        return 0.04 + 0.75 * gray
    if material in (FACADE, CONCRETE):
        return 0.14 + 0.5 * gray
    return 0.1 + 0.55 * gray


@njit(cache=True)
def _reflect(
    primitives: Primitives, plan: NDArray[np.float64], raw: NDArray[np.uint8],
    origins: NDArray[np.float64], rays: NDArray[np.float64], ranges: NDArray[np.float64],
    index: NDArray[np.int64],
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Cast the rays onto the ground, then compute category, |cosine| and reflectivity of hits."""
    category = np.zeros(ranges.shape, np.uint8)
    facing, albedo = np.zeros(ranges.shape), np.zeros(ranges.shape)
    local, normal = np.empty(3), np.empty(3)
    for row in range(ranges.shape[0]):
        for column in range(ranges.shape[1]):
            rx, ry, rz = rays[0, row, column], rays[1, row, column], rays[2, row, column]
            ox, oy, oz = origins[column]
            t, is_kerb, surface = ground_hit(plan, ox, oy, oz, rx, ry, rz)
            if 0 < t < ranges[row, column]:
                ranges[row, column] = t
                index[row, column] = GROUND
                x, y = ox + t * rx, oy + t * ry
                _, d, along = surface_at(plan, x, y)
                category[row, column] = raw[surface]
                facing[row, column] = 0.7 if is_kerb else -rz
                albedo[row, column] = 0.3 if surface == GRASS else (0.11 if surface == 0 else 0.2)
                if surface == 0 and paint_cover(plan, x, y, d, along, 0.03) > 0.5:
                    albedo[row, column] = 0.75
                continue
            hit = index[row, column]
            if hit < 0:
                continue
            t = ranges[row, column]
            for axis in range(3):
                total = 0.0
                for i in range(3):
                    offset = (
                        origins[column, i] + t * rays[i, row, column] - primitives.center[hit, i]
                    )
                    total += primitives.axes[hit, axis, i] * offset
                local[axis] = total / primitives.half[hit, axis]
            face = surface_normal(primitives, hit, local, normal)
            category[row, column] = primitives.category[hit]
            facing[row, column] = abs(normal[0] * rx + normal[1] * ry + normal[2] * rz)
            gray = 0.3 * primitives.color[hit, 0] + 0.4 * primitives.color[hit, 1]
            gray += 0.3 * primitives.color[hit, 2]
            albedo[row, column] = _albedo(primitives.material[hit], gray)
            # A band of every storey of a facade is mostly windows.
            is_band = (local[2] * primitives.half[hit, 2] / 3.1) % 1.0 < 0.45
            if primitives.material[hit] == FACADE and face != 2 and is_band:
                albedo[row, column] *= 0.35
    return category, facing, albedo
