"""Draw one random object of a kind, with its word and colour."""

from __future__ import annotations

import numpy as np

from clip2scene_core.world.objects import machines, people, plants, structures, vehicles
from clip2scene_core.world.objects.looks import Looks
from clip2scene_core.world.objects.palette import (
    CLOTH_COLORS,
    COLORS,
    HEAVY_COLORS,
    MACHINE_COLORS,
    VEHICLE_COLORS,
    jitter,
    pick_color,
)

CAR_STYLES = ("sedan", "sedan", "hatchback", "hatchback", "suv", "suv", "van")


def a_car(rng: np.random.Generator) -> Looks:
    """Draw a car of a random style."""
    name, color = pick_color(rng, VEHICLE_COLORS)
    style = CAR_STYLES[int(rng.integers(len(CAR_STYLES)))]
    parts, size = vehicles.car(rng, color, style)
    return Looks("car", style, name, size, parts)


def a_bus(rng: np.random.Generator) -> Looks:
    """Draw a bus."""
    name, color = pick_color(rng, HEAVY_COLORS)
    parts, size = vehicles.bus(rng, color)
    return Looks("bus", "bus", name, size, parts)


def a_truck(rng: np.random.Generator) -> Looks:
    """Draw a rigid truck."""
    name, color = pick_color(rng, HEAVY_COLORS)
    load = color if rng.random() < 0.4 else pick_color(rng, HEAVY_COLORS)[1]
    parts, size = vehicles.truck(rng, color, load)
    return Looks("truck", "truck", name, size, parts)


def a_tractor(rng: np.random.Generator) -> Looks:
    """Draw the tractor of a semi-trailer."""
    name, color = pick_color(rng, HEAVY_COLORS)
    parts, size = vehicles.tractor(rng, color)
    return Looks("truck", "truck", name, size, parts)


def a_trailer(rng: np.random.Generator, style: str) -> Looks:
    """Draw a trailer of the style "semi" or "car"."""
    name, color = pick_color(rng, HEAVY_COLORS)
    parts, size = vehicles.trailer(rng, color, style)
    return Looks("trailer", "trailer", name, size, parts)


def a_machine(rng: np.random.Generator) -> Looks:
    """Draw a construction vehicle."""
    name, color = pick_color(rng, MACHINE_COLORS)
    word = ("excavator", "excavator", "excavator", "loader", "road roller")[int(rng.integers(5))]
    build = {
        "excavator": machines.excavator, "loader": machines.loader, "road roller": machines.roller,
    }[word]  # fmt: skip
    parts, size = build(rng, color)
    return Looks("construction", word, name, size, parts)


def a_person(rng: np.random.Generator, role: str = "adult") -> Looks:
    """Draw a person with the role "adult", "child" or "worker"."""
    wear = people.clothes(rng)
    height = float(rng.uniform(1.0, 1.4) if role == "child" else rng.uniform(1.58, 1.9))
    parts, name = people.pedestrian(rng, wear, height), wear.shirt_name
    if role == "worker":
        name, color = pick_color(rng, ("orange", "yellow"))
        parts = people.vest(parts, color)
    return Looks(role, "person", name, (0.6, 0.6, height), parts)


def a_bicycle(rng: np.random.Generator, ridden: bool) -> Looks:
    """Draw a bicycle, with a rider if `ridden`."""
    name, color = pick_color(rng, CLOTH_COLORS)
    wear = people.clothes(rng) if ridden else None
    parts = people.bicycle(rng, color, wear)
    return Looks(
        "bicycle",
        "cyclist" if ridden else "bicycle",
        name,
        (1.75, 0.6, 1.75 if ridden else 1.1),
        parts,
        ridden,
    )


def a_motorcycle(rng: np.random.Generator, ridden: bool) -> Looks:
    """Draw a motorcycle or scooter, with a rider if `ridden`."""
    name, color = pick_color(rng, CLOTH_COLORS)
    wear = people.clothes(rng) if ridden else None
    parts = people.motorcycle(rng, color, wear)
    return Looks(
        "motorcycle",
        "motorcyclist" if ridden else "motorcycle",
        name,
        (2.0, 0.8, 1.75 if ridden else 1.2),
        parts,
        ridden,
    )


def a_cone(rng: np.random.Generator, color_name: str) -> Looks:
    """Draw a traffic cone."""
    parts = structures.cone(rng, jitter(rng, COLORS[color_name]))
    return Looks("cone", "traffic cone", color_name, (0.45, 0.45, 0.8), parts)


def a_barrier(rng: np.random.Generator, style: str, color_name: str) -> Looks:
    """Draw one segment of a barrier."""
    parts, length = structures.barrier(rng, style, COLORS[color_name])
    return Looks("barrier", "barrier", color_name, (length, 0.5, 1.0), parts)


def a_building(rng: np.random.Generator, length: float, depth: float, storeys: int) -> Looks:
    """Draw a building."""
    parts = structures.building(rng, length, depth, storeys)
    return Looks("manmade", "building", "", (length, depth, storeys * 3.1), parts)


def a_wall(rng: np.random.Generator, length: float) -> Looks:
    """Draw a wall or a fence."""
    if rng.random() < 0.5:
        return Looks("manmade", "wall", "", (length, 0.4, 2.0), structures.wall(rng, length))
    return Looks("manmade", "fence", "", (length, 0.2, 1.4), structures.fence(rng, length))


def a_pole(rng: np.random.Generator) -> Looks:
    """Draw a lamp, signal, sign or piece of street furniture."""
    choice = float(rng.random())
    if choice < 0.4:
        return Looks("manmade", "street lamp", "", (0.4, 0.4, 7.0), structures.street_lamp(rng))
    if choice < 0.55:
        return Looks("manmade", "traffic light", "", (0.4, 0.4, 3.6), structures.traffic_light(rng))
    if choice < 0.78:
        return Looks("manmade", "sign", "", (0.4, 0.8, 2.9), structures.sign(rng))
    word = ("trash bin", "hydrant", "bench", "cabinet", "planter")[int(rng.integers(5))]
    return Looks("manmade", word, "", (1.6, 0.8, 1.0), structures.furniture(rng, word))


def a_lamp(rng: np.random.Generator) -> Looks:
    """Draw a street lamp."""
    return Looks("manmade", "street lamp", "", (0.4, 0.4, 7.0), structures.street_lamp(rng))


def a_bench(rng: np.random.Generator) -> Looks:
    """Draw a bench that faces local -y."""
    return Looks("manmade", "bench", "", (1.7, 0.6, 1.0), structures.furniture(rng, "bench"))


def a_shelter() -> Looks:
    """Draw a bus shelter."""
    return Looks("manmade", "bus shelter", "", (4.4, 1.6, 2.6), structures.shelter())


def a_tree(rng: np.random.Generator, height: float, autumn: bool) -> Looks:
    """Draw a tree."""
    style = ("round", "round", "round", "poplar", "conifer")[int(rng.integers(5))]
    parts = plants.tree(rng, height, plants.leaf_color(rng, autumn and style == "round"), style)
    return Looks("vegetation", "tree", "", (1.6, 1.6, height), parts)


def a_bush(rng: np.random.Generator, autumn: bool) -> Looks:
    """Draw a bush or a hedge."""
    if rng.random() < 0.3:
        return a_hedge(rng, float(rng.uniform(3.0, 9.0)), autumn)
    leaves = plants.leaf_color(rng, autumn)
    size = float(rng.uniform(0.6, 1.7))
    return Looks(
        "vegetation", "bush", "", (size * 1.6, size * 1.6, size), plants.bush(rng, size, leaves)
    )


def a_hedge(rng: np.random.Generator, length: float, autumn: bool) -> Looks:
    """Draw a clipped hedge of this length, metres."""
    parts = plants.hedge(rng, length, plants.leaf_color(rng, autumn))
    return Looks("vegetation", "hedge", "", (length, 0.9, 1.3), parts)
