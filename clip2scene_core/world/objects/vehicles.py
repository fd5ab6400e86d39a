"""Parts of cars, trucks, buses and trailers."""

from __future__ import annotations

import numpy as np

from clip2scene_core.world.primitives.parts import (
    BODY,
    BUS_BODY,
    CABIN,
    CORRUGATED,
    GLASS,
    HAZARD,
    LAMP,
    METAL,
    PAINT,
    PLAIN,
    SIGN,
    SILL_HALF_M,
    Part,
    Triple,
    ball,
    box,
    post,
    rod,
    wheel,
)

DARK: Triple = (0.05, 0.05, 0.055)
HEADLIGHT: Triple = (0.85, 0.85, 0.75)
TAILLIGHT: Triple = (0.55, 0.03, 0.03)


def car(rng: np.random.Generator, color: Triple, style: str) -> tuple[list[Part], Triple]:
    """Build a "sedan", "hatchback", "suv" or "van"; returns parts and (length, width, height)."""
    length, width, height, front, back, slope_front, slope_back = {
        "sedan": (4.6, 1.8, 1.45, 0.42, -0.68, 0.52, 0.45),
        "hatchback": (4.0, 1.75, 1.5, 0.40, -0.92, 0.45, 0.22),
        "suv": (4.7, 1.9, 1.75, 0.42, -0.94, 0.36, 0.2),
        "van": (4.9, 1.92, 1.98, 0.66, -0.97, 0.32, 0.06),
    }[style]
    scale = float(rng.uniform(0.95, 1.06))
    length, height = length * scale, height * float(rng.uniform(0.96, 1.05))
    radius = 0.31 if style != "suv" else 0.36
    belt = height * (0.62 if style != "van" else 0.55)
    half = length / 2
    cabin_middle, cabin_length = half * (front + back) / 2, half * (front - back)
    parts = [
        box((0, 0, 0.42), (length, width, 2 * SILL_HALF_M), BODY, color, (0.03, 0.03, 0.0)),
        box((-0.01 * length, 0, (0.6 + belt) / 2), (length * 0.985, width, belt - 0.58), BODY,
            color, (0.10 if style != "van" else 0.3, 0.05, 0.06)),
        box((cabin_middle, 0, (belt + height) / 2), (cabin_length, width * 0.94, height - belt),
            CABIN, color, (slope_front, slope_back, 0.2)),
        box((0, 0, 0.24), (length * 0.94, width * 0.9, 0.16), PLAIN, DARK),
        box((half * 0.985, 0, 0.42), (0.08, width * 0.92, 0.16), PLAIN, (0.09, 0.09, 0.1)),
        box((half - 0.02, 0, 0.58), (0.05, width * 0.42, 0.12), PLAIN, (0.04, 0.04, 0.05)),
        box((-half * 0.99, 0, 0.56), (0.05, 0.5, 0.12), SIGN, (0.8, 0.8, 0.75)),
        box((half * 1.0, 0, 0.4), (0.05, 0.5, 0.11), SIGN, (0.8, 0.8, 0.75)),
    ]  # fmt: skip
    for side in (-1, 1):
        parts += [
            wheel((half * 0.62, side * (width / 2 - 0.1), radius), radius, 0.22),
            wheel((-half * 0.6, side * (width / 2 - 0.1), radius), radius, 0.22),
            box((half * 0.96, side * width * 0.38, 0.66), (0.16, 0.34, 0.14), LAMP, HEADLIGHT),
            box((-half * 0.965, side * width * 0.4, 0.72), (0.12, 0.26, 0.18), LAMP, TAILLIGHT),
            box((half * 0.28, side * (width / 2 + 0.07), belt + 0.05), (0.12, 0.2, 0.13), PAINT,
                color),
        ]  # fmt: skip
    if style == "suv" and rng.random() < 0.5:
        parts += [
            box((cabin_middle, side * width * 0.36, height + 0.05), (1.6, 0.05, 0.05), METAL, DARK)
            for side in (-1, 1)
        ]
    return parts, (length, width, height)


def _axles(positions: tuple[float, ...], width: float, radius: float) -> list[Part]:
    return [
        wheel((x, side * (width / 2 - 0.12), radius), radius, 0.3)
        for x in positions
        for side in (-1, 1)
    ]


def bus(rng: np.random.Generator, color: Triple) -> tuple[list[Part], Triple]:
    """Build a city bus or coach; returns parts and (length, width, height)."""
    length, width = float(rng.uniform(9.5, 12.5)), 2.55
    height = float(rng.uniform(2.95, 3.3))
    half = length / 2
    trim = (0.75, 0.75, 0.72) if rng.random() < 0.5 else color
    parts = [
        box((0, 0, 0.34 + (height - 0.34) / 2), (length, width, height - 0.34), BUS_BODY, color,
            (0.03, 0.0, 0.02)),
        box((0, 0, 0.32), (length * 0.97, width * 0.9, 0.3), PLAIN, DARK),
        box((half - 0.01, 0, 1.75), (0.06, width * 0.92, 1.3), GLASS, (0.03, 0.04, 0.05)),
        box((half + 0.01, 0, height - 0.32), (0.07, width * 0.7, 0.28), LAMP, (0.5, 0.33, 0.05)),
        box((-half - 0.01, 0, 2.1), (0.05, width * 0.7, 0.75), GLASS, (0.03, 0.04, 0.05)),
        box((-0.1 * length, 0, height + 0.1), (2.4, 1.6, 0.22), PLAIN, trim),
        box((0.2 * length, 0, height + 0.07), (1.0, 1.0, 0.14), PLAIN, (0.3, 0.3, 0.3)),
        box((half + 0.02, 0, 0.55), (0.08, width * 0.95, 0.35), PLAIN, (0.12, 0.12, 0.13)),
    ]  # fmt: skip
    for side in (-1, 1):
        parts += [
            box((half + 0.03, side * 0.95, 0.75), (0.05, 0.35, 0.2), LAMP, HEADLIGHT),
            box((-half - 0.02, side * 1.05, 0.9), (0.05, 0.25, 0.45), LAMP, TAILLIGHT),
            rod((half - 0.1, side * 1.2, 2.6), (half + 0.25, side * 1.45, 2.2), 0.04, PLAIN, DARK),
        ]
    return parts + _axles((half * 0.55, -half * 0.5), width, 0.48), (length, width, height)


def _cab(front: float, width: float, height: float, color: Triple) -> list[Part]:
    """Build a cab of 2 m length; its nose is at x = front."""
    parts = [
        box((front - 1.0, 0, 0.5 + (height - 0.5) / 2), (2.0, width, height - 0.5), PAINT, color,
            (0.14, 0.0, 0.05)),
        box((front - 0.11, 0, height * 0.67), (0.1, width * 0.86, height * 0.27), GLASS,
            (0.03, 0.04, 0.05)),
        box((front + 0.01, 0, 0.95), (0.06, width * 0.62, 0.5), PLAIN, (0.06, 0.06, 0.07)),
        box((front - 0.02, 0, 0.52), (0.16, width, 0.32), PLAIN, (0.15, 0.15, 0.16)),
    ]  # fmt: skip
    for side in (-1, 1):
        parts += [
            box((front - 0.75, side * (width / 2 - 0.005), height * 0.67), (0.75, 0.06, 0.62),
                GLASS, (0.03, 0.04, 0.05)),
            box((front + 0.03, side * width * 0.4, 0.72), (0.07, 0.3, 0.2), LAMP, HEADLIGHT),
            box((front - 0.25, side * (width / 2 + 0.16), height * 0.68), (0.12, 0.2, 0.45), PLAIN,
                DARK),
        ]  # fmt: skip
    return parts


def _load(rng: np.random.Generator, back: float, front: float, color: Triple) -> list[Part]:
    """Build the load of a truck or trailer between two x: box, tank, dump body or flat bed."""
    length, middle = front - back, (front + back) / 2
    choice = rng.choice(
        ["box", "container", "tank", "dump", "flat"], p=[0.4, 0.2, 0.12, 0.14, 0.14]
    )
    if choice in ("box", "container"):
        height = float(rng.uniform(2.1, 2.7))
        material = PAINT if choice == "box" else CORRUGATED
        return [
            box((middle, 0, 1.05 + height / 2), (length, 2.5, height), material, color),
            box((back - 0.02, 0, 0.95), (0.06, 2.4, 0.16), HAZARD, (0.75, 0.1, 0.08)),
        ]
    if choice == "tank":
        tank = rod((back, 0, 2.0), (front, 0, 2.0), 1.05, PAINT, color)
        return [tank, box((middle, 0, 0.98), (length, 1.6, 0.2), METAL, (0.3, 0.3, 0.3))]
    bed = box((middle, 0, 1.12), (length, 2.5, 0.16), PLAIN, (0.24, 0.18, 0.12))
    if choice == "dump":
        return [
            bed,
            box(
                (middle, 0, 1.75),
                (length * 0.88, 2.2, 1.15),
                CORRUGATED,
                color,
                (-0.1, -0.1, -0.12),
            ),
            ball((middle, 0, 2.2), (length * 0.4, 1.0, 0.55), PLAIN, (0.3, 0.24, 0.17)),
        ]
    cargo = [
        box((float(x), 0, 1.2 + size / 2), (1.3, 1.7, size), PLAIN, (0.42, 0.33, 0.22))
        for x, size in zip(
            np.linspace(back + 1, front - 1, 4), rng.uniform(0.4, 1.4, 4).tolist(), strict=True
        )
    ]
    return [bed, box((front - 0.06, 0, 1.7), (0.12, 2.5, 1.1), PAINT, color), *cargo]


def truck(rng: np.random.Generator, color: Triple, load_color: Triple) -> tuple[list[Part], Triple]:
    """Build a rigid truck with a random load; returns parts and (length, width, height)."""
    length = float(rng.uniform(6.5, 9.0))
    half, width = length / 2, 2.45
    height = float(rng.uniform(2.4, 2.9))
    parts = _cab(half, width, height, color)
    parts += _load(rng, -half, half - 2.2, load_color)
    parts += [
        box((-0.2, 0, 0.78), (length * 0.95, 0.9, 0.3), PLAIN, DARK),
        box((-half + 0.03, 0, 0.62), (0.06, 2.2, 0.12), METAL, (0.3, 0.3, 0.3)),
    ]
    parts += [
        box((-half - 0.01, side * 0.95, 0.78), (0.06, 0.4, 0.14), LAMP, TAILLIGHT)
        for side in (-1, 1)
    ]
    axles: tuple[float, ...] = (half - 1.1, -half * 0.55)
    if length > 7.8:
        axles = (half - 1.1, -half * 0.45, -half * 0.45 - 1.15)
    return parts + _axles(axles, width, 0.48), (length, width, 3.4)


def tractor(rng: np.random.Generator, color: Triple) -> tuple[list[Part], Triple]:
    """Build the tractor of a semi-trailer; returns parts and (length, width, height)."""
    height = float(rng.uniform(2.9, 3.6))
    parts = _cab(2.7, 2.45, height, color)
    parts += [
        box((-0.3, 0, 0.8), (5.4, 0.9, 0.3), PLAIN, DARK),
        box((-1.2, 0, 1.05), (1.4, 1.2, 0.14), METAL, (0.12, 0.12, 0.12)),
        post((0.4, 1.0, 0.6), height, 0.08, METAL, (0.6, 0.6, 0.6)),
        rod((0.35, -1.25, 0.7), (-0.9, -1.25, 0.7), 0.32, METAL, (0.55, 0.55, 0.55)),
    ]
    return parts + _axles((1.6, -1.3, -2.4), 2.45, 0.5), (5.6, 2.5, height)


def trailer(rng: np.random.Generator, color: Triple, style: str) -> tuple[list[Part], Triple]:
    """Build a "semi" or a small "car" trailer; returns parts and (length, width, height)."""
    if style == "car":
        length = float(rng.uniform(2.4, 3.6))
        parts = [
            box((0, 0, 0.75), (length, 1.6, 0.5), CORRUGATED, color, (-0.03, -0.03, -0.04)),
            box((0, 0, 0.48), (length, 1.5, 0.08), METAL, (0.25, 0.25, 0.25)),
            rod((length / 2, 0, 0.45), (length / 2 + 1.1, 0, 0.42), 0.05, METAL, (0.3, 0.3, 0.3)),
            box((-length / 2 - 0.02, 0, 0.5), (0.05, 1.5, 0.12), HAZARD, (0.7, 0.1, 0.08)),
        ]
        if rng.random() < 0.5:
            parts.append(box((0, 0, 1.4), (length, 1.6, 0.9), PAINT, color, (0.05, 0.05, 0.06)))
        return parts + _axles((0.0,), 1.95, 0.3), (length, 1.7, 1.8)
    length = float(rng.uniform(8.5, 12.5))
    half = length / 2
    parts = _load(rng, -half, half, color)
    parts += [box((-0.1, 0, 0.86), (length * 0.96, 1.0, 0.26), PLAIN, DARK)]
    for side in (-1, 1):
        parts += [
            box((half * 0.45, side * 0.7, 0.42), (0.14, 0.14, 0.84), METAL, (0.25, 0.25, 0.25)),
            box((-half - 0.02, side * 0.9, 0.72), (0.06, 0.45, 0.15), LAMP, TAILLIGHT),
            box(
                (-0.1 * half, side * 1.2, 0.66),
                (length * 0.3, 0.06, 0.4),
                METAL,
                (0.45, 0.45, 0.45),
            ),
        ]
    return parts + _axles((-half * 0.5, -half * 0.5 - 1.2), 2.5, 0.48), (length, 2.5, 3.6)
