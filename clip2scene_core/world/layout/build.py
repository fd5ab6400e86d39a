"""Build a street scene from a seed: the road, the light, and all objects."""

from __future__ import annotations

import numpy as np

from clip2scene_core.world.layout.road import (
    ASPHALT,
    COBBLES,
    GRASS,
    ISLAND,
    NO_CROSSING,
    PAVING,
    Road,
    Side,
)
from clip2scene_core.world.layout.roadside import furnish_street
from clip2scene_core.world.layout.scene import Scene, assemble, place
from clip2scene_core.world.layout.street import Street
from clip2scene_core.world.layout.traffic import fill_lanes, lane_center, walk_people
from clip2scene_core.world.layout.weather import WEATHER_NAMES, light_of
from clip2scene_core.world.layout.worksite import place_rare_objects

SEQUENCE_STREAM = 0
"""Random stream of the scenes of sequences."""

PICTURE_STREAM = 1
"""Random stream of the scenes of captioned pictures; no sequence has such a scene."""


def build_scene(
    seed: int, scene_index: int, seconds: float, stream: int = SEQUENCE_STREAM
) -> Scene:
    """Build one street scene.

    Args:
        seed: Seed of the world.
        scene_index: Index of the scene in that world; it also selects the weather.
        seconds: Length of the sequence, seconds.
        stream: Random stream, for example SEQUENCE_STREAM or PICTURE_STREAM.

    Returns:
        The scene; the same arguments give the same scene.
    """
    rng = np.random.default_rng([seed, stream, scene_index])
    weather = WEATHER_NAMES[(scene_index + seed) % len(WEATHER_NAMES)]
    speed = float(rng.uniform(5, 12))
    length_m = speed * seconds
    density = float(rng.beta(1.3, 1.3))
    road = _draw_road(rng, length_m, density)
    street = Street(rng, road, length_m, density, autumn=bool(rng.random() < 0.3))
    ego_lane = int(rng.integers(road.num_lanes))
    place_rare_objects(street)
    furnish_street(street)
    walk_people(street)
    fill_lanes(street, ego_lane, speed)
    objects, plan = tuple(street.objects), road.as_array()
    still = [i for i, placed in enumerate(objects) if not placed.is_moving]
    moving = [i for i, placed in enumerate(objects) if placed.is_moving]
    return Scene(
        road=road,
        plan=plan,
        weather=weather,
        light=light_of(weather, rng),
        objects=objects,
        static=place(road, plan, objects, assemble(objects, still), 0.0),
        moving=assemble(objects, moving),
        ego_d=lane_center(street, 1, ego_lane),
        ego_speed=speed,
        length_m=length_m,
    )


def _draw_road(rng: np.random.Generator, length_m: float, density: float) -> Road:
    sharpest = min(1 / 110, 2.2 / (length_m + 220))
    curvature = 0.0 if rng.random() < 0.3 else float(rng.uniform(-sharpest, sharpest))
    has_median = rng.random() < 0.65
    is_lawn = has_median and rng.random() < 0.15
    narrowest, widest = (0.7, 1.9) if is_lawn else (0.32, 0.55)
    has_crossing = rng.random() < 0.45
    return Road(
        curvature=curvature,
        median_half_m=float(rng.uniform(narrowest, widest)) if has_median else 0.0,
        lane_m=float(rng.uniform(3.2, 3.7)),
        num_lanes=int(rng.integers(1, 3)),
        left=_draw_side(rng, density),
        right=_draw_side(rng, density),
        median_surface=GRASS if is_lawn else ISLAND,
        crossing_s=float(rng.uniform(12, length_m + 45)) if has_crossing else NO_CROSSING,
        crossing_half_m=float(rng.uniform(3.3, 7.0)),
        texture_seed=int(rng.integers(1, 1000)),
    )


def _draw_side(rng: np.random.Generator, density: float) -> Side:
    has_parking, has_verge = rng.random() < 0.6, rng.random() < 0.55
    is_lawn = rng.random() < 0.82
    return Side(
        parking_m=float(rng.uniform(2.1, 2.6)) if has_parking else 0.0,
        verge_m=float(rng.uniform(1.0, 2.4) if is_lawn else rng.uniform(0.5, 0.9))
        if has_verge
        else 0.0,
        sidewalk_m=float(rng.uniform(1.8, 4.2)) if rng.random() < 0.88 else 0.0,
        parking_surface=COBBLES if rng.random() < 0.02 else ASPHALT,
        verge_surface=GRASS if is_lawn else ISLAND,
        outer_surface=PAVING if rng.random() < 0.45 * density else GRASS,
    )
