"""Objects of rare classes near the ego path, so that the scores of these classes are reliable."""

from __future__ import annotations

import math
from collections.abc import Callable

from clip2scene_core.world.layout.street import Street
from clip2scene_core.world.objects.catalogue import (
    a_barrier,
    a_bicycle,
    a_bus,
    a_cone,
    a_machine,
    a_motorcycle,
    a_person,
    a_shelter,
    a_tractor,
    a_trailer,
    a_truck,
)
from clip2scene_core.world.objects.looks import Looks

PRESENCE = 0.95
"""Probability that a scene has a rare kind near the ego path."""

NUM_TRIES = 30
"""Number of places that are tried for a rare object."""

BARRIER_STYLES = (
    ("jersey", ("grey", "beige", "white", "silver")),
    ("plastic", ("red", "white", "orange", "yellow", "blue")),
    ("plank", ("orange", "red", "white", "yellow")),
    ("crowd", ("silver", "grey")),
    ("rail", ("silver",)),
)
CONE_COLORS = ("orange", "orange", "orange", "red", "yellow", "green")


def place_rare_objects(street: Street) -> None:
    """Place work sites, bus stops, two-wheelers, trailers, barriers and cones near the ego path."""
    placers: tuple[Callable[[Street], None], ...] = (
        _work_site, _bus_stop, _trailer_place, _barrier_row, _bicycles, _cone_row, _motorcycles,
    )  # fmt: skip
    repeats = 1 + int(street.length_m / 90)
    for placer in placers:
        for _ in range(repeats):
            if street.draw_bool(PRESENCE):
                placer(street)


def place_some_rare_objects(street: Street, presence: float) -> None:
    """Place a work site, barriers, cones and two-wheelers beside a path without bus stops.

    Args:
        street: Where to place them.
        presence: Probability of each kind.
    """
    for placer in (_work_site, _barrier_row, _bicycles, _cone_row, _motorcycles):
        if street.draw_bool(presence):
            placer(street)


def _beside(street: Street, depth: float) -> tuple[float, float, int]:
    """Draw a place beside the lanes: s, d of the centre of a strip of this depth, and its side."""
    side = 1 if street.draw_bool(0.45) else -1
    d = side * (street.road.lanes_end + street.between(0.4, 1.2) + depth / 2)
    # Large objects are visible from far away, so near places are for small objects. At a near place
    # a large object fills the LiDAR's view, and its share of the points is far above nuScenes'.
    if depth > 2.5:
        return street.length_m + street.between(11, 36), d, side
    return street.between(2, street.length_m + 20), d, side


def _try_somewhere(street: Street, looks: Looks, depth: float, yaw: float | None = None) -> None:
    for _ in range(NUM_TRIES):
        s, d, side = _beside(street, depth)
        heading = (0.0 if side < 0 else math.pi) if yaw is None else yaw
        if street.try_put(looks, s, d, heading):
            return


def _work_site(street: Street) -> None:
    """Place a machine with workers behind cones or barriers."""
    rng = street.rng
    machine = a_machine(rng)
    for _ in range(NUM_TRIES):
        s, d, side = _beside(street, 4.6)
        if street.is_free(s, d, 13.0, 4.8):
            break
    else:
        return
    street.put(
        machine,
        s,
        d + side * 0.3,
        street.between(-0.5, 0.5) + (math.pi if street.draw_bool(0.5) else 0),
    )
    for _ in range(int(rng.integers(1, 3))):
        where = s + street.between(4.2, 6.0), d + street.between(-1.3, 1.6)
        street.put(a_person(rng, "worker"), *where, street.between(0, 6.28))
    edge = d - side * 2.55
    if street.draw_bool(0.5):
        _row(street, (s, edge), 12.0, street.between(1.8, 3.0))
    else:
        _segments(street, (s, edge), 12.0)
    if street.draw_bool(0.5):
        street.put(a_truck(rng), s - 14.0, d + side * 0.2, 0.0 if side < 0 else math.pi)
        street.occupy(s - 14.0, d, 10.0, 4.0)
    street.occupy(s, d, 13.5, 5.0)


def _row(street: Street, place: tuple[float, float], length: float, step: float) -> None:
    """Place cones in a row along the road."""
    color = CONE_COLORS[int(street.rng.integers(len(CONE_COLORS)))]
    for k in range(int(length / step) + 1):
        s = place[0] - length / 2 + k * step
        street.put(a_cone(street.rng, color), s, place[1] + street.between(-0.12, 0.12))


def _segments(street: Street, place: tuple[float, float], length: float) -> None:
    """Place barrier segments end to end along the road."""
    rng = street.rng
    style, colors = BARRIER_STYLES[int(rng.integers(len(BARRIER_STYLES)))]
    names = [colors[int(rng.integers(len(colors)))] for _ in range(2)]
    s, k = place[0] - length / 2, 0
    while s < place[0] + length / 2:
        segment = a_barrier(rng, style, names[k % 2])
        street.put(segment, s + segment.size[0] / 2, place[1], street.between(-0.04, 0.04))
        s, k = s + segment.size[0] + 0.05, k + 1


def _barrier_row(street: Street) -> None:
    length = street.between(3.5, 7.5)
    if street.road.median_half_m > 0.6 and street.draw_bool(0.4):
        s = street.between(5, street.length_m + 20)
        if street.is_free(s, 0.0, length, 0.8):
            _segments(street, (s, 0.0), length)
            street.occupy(s, 0.0, length, 0.9)
            return
    for _ in range(NUM_TRIES):
        s, d, _ = _beside(street, 0.6)
        if street.is_free(s, d, length, 0.9):
            _segments(street, (s, d), length)
            street.occupy(s, d, length + 0.5, 0.9)
            return


def _cone_row(street: Street) -> None:
    length = street.between(5, 11)
    for _ in range(NUM_TRIES):
        s, d, _ = _beside(street, 0.5)
        if street.is_free(s, d, length, 0.6):
            _row(street, (s, d), length, street.between(2.2, 4.0))
            street.occupy(s, d, length + 0.5, 0.7)
            return


def _bus_stop(street: Street) -> None:
    rng = street.rng
    for _ in range(NUM_TRIES):
        s, d, side = _beside(street, 2.9)
        if not street.is_free(s, d, 13.5, 3.0):
            continue
        street.put(a_bus(rng), s, d, 0.0 if side < 0 else math.pi)
        street.occupy(s, d, 13.5, 3.2)
        behind = d + side * 3.2
        if street.is_free(s, behind, 5.0, 1.8):
            street.put(a_shelter(), s, behind, 0.0 if side > 0 else math.pi)
            street.occupy(s, behind, 5.0, 1.8)
            for _ in range(int(rng.integers(1, 5))):
                where = s + street.between(-3, 3), behind - side * street.between(0.8, 1.3)
                street.put(a_person(rng), *where, street.between(0, 6.28))
        return


def _trailer_place(street: Street) -> None:
    rng = street.rng
    if street.draw_bool(0.45):
        _try_somewhere(street, a_trailer(rng, "car"), 2.2)
        return
    looks = a_trailer(rng, "semi")
    if street.draw_bool(0.6):
        _try_somewhere(street, looks, 2.9)
        return
    for _ in range(NUM_TRIES):
        s, d, side = _beside(street, 2.9)
        if street.is_free(s, d, 18.5, 3.0):
            sign, yaw = (1, 0.0) if side < 0 else (-1, math.pi)
            street.put(looks, s - sign * 1.5, d, yaw)
            street.put(a_tractor(rng), s - sign * 1.5 + sign * (looks.size[0] / 2 + 0.9), d, yaw)
            street.occupy(s, d, 18.5, 3.2)
            return


def _motorcycles(street: Street) -> None:
    for _ in range(int(street.rng.integers(1, 3))):
        looks = a_motorcycle(street.rng, ridden=street.draw_bool(0.25))
        _try_somewhere(street, looks, street.between(1.2, 3.5), street.between(0, 2 * math.pi))


def _bicycles(street: Street) -> None:
    """Place parked bicycles side by side, and sometimes a cyclist on the sidewalk."""
    rng = street.rng
    if street.draw_bool(0.25):
        s, d, side = _beside(street, street.between(1.0, 2.5))
        street.put(a_bicycle(rng, ridden=True), s, d, 0.0 if side < 0 else math.pi,
                   (street.between(3, 5) * -side, 0.0))  # fmt: skip
    count = int(rng.integers(1, 3))
    for _ in range(NUM_TRIES):
        s, d, _ = _beside(street, 2.2)
        if street.is_free(s + 0.4 * count, d, 0.9 * count + 1.0, 2.0):
            yaw = math.pi / 2 + street.between(-0.4, 0.4)
            for k in range(count):
                street.put(a_bicycle(rng, ridden=False), s + 0.85 * k, d, yaw)
            street.occupy(s + 0.4 * count, d, 0.9 * count + 1.0, 2.0)
            return
