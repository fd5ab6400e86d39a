"""Parts of trees, bushes and hedges: crowns of many ragged ellipsoids."""

from __future__ import annotations

import math

import numpy as np

from clip2scene_core.world.objects.palette import jitter
from clip2scene_core.world.primitives.parts import (
    BARK,
    BOX,
    ELLIPSOID,
    FRUSTUM,
    LEAVES,
    Part,
    Triple,
    post,
    rod,
)

LEAF_COLORS: tuple[Triple, ...] = (
    (0.10, 0.21, 0.05), (0.07, 0.16, 0.045), (0.15, 0.24, 0.06), (0.12, 0.18, 0.09),
    (0.33, 0.22, 0.05), (0.36, 0.14, 0.04), (0.24, 0.24, 0.07),
)  # fmt: skip
NUM_GREENS = 4


def leaf_color(rng: np.random.Generator, autumn: bool) -> Triple:
    """Draw the albedo of the leaves of one plant."""
    count = len(LEAF_COLORS) if autumn else NUM_GREENS
    return jitter(rng, LEAF_COLORS[int(rng.integers(count))], 0.18)


def tree(rng: np.random.Generator, height: float, leaves: Triple, style: str) -> list[Part]:
    """Build a tree of the style "round", "poplar" or "conifer" and this height, metres."""
    bark = jitter(rng, (0.15, 0.11, 0.075))
    girth = height * float(rng.uniform(0.018, 0.026))
    if style == "conifer":
        parts = [post((0, 0, -0.3), height * 0.5, girth, BARK, bark, 0.3)]
        for level in range(5):
            z = height * (0.16 + 0.17 * level)
            wide = height * 0.21 * (1 - 0.17 * level)
            half = (wide, wide, height * 0.15)
            parts.append(
                Part(FRUSTUM, (0, 0, z + half[2]), half, LEAVES, jitter(rng, leaves, 0.06),
                     shape=(0.93, 0.0, 0.0))
            )  # fmt: skip
        return parts
    crown_base = height * (0.36 if style == "round" else 0.16)
    crown_half = (height - crown_base) / 2
    spread = crown_half * (float(rng.uniform(0.85, 1.1)) if style == "round" else 0.42)
    middle = crown_base + crown_half
    parts = [post((0, 0, -0.3), crown_base + crown_half + 0.3, girth, BARK, bark, 0.5)]
    for _ in range(3):
        angle, lift = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(0.9, 1.5))
        tip = (
            spread * 0.6 * math.cos(angle),
            spread * 0.6 * math.sin(angle),
            crown_base + crown_half * lift,
        )
        parts.append(rod((0, 0, crown_base * 0.85), tip, girth * 0.5, BARK, bark, 0.5))
    return parts + _crown(rng, (spread, spread, crown_half), middle, leaves)


def _crown(rng: np.random.Generator, half: Triple, middle: float, leaves: Triple) -> list[Part]:
    """Fill an ellipsoid with smaller ellipsoids; the lower ones are darker."""
    count = 13
    parts = []
    for i in range(count):
        z = 1 - 2 * (i + 0.5) / count
        ring = math.sqrt(1 - z * z)
        angle = i * 2.39996 + float(rng.uniform(-0.4, 0.4))
        out = float(rng.uniform(0.5, 0.72))
        center = (
            half[0] * ring * out * math.cos(angle),
            half[1] * ring * out * math.sin(angle),
            middle + half[2] * z * out * 1.05,
        )
        size = float(rng.uniform(0.36, 0.52))
        blob = (half[0] * size, half[1] * size, half[2] * size * float(rng.uniform(0.7, 0.95)))
        tone = 0.92 + 0.16 * z
        shade: Triple = (leaves[0] * tone, leaves[1] * tone, leaves[2] * tone)
        parts.append(
            Part(ELLIPSOID, center, blob, LEAVES, jitter(rng, shade, 0.07),
                 yaw=angle, pitch=float(rng.normal(0, 0.25)))
        )  # fmt: skip
    return parts


def bush(rng: np.random.Generator, size: float, leaves: Triple) -> list[Part]:
    """Build a bush with a height of about `size` metres."""
    parts = []
    for _ in range(int(rng.integers(3, 6))):
        x, y = rng.normal(0, 0.35 * size, 2).tolist()
        wide = size * float(rng.uniform(0.4, 0.62))
        half = (wide, wide * float(rng.uniform(0.8, 1.2)), size * float(rng.uniform(0.38, 0.55)))
        parts.append(
            Part(ELLIPSOID, (x, y, half[2] * 0.75), half, LEAVES, jitter(rng, leaves, 0.08))
        )
    return parts


def hedge(rng: np.random.Generator, length: float, leaves: Triple) -> list[Part]:
    """Build a clipped hedge."""
    height = float(rng.uniform(0.8, 1.7))
    half = (length / 2, 0.4, height / 2)
    return [Part(BOX, (0, 0, height / 2), half, LEAVES, leaves, shape=(0.02, 0.02, 0.15))]
