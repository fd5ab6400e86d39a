"""Places beyond the multi-lane street: which one a scene shows, its road, ground and platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from clip2scene_core.world.layout.road import (
    ASPHALT,
    GRASS,
    ISLAND,
    NO_CROSSING,
    PAVING,
    Road,
    Side,
)
from clip2scene_core.world.layout.terrain import DIRT, GRAVEL, SLABS, TARMAC, TILES, GroundStyle

STREET: Final = "street"
LANE: Final = "residential lane"
PARK: Final = "park"
TRACK: Final = "track"
YARD: Final = "yard"
CAR_PARK: Final = "car park"

SHARES: Final = {STREET: 0.32, LANE: 0.15, PARK: 0.2, TRACK: 0.12, YARD: 0.1, CAR_PARK: 0.11}
"""Share of each place in a mixed world."""

STYLES: Final = {
    STREET: GroundStyle(0.085, 0.02, 3.0, 0.12, 1.3, 0.018, 0.15, 0.16),
    LANE: GroundStyle(
        0.1, 0.02, 2.5, 0.12, 0.8, 0.025, 0.4, 0.12, (TARMAC, TARMAC, TARMAC, SLABS, TILES),
        has_marks=False,
    ),
    PARK: GroundStyle(
        0.08, 0.012, 3.5, 0.15, 1.0, 0.015, 0.75, 0.06,
        path_covers=(TILES, TARMAC, TARMAC, SLABS, GRAVEL), has_marks=False,
    ),
    TRACK: GroundStyle(
        0.12, 0.03, 4.5, 0.22, 1.4, 0.06, 1.0, 0.0, (GRAVEL, GRAVEL, DIRT), has_marks=False
    ),
    YARD: GroundStyle(
        0.025, 0.012, 1.0, 0.1, 0.8, 0.03, 0.7, 0.14, (TARMAC, TARMAC, SLABS, GRAVEL),
        has_marks=False,
    ),
    CAR_PARK: GroundStyle(
        0.035, 0.012, 1.5, 0.1, 0.8, 0.02, 0.4, 0.13, (TARMAC, TARMAC, TARMAC, SLABS),
        has_marks=False, bay_m=2.6,
    ),
}  # fmt: skip
"""Ground of each place."""

_ROBOT_SHARES: Final = {STREET: 0.25, LANE: 0.25, PARK: 0.9, TRACK: 0.1, YARD: 0.1, CAR_PARK: 0.2}
_TRUCK_SHARES: Final = {STREET: 0.12, LANE: 0.0, PARK: 0.0, TRACK: 0.15, YARD: 0.4, CAR_PARK: 0.0}
_SPEEDS: Final = {
    STREET: (5.0, 12.0), LANE: (2.5, 7.0), PARK: (1.5, 4.0), TRACK: (2.0, 7.0), YARD: (1.0, 4.0),
    CAR_PARK: (1.5, 4.0),
}  # fmt: skip
ROBOT_SPEED: Final = (0.7, 2.5)


@dataclass(frozen=True)
class Place:
    """What a scene shows, and what carries its sensors.

    Attributes:
        kind: Key of STYLES.
        platform: "car", "truck" or "robot".
        speed: Speed of the ego vehicle, metres per second.
    """

    kind: str
    platform: str
    speed: float


def draw_place(rng: np.random.Generator) -> Place:
    """Draw a place of a mixed world."""
    kinds = tuple(SHARES)
    kind = kinds[int(rng.choice(len(kinds), p=tuple(SHARES.values())))]
    choice = rng.random()
    platform = "car"
    if choice < _ROBOT_SHARES[kind]:
        platform = "robot"
    elif choice > 1 - _TRUCK_SHARES[kind]:
        platform = "truck"
    speed = rng.uniform(*(ROBOT_SPEED if platform == "robot" else _SPEEDS[kind]))
    return Place(kind, platform, float(speed))


def road_of(place: Place, length_m: float, rng: np.random.Generator) -> Road:
    """Draw the road of a place that is not a street.

    A footpath is a median of PAVING without lanes; a yard or car park is a very wide lane.

    Args:
        place: What the scene shows.
        length_m: Length of the path of the ego vehicle, metres.
        rng: Generator of the road.
    """
    sharpest = min(1 / 100, 2.2 / (length_m + 220))
    is_robot = place.platform == "robot"
    if place.kind == LANE:
        sides = [_side(rng, parking=0.35, sidewalk=1.0 if is_robot else 0.5, plaza=0.1)
                 for _ in range(2)]  # fmt: skip
        return _road(rng, sharpest, rng.uniform(1.8, 2.6), sides)
    if place.kind == PARK:
        narrowest = 1.6 if not is_robot else 0.9
        half = float(rng.uniform(narrowest, 2.6))
        sides = [_side(rng, parking=0.0, sidewalk=0.2, plaza=0.15, verge=0.9) for _ in range(2)]
        return _road(rng, sharpest, 3.0, sides, median_half_m=half)
    if place.kind == TRACK:
        sides = [_side(rng, parking=0.0, sidewalk=0.0, plaza=0.0) for _ in range(2)]
        return _road(rng, sharpest, rng.uniform(1.3, 2.2), sides)
    if place.kind == YARD:
        sides = [_side(rng, parking=0.0, sidewalk=0.3, plaza=0.4) for _ in range(2)]
        return _road(rng, 0.3 * sharpest, rng.uniform(7.0, 17.0), sides)
    sides = [_side(rng, parking=0.0, sidewalk=0.4, plaza=0.15) for _ in range(2)]
    # Whole rows of bays: 3 m of aisle and 5 m of bays, or 10 m and the next aisle, and so on.
    rows = (8.0, 13.0, 24.0, 29.0)
    return _road(rng, 0.0, rows[int(rng.integers(len(rows)))], sides)


def _road(
    rng: np.random.Generator, sharpest: float, lane_m: float, sides: list[Side],
    median_half_m: float = 0.0,
) -> Road:  # fmt: skip
    curvature = float(rng.uniform(-sharpest, sharpest)) if rng.random() < 0.7 else 0.0
    return Road(
        curvature=curvature,
        median_half_m=median_half_m,
        lane_m=float(lane_m),
        num_lanes=0 if median_half_m > 0 else 1,
        left=sides[0],
        right=sides[1],
        median_surface=PAVING,
        crossing_s=NO_CROSSING,
        crossing_half_m=3.0,
        texture_seed=int(rng.integers(1, 1000)),
    )


def _side(
    rng: np.random.Generator, parking: float, sidewalk: float, plaza: float, verge: float = 0.35
) -> Side:
    """Draw the bands of a side; parking, sidewalk, plaza and verge are probabilities."""
    has_walk = rng.random() < sidewalk
    return Side(
        parking_m=float(rng.uniform(2.0, 2.3)) if rng.random() < parking else 0.0,
        verge_m=float(rng.uniform(0.8, 5.0)) if has_walk and rng.random() < verge else 0.0,
        sidewalk_m=float(rng.uniform(1.3, 3.0)) if has_walk else 0.0,
        parking_surface=ASPHALT,
        verge_surface=GRASS if rng.random() < 0.9 else ISLAND,
        outer_surface=PAVING if rng.random() < plaza else GRASS,
    )


def sidewalk_middle(road: Road, rng: np.random.Generator) -> float:
    """Road coordinate d of the middle of the wider sidewalk, metres; sides draw lots if equal."""
    widths = {side: road.ends(side)[2] - road.ends(side)[1] for side in (-1, 1)}
    side = 1 if (widths[1], rng.random()) > (widths[-1], 0.5) else -1
    _, verge, sidewalk = road.ends(side)
    return side * (verge + sidewalk) / 2
