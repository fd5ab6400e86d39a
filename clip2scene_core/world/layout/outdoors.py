"""Place the objects of a park and of a track through open country."""

from __future__ import annotations

import math

from clip2scene_core.world.layout.street import Street
from clip2scene_core.world.layout.worksite import place_some_rare_objects
from clip2scene_core.world.objects.catalogue import (
    a_bench,
    a_bicycle,
    a_building,
    a_bush,
    a_car,
    a_hedge,
    a_lamp,
    a_machine,
    a_person,
    a_pole,
    a_tractor,
    a_trailer,
    a_tree,
    a_truck,
    a_wall,
)

FAR_M = 45.0
"""Trees and bushes stand up to this far beside a path."""


def furnish_park(street: Street) -> None:
    """Place trees, benches, lamps, bushes, people and bicycles along a footpath."""
    place_some_rare_objects(street, 0.45)
    reach = street.length_m + 70
    far_side = 1 if street.draw_bool(0.5) else -1
    for side in (-1, 1):
        edge = street.road.ends(side)[2]
        _along_path(street, side, edge)
        if street.draw_bool(0.35 + 0.4 * street.density):
            _campus_buildings(street, side, edge + street.between(6, 25))
        if street.draw_bool(0.3):
            _hedge_line(street, side, edge + street.between(1.2, 4.0))
        scatter(street, side, edge, int(reach * street.between(0.12, 0.5)), 0.65)
    for _ in range(int(street.between(2, 6 + reach / 10))):
        _visitor(street, reach)
    for _ in range(int(street.between(0, 4))):
        _put_bicycle(street, reach)
    if street.draw_bool(0.5):
        side = far_side
        d = side * (street.road.ends(side)[2] + street.between(3.0, 18.0))
        for looks in (a_car(street.rng), a_car(street.rng), a_truck(street.rng)):
            s = street.between(5, reach)
            street.try_put(looks, s, d, street.between(0, 2 * math.pi), margin=0.5)


def _along_path(street: Street, side: int, edge: float) -> None:
    """Place benches, lamps and bins beside the path, turned towards it."""
    s = street.s_low + street.between(0, 15)
    while s < street.s_high:
        looks = (a_lamp, a_bench, a_pole, a_bench)[int(street.rng.integers(4))](street.rng)
        yaw = 0.0 if side > 0 else math.pi
        street.try_put(looks, s, side * (edge + street.between(0.5, 1.1)), yaw, margin=0.1)
        s += street.between(7, 24)
    if street.draw_bool(0.5):
        s, step = street.s_low + street.between(0, 8), street.between(6, 13)
        offset = side * (edge + street.between(2.0, 4.5))
        while s < street.s_high:
            tree = a_tree(street.rng, street.between(6, 11), street.autumn)
            street.try_put(tree, s, offset, margin=0.0)
            s += step


def _hedge_line(street: Street, side: int, offset: float) -> None:
    s = street.between(street.s_low, 10)
    end = s + street.between(15, 60)
    while s < end:
        length = street.between(4, 6)
        street.try_put(a_hedge(street.rng, length, street.autumn), s, side * offset, margin=0.0)
        s += length + (street.between(2, 6) if street.draw_bool(0.15) else 0.05)


def _campus_buildings(street: Street, side: int, setback: float) -> None:
    s = street.s_low + street.between(0, 40)
    while s < street.s_high:
        length, depth = street.between(14, 34), street.between(10, 16)
        building = a_building(street.rng, length, depth, int(street.rng.integers(1, 6)))
        yaw = 0.0 if side > 0 else math.pi
        street.try_put(building, s, side * (setback + depth / 2), yaw, margin=1.0)
        s += length + street.between(6, 45)


def _visitor(street: Street, reach: float) -> None:
    """Place a person, or two beside each other, on the path or beside it."""
    s = street.between(-25, reach)
    inner = street.road.lanes_end
    on_path = street.draw_bool(0.65)
    wide = inner - 0.3 if on_path else inner + street.between(1.0, 12.0)
    d = street.between(-wide, wide)
    walks = street.draw_bool(0.7)
    pace = street.between(0.7, 1.6) * (1 if street.draw_bool(0.5) else -1)
    for member in range(2 if street.draw_bool(0.3) else 1):
        role = "child" if street.draw_bool(0.2) else "adult"
        yaw = (0.0 if pace > 0 else math.pi) if walks else street.between(0, 2 * math.pi)
        if street.is_free(s, d + 0.7 * member, 1.2, 0.6):
            speed = pace if walks else 0.0
            street.put(a_person(street.rng, role), s, d + 0.7 * member, yaw, (speed, 0.0))


def _put_bicycle(street: Street, reach: float) -> None:
    """Place a parked bicycle beside the path, or a cyclist on it."""
    s, side = street.between(4, reach), 1 if street.draw_bool(0.5) else -1
    if street.draw_bool(0.4):
        d = side * max(0.8, street.road.lanes_end - 0.6)
        pace = street.between(2.5, 5.0) * (1 if side < 0 else -1)
        if street.is_free(s, d, 2.0, 0.7):
            yaw = 0.0 if pace > 0 else math.pi
            street.put(a_bicycle(street.rng, ridden=True), s, d, yaw, (pace, 0.0))
        return
    d = side * (street.road.ends(side)[2] + street.between(0.4, 1.4))
    street.try_put(a_bicycle(street.rng, ridden=False), s, d, street.between(0, 6.28), margin=0.1)


def scatter(street: Street, side: int, edge: float, count: int, trees: float) -> None:
    """Scatter trees and bushes over the ground beside a road; they get sparser with distance.

    Args:
        street: Where to place them.
        side: +1 left, -1 right.
        edge: |d| where the ground begins, metres.
        count: Number of tries.
        trees: Share of trees.
    """
    for _ in range(count):
        s = street.between(street.s_low, street.s_high)
        d = side * (edge + 1.2 + (FAR_M - edge) * float(street.rng.beta(1.0, 1.8)))
        if street.draw_bool(trees):
            # A crown must not reach over the path, where the cameras are.
            height = street.between(3.5, min(13.0, 4.5 + 1.8 * (abs(d) - edge)))
            street.try_put(a_tree(street.rng, height, street.autumn), s, d, margin=0.5)
        else:
            street.try_put(a_bush(street.rng, street.autumn), s, d)


def furnish_track(street: Street) -> None:
    """Place bushes, trees, fences and a few vehicles along a track through open country."""
    place_some_rare_objects(street, 0.35)
    reach, wooded = street.length_m + 60, street.between(0.1, 1.0)
    for side in (-1, 1):
        edge = street.road.lanes_end
        for _ in range(int(reach * street.between(0.1, 0.5))):
            s = street.between(street.s_low, street.s_high)
            looks = a_bush(street.rng, street.autumn)
            street.try_put(looks, s, side * (edge + street.between(1.0, 5.0)), margin=0.1)
        scatter(street, side, edge + 1.0, int(reach * wooded), 0.4 + 0.4 * wooded)
        if street.draw_bool(0.35):
            _fence_line(street, side, edge + street.between(1.5, 5.0))
    for _ in range(int(street.between(1, 4))):
        side = 1 if street.draw_bool(0.5) else -1
        looks = (
            a_car(street.rng), a_car(street.rng), a_truck(street.rng), a_machine(street.rng),
            a_trailer(street.rng, "car"), a_tractor(street.rng),
        )[int(street.rng.integers(6))]  # fmt: skip
        s, d = street.between(8, reach), street.road.lanes_end + street.between(1.8, 6.0)
        street.try_put(looks, s, side * d, street.between(-0.4, 0.4) + math.pi * (side > 0))
    if street.draw_bool(0.3):
        speed = -street.between(2, 6)
        s = street.length_m + street.between(30, 60)
        street.put(a_car(street.rng), s, street.road.lanes_end - 0.5, math.pi, (speed, 0.0))
    for _ in range(int(street.between(0, 5))):
        _visitor(street, reach)
    if street.draw_bool(0.4):
        side = 1 if street.draw_bool(0.5) else -1
        barn = a_building(street.rng, street.between(9, 20), street.between(7, 11), 1)
        d = side * street.between(16, 35)
        street.try_put(barn, street.between(0, reach), d, street.between(0, 6.28), margin=1.0)


def _fence_line(street: Street, side: int, offset: float) -> None:
    s = street.s_low
    end = street.s_high - street.between(0, 40)
    while s < end:
        street.try_put(a_wall(street.rng, 5.0), s, side * offset, margin=0.0)
        s += 5.1 if street.draw_bool(0.9) else 15.0
