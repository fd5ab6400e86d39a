"""Parts of pedestrians, and of bicycles and motorcycles with or without riders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clip2scene_core.world.objects.palette import (
    CLOTH_COLORS,
    COLORS,
    jitter,
    pick_color,
)
from clip2scene_core.world.primitives.parts import (
    CLOTH,
    LAMP,
    METAL,
    PAINT,
    PLAIN,
    SPOKES,
    Part,
    Triple,
    ball,
    box,
    rod,
    wheel,
)

SKINS: tuple[Triple, ...] = (
    (0.55, 0.36, 0.26),
    (0.42, 0.26, 0.17),
    (0.22, 0.13, 0.08),
    (0.62, 0.44, 0.34),
)
BLACK: Triple = (0.04, 0.04, 0.045)


@dataclass(frozen=True)
class Clothes:
    """Colours of one person.

    Attributes:
        shirt_name: Name of the shirt's colour, for captions.
        shirt: Albedo RGB of the shirt.
        trousers: Albedo RGB of the trousers.
        skin: Albedo RGB of the skin.
        hair: Albedo RGB of hair, cap or helmet.
    """

    shirt_name: str
    shirt: Triple
    trousers: Triple
    skin: Triple
    hair: Triple


def clothes(rng: np.random.Generator) -> Clothes:
    """Draw the colours of a person."""
    shirt_name, shirt = pick_color(rng, CLOTH_COLORS)
    dark = ("blue", "black", "grey", "brown", "beige", "black", "blue", "green", "red")
    hair = jitter(rng, COLORS[("black", "brown", "grey", "beige")[int(rng.integers(4))]])
    skin = jitter(rng, SKINS[int(rng.integers(4))])
    return Clothes(shirt_name, shirt, pick_color(rng, dark)[1], skin, hair)


def pedestrian(rng: np.random.Generator, wear: Clothes, height: float) -> list[Part]:
    """Build a standing or walking person of this height, metres."""
    k = height / 1.75
    stride = float(rng.uniform(0.0, 0.33))
    swing = stride * 0.8
    skirt = rng.random() < 0.2
    parts: list[Part] = []
    for side in (-1, 1):
        step = side * stride * k
        knee = (step * 0.6 + 0.04, side * 0.1 * k, 0.46 * k)
        ankle = (step, side * 0.1 * k, 0.07 * k)
        leg = wear.skin if skirt else wear.trousers
        shoulder = (0.0, side * 0.22 * k, 1.42 * k)
        elbow = (-side * swing * 0.5 * k, side * 0.27 * k, 1.13 * k)
        hand = (-side * swing * k + 0.08, side * 0.27 * k, 0.88 * k)
        parts += [
            rod((0.0, side * 0.09 * k, 0.86 * k), knee, 0.088 * k, CLOTH, wear.trousers, 0.2),
            rod(knee, ankle, 0.068 * k, CLOTH, leg, 0.2),
            ball(
                (step + 0.06, side * 0.1 * k, 0.05 * k),
                (0.13 * k, 0.055 * k, 0.055 * k),
                PLAIN,
                BLACK,
            ),
            rod(shoulder, elbow, 0.06 * k, CLOTH, wear.shirt),
            rod(elbow, hand, 0.048 * k, CLOTH, wear.skin if rng.random() < 0.5 else wear.shirt),
        ]
    parts += [
        ball((0, 0, 1.18 * k), (0.15 * k, 0.22 * k, 0.37 * k), CLOTH, wear.shirt),
        ball((0, 0, 0.9 * k), (0.14 * k, 0.18 * k, 0.16 * k), CLOTH, wear.trousers),
        rod((0, 0, 1.42 * k), (0.02, 0, 1.55 * k), 0.055 * k, PLAIN, wear.skin),
        ball((0.02, 0, 1.63 * k), (0.1 * k, 0.085 * k, 0.12 * k), PLAIN, wear.skin),
        ball((-0.02, 0, 1.67 * k), (0.11 * k, 0.095 * k, 0.105 * k), PLAIN, wear.hair),
    ]
    if skirt:
        parts.append(rod((0, 0, 0.45 * k), (0, 0, 1.05 * k), 0.26 * k, CLOTH, wear.trousers, 0.45))
    if rng.random() < 0.3:
        pack = pick_color(rng, CLOTH_COLORS)[1]
        parts.append(box((-0.2 * k, 0, 1.22 * k), (0.16 * k, 0.3 * k, 0.42 * k), CLOTH, pack))
    return parts


def vest(parts: list[Part], color: Triple) -> list[Part]:
    """Add a construction worker's vest and helmet to a person."""
    k = parts[0].half[0] / 0.088
    return [
        *parts,
        ball((0, 0, 1.24 * k), (0.175 * k, 0.235 * k, 0.29 * k), CLOTH, color),
        ball((0, 0, 1.7 * k), (0.14 * k, 0.12 * k, 0.1 * k), PAINT, color),
    ]


def _rider(
    wear: Clothes, seat: float, grip: tuple[float, float], foot: tuple[float, float]
) -> list[Part]:
    """Build a person on a saddle at height `seat`; grip and foot are (x, z)."""
    hip, chest = (-0.2, 0.0, seat + 0.08), (0.08, 0.0, seat + 0.56)
    parts = [
        rod(hip, chest, 0.19, CLOTH, wear.shirt, 0.1),
        ball((0.08, 0, seat + 0.5), (0.15, 0.23, 0.16), CLOTH, wear.shirt),
        ball((-0.2, 0, seat + 0.06), (0.17, 0.19, 0.14), CLOTH, wear.trousers),
        ball((0.17, 0, seat + 0.8), (0.1, 0.09, 0.12), PLAIN, wear.skin),
        ball((0.15, 0, seat + 0.85), (0.135, 0.115, 0.12), PAINT, wear.hair),
    ]
    for side in (-1, 1):
        knee = (0.22, side * 0.17, (seat + foot[1]) / 2 + 0.2)
        ankle = (foot[0], side * 0.14, foot[1])
        parts += [
            rod((-0.15, side * 0.12, seat + 0.05), knee, 0.09, CLOTH, wear.trousers, 0.2),
            rod(knee, ankle, 0.068, CLOTH, wear.trousers, 0.2),
            ball((foot[0] + 0.06, side * 0.14, foot[1] - 0.03), (0.13, 0.05, 0.05), PLAIN, BLACK),
            rod(
                (0.08, side * 0.2, seat + 0.55),
                (grip[0], side * 0.28, grip[1]),
                0.055,
                CLOTH,
                wear.shirt,
                0.25,
            ),
        ]
    return parts


def bicycle(rng: np.random.Generator, color: Triple, wear: Clothes | None) -> list[Part]:
    """Build a bicycle, with a rider unless `wear` is None."""
    radius, seat = 0.34, float(rng.uniform(0.88, 1.0))
    rear, front = (-0.52, 0.0, radius), (0.54, 0.0, radius)
    crank, saddle, head = (-0.08, 0.0, 0.3), (-0.22, 0.0, seat), (0.4, 0.0, 0.86)
    tube = 0.026
    parts = [
        wheel(rear, radius, 0.05, SPOKES),
        wheel(front, radius, 0.05, SPOKES),
        rod(crank, saddle, tube, PAINT, color),
        rod(crank, head, tube, PAINT, color),
        rod((-0.19, 0, seat - 0.14), head, tube, PAINT, color),
        rod(rear, (-0.19, 0, seat - 0.14), tube * 0.8, PAINT, color),
        rod(rear, crank, tube * 0.8, PAINT, color),
        rod(front, (0.38, 0, 1.02), tube, METAL, (0.3, 0.3, 0.3)),
        rod((0.38, -0.28, 1.04), (0.38, 0.28, 1.04), tube * 0.8, PLAIN, BLACK),
        ball((-0.24, 0, seat + 0.02), (0.15, 0.09, 0.045), PLAIN, BLACK),
        rod((-0.08, -0.14, 0.3), (-0.08, 0.14, 0.3), 0.06, METAL, (0.25, 0.25, 0.25)),
    ]
    if rng.random() < 0.4:
        parts.append(box((0.58, 0, 0.9), (0.26, 0.34, 0.24), CLOTH, (0.25, 0.17, 0.1)))
    if wear is None:
        return parts
    return parts + _rider(wear, seat, (0.38, 1.06), (-0.02, 0.28))


def motorcycle(rng: np.random.Generator, color: Triple, wear: Clothes | None) -> list[Part]:
    """Build a motorcycle or scooter, with a rider unless `wear` is None."""
    scooter = rng.random() < 0.4
    radius, wide = (0.23, 0.11) if scooter else (0.31, 0.14)
    front = (0.68, 0.0, radius)
    parts = [
        wheel((-0.66, 0, radius), radius, wide),
        wheel(front, radius, wide),
        rod(front, (0.44, 0, 1.0), 0.05, METAL, (0.5, 0.5, 0.5)),
        rod((0.44, -0.34, 1.04), (0.44, 0.34, 1.04), 0.025, PLAIN, BLACK),
        ball((0.56, 0, 0.88), (0.11, 0.1, 0.1), LAMP, (0.85, 0.85, 0.75)),
        box((-0.92, 0, 0.66), (0.06, 0.16, 0.08), LAMP, (0.55, 0.03, 0.03)),
        box((-0.98, 0, 0.5), (0.03, 0.18, 0.16), PLAIN, (0.7, 0.7, 0.66)),
        ball((-0.35, 0, 0.76), (0.42, 0.15, 0.09), PLAIN, BLACK),
    ]
    if scooter:
        parts += [
            box((0.44, 0, 0.62), (0.1, 0.42, 0.62), PAINT, color, (0.2, 0.0, 0.2)),
            box((0.1, 0, 0.28), (0.6, 0.34, 0.1), PLAIN, (0.1, 0.1, 0.1)),
            box((-0.45, 0, 0.52), (0.75, 0.36, 0.42), PAINT, color, (0.15, 0.25, 0.2)),
        ]
    else:
        parts += [
            ball((0.12, 0, 0.82), (0.3, 0.16, 0.16), PAINT, color),
            ball((0.0, 0, 0.46), (0.3, 0.19, 0.22), METAL, (0.2, 0.2, 0.2)),
            ball((-0.72, 0, 0.74), (0.25, 0.12, 0.09), PAINT, color),
            rod((0.1, -0.2, 0.3), (-0.85, -0.22, 0.4), 0.06, METAL, (0.6, 0.6, 0.6)),
            ball((0.68, 0, 0.6), (0.26, 0.08, 0.05), PAINT, color),
            Part(0, (0.55, 0, 1.12), (0.02, 0.18, 0.16), PLAIN, (0.1, 0.12, 0.14), pitch=-0.5),
        ]
    if wear is None:
        return parts
    return parts + _rider(wear, 0.82, (0.42, 1.08), (0.1, 0.3))
