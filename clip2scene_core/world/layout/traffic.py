"""Moving traffic: all objects of a lane have one speed, so that they do not collide."""

from __future__ import annotations

import math

from clip2scene_core.world.layout.street import Street
from clip2scene_core.world.objects.catalogue import (
    a_bicycle,
    a_bus,
    a_car,
    a_machine,
    a_motorcycle,
    a_person,
    a_tractor,
    a_trailer,
    a_truck,
)
from clip2scene_core.world.objects.looks import Looks

EGO_GAP_M = 13.0
NEAR_M = 16.0
NO_LANE = -1
"""The ego vehicle is on none of the lanes."""


def lane_center(street: Street, direction: int, lane: int) -> float:
    """Road coordinate d of a lane's centre, metres; direction +1 is towards +s, on the right."""
    road = street.road
    return -direction * (road.median_half_m + (lane + 0.5) * road.lane_m)


def fill_lanes(street: Street, ego_lane: int, ego_speed: float) -> None:
    """Fill all lanes with moving traffic, but keep free space for the ego vehicle."""
    for direction in (1, -1):
        for lane in range(street.road.num_lanes):
            is_ego = direction == 1 and lane == ego_lane
            speed = ego_speed if is_ego else street.between(5.0, 12.0)
            _fill_lane(street, (direction, lane), speed, is_ego)


def _fill_lane(street: Street, lane: tuple[int, int], speed: float, is_ego: bool) -> None:
    direction = lane[0]
    d = lane_center(street, direction, lane[1])
    yaw = 0.0 if direction > 0 else math.pi
    s = street.s_low + street.between(0, 20)
    while s < street.s_high:
        if abs(s) < NEAR_M and street.draw_bool(0.6):
            s += street.between(6, 14)
            continue
        # A truck beside the ego vehicle would hide the street from it for the whole sequence.
        convoy = [a_car(street.rng)] if abs(s) < NEAR_M else _draw_vehicle(street)
        total = sum(looks.size[0] for looks in convoy)
        s += total / 2
        if not (is_ego and abs(s) < EGO_GAP_M + total / 2):
            _put_convoy(street, convoy, (s, d, yaw), speed * direction)
        s += total / 2 + street.between(12, 24 + 40 * (1 - street.density))


def _put_convoy(
    street: Street, convoy: list[Looks], place: tuple[float, float, float], speed: float
) -> None:
    s, d, yaw = place
    sign = 1 if yaw == 0.0 else -1
    front = s + sign * sum(looks.size[0] for looks in convoy) / 2
    for looks in convoy:
        middle = front - sign * looks.size[0] / 2
        side = d
        if looks.category == "bicycle":
            side = d - sign * 0.9
        street.put(looks, middle, side + street.between(-0.2, 0.2), yaw, (speed, 0.0))
        # A semi-trailer lies on the back of its tractor.
        front = middle - sign * looks.size[0] / 2 + (sign * 1.9 if len(convoy) > 1 else 0.0)


def _draw_vehicle(street: Street) -> list[Looks]:
    rng = street.rng
    choice = rng.random()
    if choice < 0.79:
        return [a_car(rng)]
    if choice < 0.90:
        return [a_truck(rng)]
    if choice < 0.91:
        return [a_bus(rng)]
    if choice < 0.95:
        return [a_motorcycle(rng, ridden=True)]
    if choice < 0.975:
        return [a_bicycle(rng, ridden=True)]
    if choice < 0.997:
        return [a_tractor(rng), a_trailer(rng, "semi")]
    return [a_machine(rng)]


def walk_people(street: Street) -> None:
    """Place walking and standing people on sidewalks, and a few who cross the road."""
    rng = street.rng
    for side in (-1, 1):
        _, verge, sidewalk = street.road.ends(side)
        if sidewalk - verge < 0.5:
            verge, sidewalk = sidewalk, sidewalk + 2.0
        count = int((street.length_m + 80) / 100 * (3 + 11 * street.density))
        for _ in range(count):
            s = street.between(-25, street.length_m + 60)
            d = side * street.between(verge + 0.35, sidewalk - 0.3)
            for member in range(1 + int(rng.random() < 0.3)):
                role = "child" if rng.random() < 0.15 else "adult"
                walks = rng.random() < 0.7
                pace = street.between(0.8, 1.6) * (1 if rng.random() < 0.5 else -1)
                yaw = (0.0 if pace > 0 else math.pi) if walks else street.between(0, 2 * math.pi)
                if street.is_free(s, d + 0.7 * member, 1.5, 0.6):
                    street.put(a_person(rng, role), s, d + side * 0.6 * member, yaw,
                               (pace if walks else 0.0, 0.0))  # fmt: skip
    for _ in range(int(rng.integers(0, 3))):
        s = street.between(16, street.length_m + 35)
        pace = 1.2 if rng.random() < 0.5 else -1.2
        start = -pace * street.between(1.0, 5.0)
        street.put(a_person(rng), s, start, math.copysign(math.pi / 2, pace), (0.0, pace))
