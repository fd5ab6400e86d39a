"""Build a street scene from a seed: the road, the light, and all objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from clip2scene_core.world.layout.footing import RIGID, draw_ride
from clip2scene_core.world.layout.outdoors import furnish_park, furnish_track
from clip2scene_core.world.layout.places import (
    CAR_PARK,
    LANE,
    PARK,
    STREET,
    STYLES,
    TRACK,
    YARD,
    Place,
    draw_place,
    road_of,
    sidewalk_middle,
)
from clip2scene_core.world.layout.residential import furnish_lane
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
from clip2scene_core.world.layout.scene import Scene, assemble
from clip2scene_core.world.layout.scene import place as place_parts
from clip2scene_core.world.layout.street import Street
from clip2scene_core.world.layout.terrain import with_relief
from clip2scene_core.world.layout.traffic import NO_LANE, fill_lanes, lane_center, walk_people
from clip2scene_core.world.layout.weather import WEATHER_NAMES, light_of
from clip2scene_core.world.layout.worksite import place_rare_objects
from clip2scene_core.world.layout.yards import furnish_car_park, furnish_yard

SEQUENCE_STREAM = 0
"""Random stream of the scenes of sequences."""

PICTURE_STREAM = 1
"""Random stream of the scenes of captioned pictures; no sequence has such a scene."""


TERRAINS: Final = ("flat", "varied")
PLACES: Final = ("street", "mixed")
_PLACE_STREAM: Final = 4
"""Random draws of terrain and places: they leave those of a flat street as they were."""

_FURNISHERS: Final = {
    LANE: furnish_lane, PARK: furnish_park, TRACK: furnish_track, YARD: furnish_yard,
    CAR_PARK: furnish_car_park,
}  # fmt: skip


def build_scene(
    seed: int,
    scene_index: int,
    seconds: float,
    stream: int = SEQUENCE_STREAM,
    terrain: str = "flat",
    places: str = "street",
) -> Scene:
    """Build one scene.

    Args:
        seed: Seed of the world.
        scene_index: Index of the scene in that world; it also selects the weather.
        seconds: Length of the sequence, seconds.
        stream: Random stream, for example SEQUENCE_STREAM or PICTURE_STREAM.
        terrain: One of TERRAINS.
        places: One of PLACES.

    Returns:
        The scene; the same arguments give the same scene.
    """
    rng = np.random.default_rng([seed, stream, scene_index])
    extra = np.random.default_rng([seed, stream, scene_index, _PLACE_STREAM])
    weather = WEATHER_NAMES[(scene_index + seed) % len(WEATHER_NAMES)]
    speed = float(rng.uniform(5, 12))
    place = Place(STREET, "car", speed)
    if places == "mixed":
        place = draw_place(extra)
    length_m = place.speed * seconds
    density = float(rng.beta(1.3, 1.3))
    road = _draw_road(rng, length_m, density)
    if place.kind != STREET:
        road = road_of(place, length_m, extra)
    elif place.platform == "robot":
        wide = float(extra.uniform(2.0, 4.2))
        road = replace(road, right=replace(road.right, sidewalk_m=wide))
    is_hilly = terrain == "varied"
    autumn = bool(rng.random() < 0.3)
    street = Street(rng, road, length_m, density, autumn, is_hilly=is_hilly)
    ego_d = _furnish(street, place, extra)
    objects, plan = tuple(street.objects), road.as_array()
    if is_hilly:
        plan = with_relief(road, length_m, STYLES[place.kind], extra)
    still = [i for i, placed in enumerate(objects) if not placed.is_moving]
    moving = [i for i, placed in enumerate(objects) if placed.is_moving]
    return Scene(
        road=road,
        plan=plan,
        weather=weather,
        light=light_of(weather, rng),
        objects=objects,
        static=place_parts(road, plan, objects, assemble(objects, still), 0.0),
        moving=assemble(objects, moving),
        ego_d=ego_d,
        ego_speed=place.speed,
        length_m=length_m,
        ride=draw_ride(extra, seconds) if is_hilly else RIGID,
        place=place.kind,
        platform=place.platform,
    )


def _furnish(street: Street, place: Place, extra: np.random.Generator) -> float:
    """Place all objects; return d of the path of the ego vehicle, metres."""
    road = street.road
    if place.kind == STREET and place.platform != "robot":
        ego_lane = int(street.rng.integers(road.num_lanes))
        _furnish_street(street, ego_lane, place.speed)
        return lane_center(street, 1, ego_lane)
    has_sidewalk = max(road.left.sidewalk_m, road.right.sidewalk_m) > 1.0
    ego_d = float(extra.uniform(-0.3, 0.3)) * road.lanes_end
    if place.platform == "robot" and has_sidewalk and place.kind != PARK:
        ego_d = sidewalk_middle(road, extra)
    elif place.kind == LANE:
        ego_d = -0.45 * road.lanes_end
    elif place.kind == CAR_PARK:
        ego_d = float(extra.uniform(-1.2, 1.2))
    elif place.kind != YARD:
        ego_d = float(extra.uniform(-0.2, 0.2))
    half = 1.0 if place.platform == "robot" else 1.7
    ahead = 10 if place.platform == "robot" else 16
    street.keep_clear(ego_d, half, ahead)
    if place.kind == STREET:
        _furnish_street(street, NO_LANE, place.speed)
    else:
        _FURNISHERS[place.kind](street)
    return ego_d


def _furnish_street(street: Street, ego_lane: int, speed: float) -> None:
    place_rare_objects(street)
    furnish_street(street)
    walk_people(street)
    fill_lanes(street, ego_lane, speed)


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
