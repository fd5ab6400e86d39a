"""A LiDAR measures a sweep: ranges, intensities, dropouts, ego returns and stray points.

A sweep has one pose of the LiDAR, or one pose for each firing. In both cases moving objects stand
still meanwhile.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout.relief import BLADES_M, FLAT_SIZE, slopes_at, terrain_hit
from clip2scene_core.world.layout.road import GRASS, SURFACE_RAW_CATEGORY, surface_at
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
from clip2scene_core.world.render.ground_cover import cover_albedo
from clip2scene_core.world.render.pavement import paint_cover
from clip2scene_core.world.render.raycast import cast_sphere
from clip2scene_core.world.render.shading import GROUND, SKY, surface_normal, to_local
from clip2scene_core.world.sensors.lidar_models import NUSCENES
from clip2scene_core.world.sensors.lidar_points import (
    NUSCENES_UNIT,
    LidarUnit,
    Returns,
    Revolution,
    collect,
)
from clip2scene_core.world.sensors.lidar_rays import SweepRays, rays_of
from clip2scene_core.world.sensors.lidar_response import DARK_SIGNAL, intensity_of
from clip2scene_core.world.sensors.lidar_surfaces import answer_surfaces
from clip2scene_core.world.sensors.own_body import body_ranges
from clip2scene_core.world.sensors.sensor_rig import LIDAR_HZ

__all__ = [
    "RAW_EGO",
    "LidarUnit",
    "Revolution",
    "firing_times",
    "measure_revolution",
    "measure_sweep",
]

RAW_ROAD: Final = 24
RAW_TERRAIN: Final = 27
RAW_EGO: Final = 31


def firing_times(num_columns: int, hz: int = LIDAR_HZ) -> NDArray[np.float64]:
    """Firing time of each column, (num_columns,) float64, seconds from the stamp, <= 0.

    The stamp is the end of the revolution, as in nuScenes.
    """
    return (np.arange(num_columns) / num_columns - 1.0) / hz


def measure_revolution(
    primitives: Primitives,
    plan: NDArray[np.float64],
    T_scene_lidar: NDArray[np.float64],
    num_columns: int,
    rng: np.random.Generator,
) -> Revolution:
    """Measure one revolution of nuScenes' LiDAR; the arguments are those of `measure_sweep`.

    Returns:
        The measured points, firing by firing, ring 0 first.
    """
    sweep = rays_of(NUSCENES, num_columns)
    return measure_sweep(primitives, plan, T_scene_lidar, NUSCENES_UNIT, sweep, rng)


def measure_sweep(
    primitives: Primitives,
    plan: NDArray[np.float64],
    T_scene_lidar: NDArray[np.float64],
    unit: LidarUnit,
    sweep: SweepRays,
    rng: np.random.Generator,
) -> Revolution:
    """Measure one sweep of a LiDAR.

    Args:
        primitives: All primitives at the stamp, scene frame.
        plan: (K,) float64, packed ground plan, flat or with relief.
        T_scene_lidar: (4, 4) float64, one pose for all columns, or (W, 4, 4), one pose for each
            column of the sweep; any rotation.
        unit: The LiDAR.
        sweep: Directions (R, W, 3) and times of its R x W rays, LiDAR frame.
        rng: Generator for noise and dropouts.

    Returns:
        The measured points, firing by firing, row 0 first, then second echoes, then stray points.
        Each is in the LiDAR frame at its firing, without motion compensation.
    """
    poses = np.broadcast_to(T_scene_lidar, (len(sweep.turns), 4, 4))
    rays = np.ascontiguousarray(np.einsum("cij,rcj->irc", poses[:, :3, :3], sweep.directions))
    origins = np.ascontiguousarray(poses[:, :3, 3])
    ranges = np.full(rays.shape[1:], unit.model.max_range_m)
    index = np.full(rays.shape[1:], SKY, dtype=np.int64)
    _cast(primitives, poses, rays, sweep, ranges, index)
    category, facing, albedo = _reflect(
        primitives, plan, SURFACE_RAW_CATEGORY, origins, rays, ranges, index
    )
    is_lost = np.zeros(ranges.shape, dtype=np.bool_)
    if unit.response.surfaces is not None:
        hits = (ranges, index, facing, albedo)
        is_lost = answer_surfaces(unit.response.surfaces, primitives, (origins, rays), hits, rng)
    if unit.response.foliage_m:
        ranges += _depth_in_leaves(primitives, index, unit.response.foliage_m, rng)
    if len(plan) > FLAT_SIZE:
        # Beams end at different depths between the blades of grass.
        blades = np.where((category == RAW_TERRAIN) & (index == GROUND), plan[BLADES_M], 0.0)
        ranges -= np.minimum(blades * np.abs(rng.normal(0, 1, ranges.shape)), 0.5 * ranges)
    on_body = body_ranges(unit.body, sweep.directions @ unit.rotation_body.T)
    is_body = np.isfinite(on_body)
    ranges[is_body] = on_body[is_body]
    category[is_body], albedo[is_body], index[is_body] = RAW_EGO, 0.3, SKY
    returns = _returns(unit, primitives, (ranges, index, category, facing, albedo), rng)
    returns.returned[is_lost & ~is_body] = False
    return collect(unit, sweep, returns, rng)


def _cast(
    primitives: Primitives,
    poses: NDArray[np.float64],
    rays: NDArray[np.float64],
    sweep: SweepRays,
    ranges: NDArray[np.float64],
    index: NDArray[np.int64],
) -> None:
    """Cast the rays onto the primitives, in a frame in which the LiDAR stands upright."""
    origins, reach_m = np.ascontiguousarray(poses[:, :3, 3]), float(ranges.max())
    if (poses[:, 2, 2] == 1.0).all():
        azimuth_0, swing = _azimuths(poses)
    else:
        last, origin = poses[-1, :3, :3], poses[-1, :3, 3].copy()
        primitives = primitives._replace(
            center=(primitives.center - origin) @ last,
            axes=primitives.axes @ last,
        )
        rays = np.ascontiguousarray(np.einsum("ji,jrc->irc", last, rays))
        origins = np.ascontiguousarray((origins - origin) @ last)
        azimuth_0, swing = math.pi, _tilting(poses, float(np.abs(sweep.elevations).max()))
    cast_sphere(
        primitives, origins, rays, azimuth_0, swing + sweep.half_width, sweep.turns,
        sweep.elevations, reach_m, ranges, index,
    )  # fmt: skip


def _azimuths(poses: NDArray[np.float64]) -> tuple[float, float]:
    """Azimuth of -x in the last pose, and the maximum rotation of a pose from it, radians."""
    azimuths = np.arctan2(-poses[:, 1, 0], -poses[:, 0, 0])
    turned = (azimuths - azimuths[-1] + math.pi) % (2 * math.pi) - math.pi
    return float(azimuths[-1]), float(np.abs(turned).max())


def _tilting(poses: NDArray[np.float64], steepest: float) -> float:
    """Maximum change of a ray's azimuth by the rotation of a pose from the last one, radians."""
    trace = np.einsum("cij,ij->c", poses[:, :3, :3], poses[-1, :3, :3])
    angle = float(np.arccos(np.clip((trace - 1) / 2, -1, 1)).max())
    return angle / max(math.cos(min(steepest + angle, math.pi / 2)), 0.05)


def _depth_in_leaves(
    primitives: Primitives,
    index: NDArray[np.int64],
    mean_m: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw how far beyond the hull of its leaves each ray ends, metres; 0 for other hits.

    A crown is a cloud of leaves. Without this its points would lie on a smooth shell, like a car's.
    """
    depth_m = np.zeros(index.shape)
    hit = np.maximum(index, 0)
    is_leaf = (index >= 0) & (primitives.material[hit] == LEAVES)
    thinnest_m = primitives.half[hit[is_leaf]].min(axis=1)
    drawn_m = rng.exponential(mean_m, int(is_leaf.sum()))
    depth_m[is_leaf] = np.minimum(drawn_m, 0.9 * thinnest_m)
    return depth_m


def _returns(
    unit: LidarUnit,
    primitives: Primitives,
    hits: tuple[
        NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8], NDArray[np.float64],
        NDArray[np.float64],
    ],
    rng: np.random.Generator,
) -> Returns:  # fmt: skip
    """Decide which rays come back, and with which range and intensity."""
    ranges, index, category, facing, albedo = hits
    model, response = unit.model, unit.response
    signal = albedo * (0.25 + 0.75 * facing)
    signal = np.where(category == RAW_ROAD, signal * (1 - response.wet_loss), signal)
    detected = 1 - np.exp(-40.0 * signal * (model.reach_m / ranges) ** 2)
    returned = rng.random(ranges.shape) < detected
    is_solid = index >= 0
    kept = np.full(ranges.shape, 1 - response.drop)
    material = primitives.material[np.maximum(index, 0)] if len(primitives.material) else index
    kept[is_solid & (material == GLASS)] *= 1 - response.glass_drop
    is_dark = is_solid & (albedo < DARK_SIGNAL)
    kept[is_dark] *= 1 - response.dark_drop * (1 - facing[is_dark])
    returned &= (ranges < model.max_range_m) & (ranges >= model.min_range_m)
    returned &= rng.random(ranges.shape) > 1 - kept
    noise = rng.normal(0, model.noise_m, ranges.shape)
    noise *= np.where(category == RAW_TERRAIN, 2.5, 1.0)
    noise *= 1 + response.noise_growth * ranges / 100
    instance = np.where(is_solid, primitives.instance[np.maximum(index, 0)], -1)
    intensity = intensity_of(response.law, signal, ranges, rng)
    return Returns(ranges + noise, category, instance, intensity, returned)


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
            t, is_kerb, surface = terrain_hit(plan, ox, oy, oz, rx, ry, rz, ranges[row, column])
            if 0 < t < ranges[row, column]:
                ranges[row, column] = t
                index[row, column] = GROUND
                x, y = ox + t * rx, oy + t * ry
                _, d, along = surface_at(plan, x, y)
                category[row, column] = raw[surface]
                facing[row, column] = 0.7 if is_kerb else -rz
                albedo[row, column] = 0.3 if surface == GRASS else (0.11 if surface == 0 else 0.2)
                if len(plan) > FLAT_SIZE:
                    slope_x, slope_y = slopes_at(plan, x, y)
                    upright = math.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
                    if not is_kerb:
                        facing[row, column] = abs(rx * slope_x + ry * slope_y - rz) / upright
                    albedo[row, column] = cover_albedo(plan, surface, d)
                if surface == 0 and paint_cover(plan, x, y, d, along, 0.03) > 0.5:
                    albedo[row, column] = 0.75
                continue
            hit = index[row, column]
            if hit < 0:
                continue
            t = ranges[row, column]
            to_local(primitives, hit, ox + t * rx, oy + t * ry, oz + t * rz, local)
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
