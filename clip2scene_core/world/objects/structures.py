"""Parts of buildings, walls, fences, street furniture, cones and barriers."""

from __future__ import annotations

import math

import numpy as np

from clip2scene_core.world.objects.palette import (
    COLORS,
    WALL_COLORS,
    jitter,
    muted,
    pick_color,
)
from clip2scene_core.world.primitives.parts import (
    BANDS,
    BRICK,
    CONCRETE,
    CORRUGATED,
    FACADE,
    FENCE,
    GLASS,
    HAZARD,
    LAMP,
    METAL,
    PAINT,
    PLAIN,
    ROOF,
    SIGN,
    Part,
    Triple,
    ball,
    box,
    post,
    rod,
)

GRAY: Triple = (0.3, 0.31, 0.32)
SUNK_M = 0.4  # walls reach below the ground, without a gap on uneven terrain


def building(rng: np.random.Generator, length: float, depth: float, storeys: int) -> list[Part]:
    """Build a house or block with roof and attachments; its material draws the windows."""
    wall = muted(rng, pick_color(rng, WALL_COLORS)[1])
    height = storeys * 3.1 + 0.6
    parts = [
        box((0, 0, (height - SUNK_M) / 2), (length, depth, height + SUNK_M), FACADE, wall),
    ]
    if storeys <= 3 and rng.random() < 0.65:
        roof = jitter(
            rng, [(0.36, 0.13, 0.08), (0.2, 0.2, 0.22), (0.28, 0.17, 0.1)][int(rng.integers(3))]
        )
        rise = float(rng.uniform(1.6, 3.0))
        parts.append(box((0, 0, height + rise / 2), (length + 0.7, depth + 0.8, rise), ROOF, roof,
                         (0.05, 0.05, 0.97)))  # fmt: skip
        chimney = (float(rng.uniform(-0.3, 0.3)) * length, 0.12 * depth, height + rise * 0.7)
        parts.append(box(chimney, (0.7, 0.6, rise), BRICK, (0.35, 0.16, 0.11)))
    else:
        parts.append(
            box(
                (0, 0, height + 0.15), (length + 0.3, depth + 0.3, 0.35), CONCRETE, muted(rng, wall)
            )
        )
        for _ in range(int(rng.integers(1, 4))):
            x, y = rng.uniform(-0.35, 0.35, 2).tolist()
            parts.append(box((x * length, y * depth, height + 0.9), (1.8, 1.6, 1.3), METAL, GRAY))
    if rng.random() < 0.6:
        _, trim = pick_color(rng, tuple(COLORS))
        x = float(rng.uniform(-0.3, 0.3)) * length
        parts.append(
            box((x, -depth / 2 - 0.6, 3.0), (min(4.5, length * 0.4), 1.3, 0.16), PAINT, trim)
        )
        if rng.random() < 0.5:
            parts.append(
                box((x, -depth / 2 - 0.1, 3.5), (min(4.0, length * 0.35), 0.14, 0.6), SIGN, trim)
            )
    if storeys >= 3 and rng.random() < 0.5:
        for storey in range(1, storeys):
            for x in np.arange(-length / 2 + 2.2, length / 2 - 1.5, 5.6).tolist():
                z = storey * 3.1 + 0.5
                parts.append(box((x, -depth / 2 - 0.5, z), (2.6, 1.0, 0.14), CONCRETE, wall))
                parts.append(box((x, -depth / 2 - 0.97, z + 0.5), (2.6, 0.05, 0.9), FENCE, GRAY))
    return parts


def wall(rng: np.random.Generator, length: float) -> list[Part]:
    """Build a free-standing wall of brick, concrete or painted sheet."""
    height = float(rng.uniform(1.4, 2.8))
    material = (BRICK, BRICK, CONCRETE, CORRUGATED)[int(rng.integers(4))]
    color = muted(rng, pick_color(rng, WALL_COLORS)[1])
    return [
        box((0, 0, height / 2 - 0.1), (length, 0.28, height + 0.2), material, color),
        box((0, 0, height + 0.04), (length + 0.1, 0.38, 0.1), CONCRETE, (0.4, 0.4, 0.39)),
    ]


def fence(rng: np.random.Generator, length: float) -> list[Part]:
    """Build a picket fence."""
    height = float(rng.uniform(0.9, 1.7))
    color = jitter(
        rng, [(0.3, 0.2, 0.12), (0.7, 0.7, 0.68), (0.06, 0.08, 0.07)][int(rng.integers(3))]
    )
    posts = [
        box((float(x), 0, height / 2), (0.1, 0.1, height + 0.1), PLAIN, color)
        for x in np.linspace(-length / 2, length / 2, max(2, int(length / 2.5)))
    ]
    return [box((0, 0, height / 2 + 0.05), (length, 0.05, height), FENCE, color), *posts]


def street_lamp(rng: np.random.Generator) -> list[Part]:
    """Build a lamp post with its arm towards local -y (the road)."""
    height = float(rng.uniform(5.5, 8.5))
    color = jitter(rng, (0.24, 0.26, 0.26))
    return [
        post((0, 0, -0.2), height, 0.09, METAL, color, 0.4),
        rod((0, 0, height - 0.3), (0, -1.5, height), 0.045, METAL, color),
        box((0, -1.6, height - 0.02), (0.3, 0.6, 0.12), LAMP, (0.75, 0.72, 0.6)),
        post((0, 0, 0), 0.5, 0.14, METAL, color),
    ]


def traffic_light(rng: np.random.Generator) -> list[Part]:
    """Build a signal that faces local -x."""
    lit = int(rng.integers(3))
    glow = [(0.85, 0.05, 0.03), (0.8, 0.5, 0.03), (0.05, 0.7, 0.25)]
    parts = [
        post((0, 0, -0.2), 3.6, 0.07, METAL, (0.2, 0.22, 0.21)),
        box((-0.1, 0, 2.95), (0.22, 0.34, 0.98), PLAIN, (0.03, 0.035, 0.03)),
    ]
    for i, color in enumerate(glow):
        dim: Triple = (color[0] * 0.12, color[1] * 0.12, color[2] * 0.12)
        look = (LAMP, color) if i == lit else (PLAIN, dim)
        parts.append(ball((-0.21, 0, 3.26 - 0.31 * i), (0.05, 0.11, 0.11), *look))
    return parts


def sign(rng: np.random.Generator) -> list[Part]:
    """Build a traffic sign, direction board or small billboard that faces local -x."""
    _, color = pick_color(rng, ("blue", "red", "yellow", "white", "green"))
    pole = post((0, 0, -0.2), 2.9, 0.035, METAL, (0.4, 0.41, 0.42))
    choice = rng.random()
    if choice < 0.5:
        return [
            pole,
            Part(2, (-0.05, 0, 2.45), (0.36, 0.36, 0.015), SIGN, color, pitch=math.pi / 2),
        ]
    if choice < 0.8:
        return [pole, box((-0.05, 0, 2.4), (0.03, 0.62, 0.75), SIGN, color)]
    legs = [post((0, y, -0.2), 2.2, 0.06, METAL, GRAY) for y in (-1.1, 1.1)]
    return [*legs, box((0, 0, 2.6), (0.16, 3.0, 1.7), SIGN, color)]


def furniture(rng: np.random.Generator, word: str) -> list[Part]:
    """Build a "trash bin", "hydrant", "bench", "cabinet" or "planter"."""
    _, color = pick_color(rng, tuple(COLORS))
    if word == "trash bin":
        return [
            post((0, 0, 0), 0.95, 0.27, PLAIN, color),
            post((0, 0, 0.95), 0.12, 0.29, METAL, GRAY, 0.5),
        ]
    if word == "hydrant":
        return [
            post((0, 0, 0), 0.6, 0.11, PAINT, color),
            ball((0, 0, 0.62), (0.13, 0.13, 0.12), PAINT, color),
            rod((0, -0.2, 0.42), (0, 0.2, 0.42), 0.06, PAINT, color),
        ]
    if word == "bench":
        legs = [box((x, 0, 0.2), (0.08, 0.45, 0.45), METAL, GRAY) for x in (-0.7, 0.7)]
        seat = box((0, 0, 0.45), (1.7, 0.45, 0.07), PLAIN, (0.33, 0.2, 0.11))
        return [*legs, seat, box((0, 0.22, 0.75), (1.7, 0.06, 0.4), PLAIN, (0.33, 0.2, 0.11))]
    if word == "cabinet":
        return [box((0, 0, 0.65), (0.9, 0.45, 1.3), PLAIN, muted(rng, color))]
    return [box((0, 0, 0.3), (1.4, 0.7, 0.6), CONCRETE, (0.42, 0.41, 0.4))]


def shelter() -> list[Part]:
    """Build a bus shelter that is open towards local -y."""
    frame: Triple = (0.2, 0.21, 0.22)
    posts = [post((x, y, 0), 2.5, 0.05, METAL, frame) for x in (-2, 2) for y in (-0.6, 0.6)]
    return [
        *posts,
        box((0, 0, 2.55), (4.4, 1.6, 0.1), PLAIN, frame),
        box((0, 0.62, 1.35), (4.0, 0.04, 2.0), GLASS, (0.1, 0.13, 0.14)),
        box((-2, 0, 1.3), (0.12, 1.2, 1.9), SIGN, (0.6, 0.5, 0.2)),
        box((0.5, 0.3, 0.45), (2.2, 0.4, 0.08), METAL, (0.4, 0.4, 0.4)),
    ]


def cone(rng: np.random.Generator, color: Triple) -> list[Part]:
    """Build a traffic cone, or sometimes a striped drum."""
    height = float(rng.uniform(0.55, 1.0))
    base = height * 0.46
    if rng.random() < 0.12:
        return [
            post((0, 0, 0), 1.0, 0.27, BANDS, color, 0.25),
            post((0, 0, 0), 0.1, 0.36, PLAIN, (0.05, 0.05, 0.05)),
        ]
    return [
        box(
            (0, 0, 0.025),
            (base, base, 0.06),
            PLAIN,
            color if rng.random() < 0.5 else (0.05, 0.05, 0.05),
        ),
        post((0, 0, 0.04), height, base * 0.4, BANDS, color, 0.84),
    ]


def barrier(rng: np.random.Generator, style: str, color: Triple) -> tuple[list[Part], float]:
    """Build a "jersey", "plastic", "plank", "crowd" or "rail" segment; returns parts and length."""
    if style == "jersey":
        return [
            box((0, 0, 0.13), (2.4, 0.56, 0.26), CONCRETE, color, (0.0, 0.0, 0.3)),
            box((0, 0, 0.56), (2.4, 0.38, 0.62), CONCRETE, color, (0.0, 0.0, 0.5)),
        ], 2.45
    if style == "plastic":
        return [
            box((0, 0, 0.2), (1.45, 0.5, 0.4), PLAIN, color, (0.04, 0.04, 0.3)),
            box((0, 0, 0.65), (1.4, 0.34, 0.5), PLAIN, color, (0.0, 0.0, 0.2)),
            box((0, 0, 0.62), (1.42, 0.3, 0.16), HAZARD, (0.75, 0.08, 0.06)),
        ], 1.5
    if style == "plank":
        feet = [
            box((x, 0, 0.45), (0.07, 0.5, 0.9), METAL, (0.5, 0.5, 0.5), (0.0, 0.0, 0.8))
            for x in (-0.8, 0.8)
        ]
        planks = [box((0, -0.06, z), (2.0, 0.05, 0.22), HAZARD, color) for z in (0.5, 0.88)]
        return [*feet, *planks], 2.3
    if style == "crowd":
        frame: Triple = (0.45, 0.46, 0.48)
        feet = [box((x, 0, 0.03), (0.06, 0.6, 0.05), METAL, frame) for x in (-0.8, 0.8)]
        ends = [box((x, 0, 0.55), (0.05, 0.05, 1.1), METAL, frame) for x in (-1.08, 1.08)]
        return [box((0, 0, 0.62), (2.15, 0.05, 0.95), FENCE, frame), *feet, *ends], 2.3
    posts = [post((x, 0.1, -0.2), 0.95, 0.07, METAL, (0.35, 0.36, 0.37)) for x in (-1.0, 1.0)]
    rails = [box((0, 0, z), (4.0, 0.09, 0.14), METAL, (0.48, 0.49, 0.5)) for z in (0.48, 0.68)]
    return [*posts, *rails], 4.0
