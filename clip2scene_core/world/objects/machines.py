"""Parts of construction vehicles: excavator, wheel loader, road roller."""

from __future__ import annotations

import math

import numpy as np

from clip2scene_core.world.primitives.parts import (
    CABIN,
    HAZARD,
    METAL,
    PAINT,
    PLAIN,
    TRACK,
    Part,
    Triple,
    beam,
    box,
    post,
    rod,
    wheel,
)

STEEL: Triple = (0.17, 0.16, 0.15)
DARK: Triple = (0.05, 0.05, 0.05)


def excavator(rng: np.random.Generator, color: Triple) -> tuple[list[Part], Triple]:
    """Build a crawler excavator in a random pose; returns parts and (length, width, height)."""
    parts: list[Part] = []
    for side in (-1, 1):
        parts += [
            box((0, side * 1.05, 0.42), (3.0, 0.55, 0.78), TRACK, DARK),
            wheel((1.5, side * 1.05, 0.42), 0.39, 0.55, TRACK),
            wheel((-1.5, side * 1.05, 0.42), 0.39, 0.55, TRACK),
        ]
    swing = float(rng.uniform(-0.9, 0.9))
    lift, curl = float(rng.uniform(0.5, 0.95)), float(rng.uniform(-1.5, -0.9))

    def turned(x: float, y: float, z: float) -> Triple:
        return (
            x * math.cos(swing) - y * math.sin(swing),
            x * math.sin(swing) + y * math.cos(swing),
            z,
        )

    knee = (0.9 + 3.0 * math.cos(lift), 1.7 + 3.0 * math.sin(lift))
    wrist = (
        knee[0] + 2.3 * math.cos(lift + curl - 0.6),
        knee[1] + 2.3 * math.sin(lift + curl - 0.6),
    )
    wrist = (wrist[0], max(wrist[1], 0.8))
    start, bend, end = (
        turned(0.9, -0.2, 1.7),
        turned(knee[0], -0.2, knee[1]),
        turned(wrist[0], -0.2, wrist[1]),
    )
    upper = [
        box((-0.55, 0, 1.5), (2.9, 2.4, 0.9), PAINT, color, (0.0, 0.08, 0.0)),
        box((-1.75, 0, 1.45), (0.7, 2.3, 0.95), PAINT, color, (0.0, 0.3, 0.1)),
        box((-2.06, 0, 1.35), (0.1, 2.0, 0.35), HAZARD, (0.75, 0.55, 0.05)),
        box((0.55, 0.68, 2.0), (1.5, 0.95, 1.7), CABIN, color, (0.15, 0.0, 0.08)),
        box((-0.9, -0.5, 2.05), (1.2, 0.9, 0.25), PLAIN, DARK),
    ]
    for part in upper:
        parts.append(
            Part(part.kind, turned(*part.center), part.half, part.material, part.color,
                 yaw=swing, shape=part.shape)
        )  # fmt: skip
    parts += [
        post((0, 0, 0.7), 0.4, 0.8, PLAIN, DARK),
        beam(start, bend, 0.34, 0.5, (PAINT, color)),
        beam(bend, end, 0.28, 0.36, (PAINT, color)),
        rod(turned(1.2, -0.2, 1.5), turned(knee[0] * 0.62, -0.2, knee[1] * 0.72), 0.07, METAL,
            (0.6, 0.6, 0.6)),
        Part(0, turned(wrist[0] + 0.1, -0.2, wrist[1] - 0.35), (0.5, 0.48, 0.38), METAL, STEEL,
             yaw=swing, pitch=0.35, shape=(0.1, -0.25, 0.0)),
        box(turned(-1.0, -0.9, 2.3), (0.12, 0.12, 0.5), PLAIN, DARK),
    ]  # fmt: skip
    return parts, (6.5, 2.8, 3.2)


def loader(rng: np.random.Generator, color: Triple) -> tuple[list[Part], Triple]:
    """Build a wheel loader with its bucket low or raised; returns parts and size as above."""
    raised = float(rng.uniform(0.0, 1.4))
    bucket = (3.1 - 0.25 * raised, 0.0, 0.55 + raised)
    parts = [
        box((-1.4, 0, 1.35), (2.4, 1.7, 1.1), PAINT, color, (0.0, 0.12, 0.08)),
        box((-2.62, 0, 1.2), (0.1, 1.5, 0.5), PLAIN, DARK),
        box((0.0, 0, 2.15), (1.4, 1.5, 1.7), CABIN, color, (0.2, 0.05, 0.12)),
        box((0.9, 0, 0.95), (1.9, 0.9, 0.7), PAINT, color),
        Part(0, bucket, (0.55, 1.3, 0.5), METAL, STEEL, pitch=-0.2, shape=(0.5, -0.2, 0.0)),
        box((-2.3, 0, 2.2), (0.14, 0.14, 0.6), PLAIN, DARK),
        box((-2.66, 0, 0.95), (0.08, 1.6, 0.2), HAZARD, (0.75, 0.55, 0.05)),
    ]
    for side in (-1, 1):
        parts.append(
            beam(
                (0.9, side * 0.45, 1.5),
                (bucket[0] - 0.3, side * 0.45, bucket[2] + 0.1),
                0.16,
                0.3,
                (PAINT, color),
            )
        )
        parts += [wheel((x, side * 0.95, 0.72), 0.72, 0.55) for x in (1.35, -1.5)]
    return parts, (6.4, 2.6, 3.1)


def roller(rng: np.random.Generator, color: Triple) -> tuple[list[Part], Triple]:
    """Build a road roller with a steel drum in front; returns parts and size as above."""
    drum = float(rng.uniform(0.62, 0.75))
    parts = [
        wheel((1.7, 0, drum), drum, 2.0, METAL),
        box((1.7, 0, drum + 0.1), (0.5, 2.3, 0.22), PAINT, color),
        box((1.0, 0, 1.0), (0.9, 0.6, 0.5), PAINT, color),
        box((-0.9, 0, 1.3), (2.2, 1.6, 0.9), PAINT, color, (0.0, 0.15, 0.08)),
        box((0.1, 0, 2.75), (1.6, 1.6, 0.1), PAINT, color),
        box((0.0, 0, 1.75), (0.6, 0.6, 0.9), PLAIN, DARK),
        box((-2.02, 0, 1.1), (0.08, 1.4, 0.25), HAZARD, (0.75, 0.55, 0.05)),
    ]
    for side in (-1, 1):
        parts += [
            rod((0.75, side * 0.7, 1.2), (0.75, side * 0.7, 2.75), 0.045, PLAIN, DARK),
            rod((-0.55, side * 0.7, 1.2), (-0.55, side * 0.7, 2.75), 0.045, PLAIN, DARK),
            box((1.7, side * 1.08, drum + 0.05), (0.9, 0.08, 0.3), PAINT, color),
            wheel((-1.1, side * 0.8, 0.68), 0.68, 0.5),
        ]
    return parts, (4.8, 2.3, 2.8)
