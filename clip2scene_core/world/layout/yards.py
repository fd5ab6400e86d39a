"""Place the objects of a work yard and of a car park."""

from __future__ import annotations

import math

from clip2scene_core.world.layout.outdoors import scatter
from clip2scene_core.world.layout.street import Street
from clip2scene_core.world.layout.worksite import BARRIER_STYLES, CONE_COLORS
from clip2scene_core.world.objects.catalogue import (
    a_barrier,
    a_building,
    a_bus,
    a_bush,
    a_car,
    a_cone,
    a_hedge,
    a_lamp,
    a_machine,
    a_motorcycle,
    a_person,
    a_pole,
    a_tractor,
    a_trailer,
    a_tree,
    a_truck,
    a_wall,
)

AISLE_HALF_M = 3.0
BAY_DEPTH_M = 5.0
BAY_M = 2.6
"""Half the width of an aisle of a car park, and the size of a bay, metres."""


def furnish_yard(street: Street) -> None:
    """Place trucks, trailers, machines, barriers, cones, people and halls on a work yard."""
    for side in (-1, 1):
        edge = street.road.ends(side)[2]
        if street.draw_bool(0.65):
            _halls(street, side, edge + street.between(1.0, 6.0))
        else:
            _walls(street, side, edge + street.between(0.6, 2.0))
            scatter(street, side, edge + 2.5, int(street.length_m * 0.3 + 25), 0.6)
    wide = street.road.lanes_end
    for _ in range(int(street.between(5, 10 + wide))):
        _put_heavy(street, wide)
    for _ in range(int(street.between(2, 6))):
        _row(street, wide)
    for _ in range(int(street.between(2, 8))):
        s, d = street.between(-20, street.length_m + 45), street.between(-wide, wide)
        role = "worker" if street.draw_bool(0.6) else "adult"
        pace = street.between(-1.4, 1.4) if street.draw_bool(0.5) else 0.0
        yaw = street.between(0, 6.28) if pace == 0 else (0.0 if pace > 0 else math.pi)
        if street.is_free(s, d, 1.0, 1.0):
            street.put(a_person(street.rng, role), s, d, yaw, (pace, 0.0))


def _put_heavy(street: Street, wide: float) -> None:
    """Place one vehicle or a pile anywhere on the yard, often parallel to its edge."""
    rng = street.rng
    draws = (
        a_truck, a_truck, a_tractor, a_machine, a_machine, a_bus, a_car, a_car, a_pole,
        lambda one: a_trailer(one, "semi"), lambda one: a_trailer(one, "car"),
    )  # fmt: skip
    looks = draws[int(rng.integers(len(draws)))](rng)
    quarter = math.pi / 2 * int(rng.integers(4))
    yaw = (
        quarter + street.between(-0.15, 0.15) if street.draw_bool(0.8) else street.between(0, 6.28)
    )
    for _ in range(6):
        s, d = street.between(-40, street.length_m + 60), street.between(-wide, wide)
        if street.try_put(looks, s, d, yaw, margin=0.5):
            return


def _row(street: Street, wide: float) -> None:
    """Place a row of cones or barriers along the yard."""
    rng = street.rng
    style, colors = BARRIER_STYLES[int(rng.integers(len(BARRIER_STYLES)))]
    cone_color = CONE_COLORS[int(rng.integers(len(CONE_COLORS)))]
    is_cones = street.draw_bool(0.5)
    s, d = street.between(0, street.length_m + 25), street.between(-wide, wide)
    for _ in range(int(rng.integers(3, 7))):
        if is_cones:
            looks, step = a_cone(rng, cone_color), street.between(1.5, 3.0)
        else:
            looks = a_barrier(rng, style, colors[int(rng.integers(len(colors)))])
            step = looks.size[0] + 0.1
        street.try_put(looks, s + step / 2, d, margin=0.0)
        s += step


def _halls(street: Street, side: int, setback: float) -> None:
    s = street.s_low
    while s < street.s_high:
        length, depth = street.between(18, 45), street.between(12, 22)
        hall = a_building(street.rng, length, depth, int(street.rng.integers(2, 4)))
        yaw = 0.0 if side > 0 else math.pi
        street.try_put(hall, s + length / 2, side * (setback + depth / 2), yaw, margin=0.0)
        s += length + street.between(1, 25)


def _walls(street: Street, side: int, offset: float) -> None:
    s = street.s_low
    while s < street.s_high:
        street.try_put(a_wall(street.rng, 6.0), s, side * offset, margin=0.0)
        s += 6.1 if street.draw_bool(0.93) else 14.0


def furnish_car_park(street: Street) -> None:
    """Place rows of parked cars, lamps, hedges, people and a few trees on a car park."""
    wide, fill = street.road.lanes_end, street.between(0.25, 0.85)
    for looks in (a_machine(street.rng), a_bus(street.rng)):
        if street.draw_bool(0.3):
            s, d = street.between(8, street.length_m + 30), street.between(5, wide)
            street.try_put(looks, s, d * (1 if street.draw_bool(0.5) else -1))
    if street.draw_bool(0.6):
        _row(street, wide)
    period = 2 * (AISLE_HALF_M + BAY_DEPTH_M)
    for side in (-1, 1):
        offset = AISLE_HALF_M + BAY_DEPTH_M / 2
        while offset < wide:
            _bay_row(street, side * offset, fill)
            # The next row stands back to back with this one, or across the next aisle.
            is_first = (offset + AISLE_HALF_M) % period < AISLE_HALF_M * 2 + BAY_DEPTH_M
            offset += BAY_DEPTH_M if is_first else BAY_DEPTH_M + 2 * AISLE_HALF_M
        edge = street.road.ends(side)[2]
        _border(street, side, edge)
    for _ in range(int(street.between(2, 8))):
        s, d = street.between(-20, street.length_m + 40), street.between(-wide, wide)
        pace = street.between(-1.4, 1.4)
        if street.is_free(s, d, 1.0, 1.0):
            yaw = 0.0 if pace > 0 else math.pi
            street.put(a_person(street.rng), s, d, yaw, (pace, 0.0))
    if street.draw_bool(0.5):
        s = street.length_m + street.between(20, 40)
        street.put(a_car(street.rng), s, 1.4, math.pi, (-street.between(1, 3), 0.0))


def _bay_row(street: Street, d: float, fill: float) -> None:
    """Park cars in a row of bays, and stand a lamp or bush in some of them."""
    rng = street.rng
    first = math.ceil(street.s_low / BAY_M)
    for k in range(first, int(street.s_high / BAY_M)):
        s = (k + 0.0) * BAY_M
        choice = rng.random()
        yaw = math.pi / 2 * (1 if street.draw_bool(0.5) else -1) + street.between(-0.05, 0.05)
        if choice < fill:
            looks = a_car(rng)
            if choice < 0.03 * fill:
                looks = a_motorcycle(rng, ridden=False)
            elif choice < 0.06 * fill:
                looks = a_trailer(rng, "car")
            street.try_put(looks, s, d + street.between(-0.2, 0.2), yaw, margin=0.05)
        elif choice > 0.985:
            street.try_put(a_lamp(rng), s, d, margin=0.0)
        elif choice > 0.97:
            street.try_put(a_bush(rng, street.autumn), s, d, margin=0.0)
        elif choice > 0.96:
            street.try_put(a_cone(rng, "orange"), s, d, margin=0.0)


def _border(street: Street, side: int, edge: float) -> None:
    """Close the car park with a hedge, trees, or buildings behind."""
    s = street.s_low
    has_hedge = street.draw_bool(0.55)
    while s < street.s_high:
        if has_hedge:
            hedge = a_hedge(street.rng, 5.0, street.autumn)
            street.try_put(hedge, s, side * (edge + 0.9), margin=0.0)
        if street.draw_bool(0.3):
            tree = a_tree(street.rng, street.between(5, 9), street.autumn)
            street.try_put(tree, s, side * (edge + 3.5), margin=0.3)
        s += 5.05
    if street.draw_bool(0.6):
        _halls(street, side, edge + street.between(6, 18))
    scatter(street, side, edge + 3, 25, 0.7)
