"""Place the objects of a narrow residential lane."""

from __future__ import annotations

import math

from clip2scene_core.world.layout.outdoors import scatter
from clip2scene_core.world.layout.street import Street
from clip2scene_core.world.layout.traffic import walk_people
from clip2scene_core.world.layout.worksite import place_some_rare_objects
from clip2scene_core.world.objects.catalogue import (
    a_barrier,
    a_bicycle,
    a_building,
    a_bush,
    a_car,
    a_cone,
    a_hedge,
    a_motorcycle,
    a_pole,
    a_trailer,
    a_tree,
    a_truck,
    a_wall,
)


def furnish_lane(street: Street) -> None:
    """Place houses with gardens, parked cars, bins, hedges, people and little traffic."""
    place_some_rare_objects(street, 0.6)
    for side in (-1, 1):
        _park_cars(street, side)
        edge = street.road.ends(side)[2]
        s = street.s_low + street.between(0, 12)
        while s < street.s_high:
            yaw = 0.0 if side > 0 else math.pi
            street.try_put(a_pole(street.rng), s, side * (edge + 0.35), yaw, margin=0.05)
            s += street.between(12, 30)
        s = street.s_low
        while s < street.s_high:
            length = street.between(8, 17)
            _lot(street, side, s + length / 2, length)
            s += length + street.between(1, 6)
        scatter(street, side, edge + 9, 20, 0.8)
    _rare_objects(street)
    walk_people(street)
    if street.road.lanes_end > 2.1 and street.draw_bool(0.8):
        s = street.length_m + street.between(15, 50)
        d = 0.55 * street.road.lanes_end
        street.put(a_car(street.rng), s, d, math.pi, (-street.between(2, 7), 0.0))
    if street.draw_bool(0.4):
        s, d = street.between(10, 30), -0.6 * street.road.lanes_end
        street.put(a_bicycle(street.rng, ridden=True), s, d, 0.0, (street.between(3, 5), 0.0))


def _park_cars(street: Street, side: int) -> None:
    parking, _, _ = street.road.ends(side)
    has_strip = parking - street.road.lanes_end > 1.8
    fill = street.between(0.2, 0.6) if has_strip else street.between(0.0, 0.15)
    d = side * (parking - 1.05 if has_strip else street.road.lanes_end + 0.75)
    s = street.s_low
    while s < street.s_high:
        if street.draw_bool(fill):
            yaw = math.pi if (side > 0) != street.draw_bool(0.15) else 0.0
            looks = a_car(street.rng)
            if street.draw_bool(0.05):
                looks = a_motorcycle(street.rng, ridden=False)
            street.try_put(looks, s, d, yaw, margin=0.2)
        s += 5.8


def _lot(street: Street, side: int, s: float, length: float) -> None:
    """Place a house with a front garden, or a garden alone."""
    rng, edge = street.rng, street.road.ends(side)[2]
    setback = street.between(0.4, 6.5)
    front = side * (edge + 0.35 + street.between(0, 0.3))
    if setback > 1.6:
        k = s - length / 2
        is_hedge, has_border = street.draw_bool(0.5), street.draw_bool(0.75)
        while has_border and k < s + length / 2 - 3.0:
            looks = a_hedge(rng, 3.0, street.autumn) if is_hedge else a_wall(rng, 3.0)
            street.try_put(looks, k + 1.5, front, margin=0.0)
            k += 3.05
    if street.draw_bool(0.8):
        depth = street.between(7, 11)
        house = a_building(rng, length * 0.85, depth, int(rng.integers(1, 4)))
        yaw = 0.0 if side > 0 else math.pi
        street.try_put(house, s, side * (edge + 0.6 + setback + depth / 2), yaw, margin=0.0)
    if setback > 4.5 and street.draw_bool(0.4):
        d = side * (edge + 3.2)
        street.try_put(a_car(rng), s + street.between(-3, 3), d, math.pi / 2, margin=0.2)
    for _ in range(int(rng.integers(1, 5))):
        where = s + street.between(-0.5, 0.5) * length
        d = side * (edge + street.between(1.0, max(1.5, setback)))
        if street.draw_bool(0.25):
            tree = a_tree(rng, street.between(3.5, 6.0), street.autumn)
            street.try_put(tree, where, d + side * 1.2, margin=0.2)
        else:
            street.try_put(a_bush(rng, street.autumn), where, d)


def _rare_objects(street: Street) -> None:
    """Place a few cones, barriers, two-wheelers, a truck or a trailer beside the lane."""
    rng = street.rng
    for _ in range(10):
        draws = (
            lambda one: a_cone(one, "orange"), lambda one: a_barrier(one, "crowd", "silver"),
            lambda one: a_barrier(one, "plank", "red"), lambda one: a_bicycle(one, ridden=False),
            lambda one: a_bicycle(one, ridden=False), lambda one: a_motorcycle(one, ridden=False),
            lambda one: a_trailer(one, "car"), a_truck,
        )  # fmt: skip
        looks = draws[int(rng.integers(len(draws)))](rng)
        side = 1 if street.draw_bool(0.5) else -1
        s = street.between(6, street.length_m + 35)
        yaw = (math.pi if side > 0 else 0.0) + street.between(-0.1, 0.1)
        d = street.road.lanes_end + looks.size[1] / 2 + 0.1
        street.try_put(looks, s, side * d, yaw, margin=0.1)
