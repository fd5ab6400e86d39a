"""Place the objects beside the road: lots, parked vehicles, trees, poles, the far skyline."""

from __future__ import annotations

import math

from clip2scene_core.world.layout.road import GRASS
from clip2scene_core.world.layout.street import Street
from clip2scene_core.world.objects.catalogue import (
    a_building,
    a_bush,
    a_car,
    a_hedge,
    a_motorcycle,
    a_pole,
    a_trailer,
    a_tree,
    a_truck,
    a_wall,
)
from clip2scene_core.world.objects.looks import Looks
from clip2scene_core.world.primitives.parts import ELLIPSOID, GRASS_MOUND, Part

CROWN_REACH_M = 2.6


def furnish_street(street: Street) -> None:
    """Place objects on both sides of the road."""
    for side in (-1, 1):
        _park_vehicles(street, side)
        _stand_poles(street, side)
        _build_lots(street, side)
        _plant_trees(street, side)
    _far_skyline(street)


def _park_vehicles(street: Street, side: int) -> None:
    parking, _, _ = street.road.ends(side)
    if parking - street.road.lanes_end < 1.8:
        return
    d = side * (street.road.lanes_end + parking) / 2
    s = street.s_low
    fill = street.between(0.08, 0.34)
    while s < street.s_high:
        if street.draw_bool(fill):
            choice = street.rng.random()
            looks = a_car(street.rng)
            if choice > 0.96 and not -12 < s < street.length_m + 8:
                looks = a_truck(street.rng)
            elif choice > 0.94:
                looks = a_trailer(street.rng, "car")
            elif choice > 0.91:
                looks = a_motorcycle(street.rng, ridden=False)
            flip = math.pi if (side > 0) != street.draw_bool(0.1) else 0.0
            street.try_put(looks, s, d + street.between(-0.1, 0.1), flip, margin=0.25)
        s += 6.2


def _stand_poles(street: Street, side: int) -> None:
    parking, _, _ = street.road.ends(side)
    s = street.s_low + street.between(0, 12)
    while s < street.s_high:
        d = side * (parking + 0.55)
        # The arms of lamps point to the road (local -y); signs and signals face local -x.
        yaw = 0.0 if side > 0 else math.pi
        street.try_put(a_pole(street.rng), s, d, yaw, margin=0.1)
        s += street.between(9, 22)


def _build_lots(street: Street, side: int) -> None:
    s = street.s_low
    while s < street.s_high:
        length = street.between(8, 24)
        middle = s + length / 2
        if street.draw_bool(0.15 + 0.75 * street.density):
            _building_lot(street, side, middle, length)
        else:
            _garden_lot(street, side, middle, length)
        s += length + street.between(0.5, 5)


def _building_lot(street: Street, side: int, s: float, length: float) -> None:
    _, _, sidewalk = street.road.ends(side)
    setback = (
        street.between(0.8, 2.5) if street.draw_bool(street.density) else street.between(4, 11)
    )
    depth = street.between(8, 14)
    storeys = int(street.rng.integers(1, 4 + int(5 * street.density)))
    d = side * (sidewalk + setback + depth / 2)
    looks = a_building(street.rng, length, depth, storeys)
    if street.try_put(looks, s, d, 0.0 if side > 0 else math.pi, margin=0.0) and setback > 3.5:
        front = side * (sidewalk + 0.8)
        if street.draw_bool(0.4):
            street.try_put(a_wall(street.rng, length * 0.7), s, front, margin=0.0)
        elif street.draw_bool(0.6):
            street.try_put(a_hedge(street.rng, length * 0.7, street.autumn), s, front, margin=0.0)
        for _ in range(3):
            where = s + street.between(-0.4, 0.4) * length
            street.try_put(
                a_bush(street.rng, street.autumn), where, front + side * street.between(0.8, 2.0)
            )


def _garden_lot(street: Street, side: int, s: float, length: float) -> None:
    _, _, sidewalk = street.road.ends(side)
    rng = street.rng
    edge = side * (sidewalk + street.between(0.8, 1.6))
    choice = rng.random()
    if choice < 0.25:
        street.try_put(a_wall(rng, length), s, edge, margin=0.0)
    elif choice < 0.7:
        street.try_put(a_hedge(rng, length, street.autumn), s, edge, margin=0.0)
    outer = street.road.left.outer_surface if side > 0 else street.road.right.outer_surface
    if outer == GRASS and street.draw_bool(0.6):
        wide, high = street.between(5, 11), street.between(0.5, 1.6)
        mound = Part(
            ELLIPSOID, (0, 0, -0.1), (wide, wide * 0.7, high), GRASS_MOUND, (0.16, 0.22, 0.07)
        )
        looks = Looks("terrain", "hill", "", (wide * 2, wide * 1.4, high), [mound])
        street.put(looks, s, side * (sidewalk + wide * 0.75 + 3))
    for _ in range(int(rng.integers(5, 12))):
        where = s + street.between(-0.5, 0.5) * length
        d = side * (sidewalk + street.between(2.5, 16.0))
        if street.draw_bool(0.55):
            street.try_put(
                a_tree(rng, street.between(4.5, 11), street.autumn), where, d, margin=0.8
            )
        else:
            street.try_put(a_bush(rng, street.autumn), where, d)


def _plant_trees(street: Street, side: int) -> None:
    """Place street trees; their crowns do not reach the lanes and the ego vehicle's cameras."""
    parking, _, sidewalk = street.road.ends(side)
    if not street.draw_bool(0.95):
        return
    offset = max(parking + 0.9, street.road.lanes_end + CROWN_REACH_M)
    s = street.s_low + street.between(0, 8)
    height, step = street.between(5.5, 8.5), street.between(6, 11)
    while s < street.s_high:
        if street.draw_bool(0.8):
            tall = height * street.between(0.9, 1.1)
            street.try_put(a_tree(street.rng, tall, street.autumn), s, side * offset, margin=0.0)
        s += step + street.between(-1.5, 1.5)
    while street.draw_bool(0.88):
        where = street.between(street.s_low, street.s_high)
        street.try_put(a_bush(street.rng, street.autumn), where, side * (sidewalk + 1.0))


def _far_skyline(street: Street) -> None:
    for side in (-1, 1):
        s = street.s_low - 30
        while s < street.s_high + 60:
            d = side * street.between(40, 75)
            if street.draw_bool(0.25 + 0.6 * street.density):
                length, depth = street.between(12, 26), street.between(10, 16)
                looks = a_building(street.rng, length, depth, int(street.rng.integers(2, 9)))
                street.try_put(looks, s, d, 0.0 if side > 0 else math.pi)
            elif street.draw_bool(0.5):
                street.try_put(a_tree(street.rng, street.between(7, 13), street.autumn), s, d)
            s += street.between(16, 34)
