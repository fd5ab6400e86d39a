"""Pieces of furniture as boxes, cylinders and balls, each part with one of NYU's 40 labels.

Each piece stands on the floor at its origin, x to its side, z up; its back, at +y, belongs to a
wall. Sizes are (along the wall, off the wall, height), metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from clip2scene_core.labels import SCANNET_CLASSES, SCANNET_RAW_LABELS
from clip2scene_core.world.objects.palette import COLORS, jitter
from clip2scene_core.world.primitives.parts import PLAIN, Part, Triple, ball, box, post

NYU: Final = {
    **{one.name: raw for one, raw in zip(SCANNET_CLASSES, SCANNET_RAW_LABELS, strict=True)},
    "lamp": 35,
}
"""NYU's label of each class of ScanNet, and of a lamp, which is none of them."""

_WOODS: Final[tuple[Triple, ...]] = (
    (0.42, 0.27, 0.14), (0.28, 0.16, 0.09), (0.62, 0.47, 0.30), (0.72, 0.70, 0.66),
)  # fmt: skip
_WHITE: Final[Triple] = (0.80, 0.80, 0.78)
_STEEL: Final[Triple] = (0.45, 0.46, 0.48)


@dataclass(frozen=True)
class Piece:
    """One piece of furniture.

    Attributes:
        size: Extents along the wall, off the wall, and up, metres.
        parts: Parts in its own frame, each with its label.
    """

    size: Triple
    parts: tuple[tuple[int, Part], ...]


def _piece(name: str, size: Triple, parts: Sequence[Part]) -> Piece:
    return Piece(size, tuple((NYU[name], part) for part in parts))


def _wood(rng: np.random.Generator) -> Triple:
    return jitter(rng, _WOODS[int(rng.integers(len(_WOODS)))])


def _cloth(rng: np.random.Generator) -> Triple:
    return jitter(rng, list(COLORS.values())[int(rng.integers(len(COLORS)))])


def _darker(color: Triple) -> Triple:
    return color[0] * 0.6, color[1] * 0.6, color[2] * 0.6


def _legs(size: Triple, top: float, color: Triple) -> list[Part]:
    x, y = size[0] / 2 - 0.04, size[1] / 2 - 0.04
    return [
        box((sx * x, sy * y, top / 2), (0.05, 0.05, top), PLAIN, color)
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]


def table(rng: np.random.Generator) -> Piece:
    """A dining table."""
    size, color = (float(rng.uniform(1.1, 1.5)), 0.8, 0.74), _wood(rng)
    top = box((0, 0, 0.72), (size[0], size[1], 0.04), PLAIN, color)
    return _piece("table", size, [top, *_legs(size, 0.7, color)])


def chair(rng: np.random.Generator) -> Piece:
    """A chair with a back."""
    size, color = (0.44, 0.46, 0.9), _wood(rng)
    seat = box((0, 0, 0.45), (0.44, 0.44, 0.05), PLAIN, _cloth(rng))
    back = box((0, 0.21, 0.68), (0.42, 0.04, 0.44), PLAIN, color)
    return _piece("chair", size, [seat, back, *_legs(size, 0.43, color)])


def sofa(rng: np.random.Generator) -> Piece:
    """A sofa with arms."""
    size, color = (float(rng.uniform(1.6, 2.2)), 0.85, 0.8), _cloth(rng)
    half = size[0] / 2
    parts = [
        box((0, -0.05, 0.21), (size[0], 0.75, 0.42), PLAIN, color),
        box((0, 0.33, 0.5), (size[0], 0.18, 0.6), PLAIN, color),
        box((-half + 0.09, 0, 0.3), (0.18, 0.85, 0.6), PLAIN, _darker(color)),
        box((half - 0.09, 0, 0.3), (0.18, 0.85, 0.6), PLAIN, _darker(color)),
    ]
    return _piece("sofa", size, parts)


def bed(rng: np.random.Generator) -> Piece:
    """A bed with its head at the wall."""
    size, color = (float(rng.uniform(1.2, 1.7)), 2.05, 0.9), _cloth(rng)
    parts = [
        box((0, 0, 0.15), (size[0], 2.05, 0.3), PLAIN, _wood(rng)),
        box((0, -0.03, 0.43), (size[0] - 0.06, 1.95, 0.26), PLAIN, color),
        box((0, 0.78, 0.6), (size[0] * 0.7, 0.35, 0.1), PLAIN, _WHITE),
        box((0, 1.0, 0.45), (size[0], 0.05, 0.9), PLAIN, _wood(rng)),
    ]
    return _piece("bed", size, parts)


def cabinet(rng: np.random.Generator) -> Piece:
    """A cabinet with two doors."""
    size, color = (0.9, 0.45, float(rng.uniform(0.9, 1.9))), _wood(rng)
    body = box((0, 0, size[2] / 2), size, PLAIN, color)
    doors = [
        box((x, -0.23, size[2] / 2), (0.42, 0.02, size[2] - 0.1), PLAIN, _darker(color))
        for x in (-0.22, 0.22)
    ]
    return _piece("cabinet", (0.9, 0.48, size[2]), [body, *doors])


def bookshelf(rng: np.random.Generator) -> Piece:
    """An open shelf with books."""
    size, color = (0.9, 0.3, 1.9), _wood(rng)
    parts = [box((x, 0, 0.95), (0.03, 0.3, 1.9), PLAIN, color) for x in (-0.435, 0.435)]
    parts.append(box((0, 0.14, 0.95), (0.9, 0.02, 1.9), PLAIN, color))
    for level in np.linspace(0.05, 1.85, 6).tolist():
        parts.append(box((0, 0, level), (0.84, 0.28, 0.03), PLAIN, color))
        if level < 1.8:
            width = float(rng.uniform(0.3, 0.8))
            books = (width, 0.2, 0.24)
            parts.append(box((0.4 - width / 2, 0.02, level + 0.14), books, PLAIN, _cloth(rng)))
    return _piece("bookshelf", size, parts)


def desk(rng: np.random.Generator) -> Piece:
    """A desk with drawers on one side."""
    size, color = (1.3, 0.65, 0.75), _wood(rng)
    parts = [
        box((0, 0, 0.73), (1.3, 0.65, 0.04), PLAIN, color),
        box((0.43, 0, 0.35), (0.4, 0.6, 0.7), PLAIN, _darker(color)),
        box((-0.62, 0, 0.35), (0.04, 0.6, 0.7), PLAIN, color),
    ]
    return _piece("desk", size, parts)


def refrigerator(rng: np.random.Generator) -> Piece:
    """A refrigerator."""
    color = jitter(rng, _WHITE)
    parts = [
        box((0, 0, 0.88), (0.65, 0.62, 1.76), PLAIN, color),
        box((-0.25, -0.33, 1.1), (0.03, 0.04, 0.5), PLAIN, _STEEL),
    ]
    return _piece("refrigerator", (0.65, 0.7, 1.76), parts)


def counter(rng: np.random.Generator) -> Piece:
    """A kitchen counter with a sink in it."""
    size, color = (float(rng.uniform(1.6, 2.2)), 0.6, 0.95), _wood(rng)
    base = box((0, 0, 0.43), (size[0], 0.58, 0.86), PLAIN, _darker(color))
    top = box((0, 0, 0.88), (size[0], 0.6, 0.04), PLAIN, color)
    basin = box((0.3, 0, 0.91), (0.5, 0.4, 0.03), PLAIN, _STEEL)
    tap = post((0.3, 0.23, 0.9), 0.25, 0.02, PLAIN, _STEEL)
    parts = [(NYU["cabinet"], base), (NYU["counter"], top)]
    return Piece(size, (*parts, (NYU["sink"], basin), (NYU["sink"], tap)))


def basin(rng: np.random.Generator) -> Piece:
    """A sink on a foot, as in a bathroom."""
    color = jitter(rng, _WHITE)
    parts = [
        post((0, 0.05, 0), 0.75, 0.09, PLAIN, color),
        box((0, 0, 0.82), (0.55, 0.45, 0.14), PLAIN, color),
        post((0, 0.17, 0.88), 0.15, 0.02, PLAIN, _STEEL),
    ]
    return _piece("sink", (0.55, 0.45, 1.0), parts)


def toilet(rng: np.random.Generator) -> Piece:
    """A toilet."""
    color = jitter(rng, _WHITE)
    parts = [
        post((0, -0.08, 0), 0.36, 0.14, PLAIN, color),
        ball((0, -0.1, 0.38), (0.19, 0.25, 0.07), PLAIN, color),
        box((0, 0.24, 0.55), (0.38, 0.18, 0.4), PLAIN, color),
    ]
    return _piece("toilet", (0.4, 0.7, 0.8), parts)


def bathtub(rng: np.random.Generator) -> Piece:
    """A bathtub with a shower curtain drawn half along it."""
    size, color = (1.6, 0.75, 2.0), jitter(rng, _WHITE)
    tub = [
        box((0, 0, 0.1), (1.6, 0.75, 0.2), PLAIN, color),
        *(box((0, y, 0.28), (1.6, 0.06, 0.56), PLAIN, color) for y in (-0.34, 0.34)),
        *(box((x, 0, 0.28), (0.06, 0.75, 0.56), PLAIN, color) for x in (-0.77, 0.77)),
    ]
    sheet = box((-0.45, -0.36, 1.3), (0.7, 0.03, 1.4), PLAIN, _cloth(rng))
    labelled = [(NYU["bathtub"], part) for part in tub]
    return Piece(size, (*labelled, (NYU["shower curtain"], sheet)))


def nightstand(rng: np.random.Generator) -> Piece:
    """A nightstand, which ScanNet calls other furniture."""
    stand = box((0, 0, 0.25), (0.42, 0.4, 0.5), PLAIN, _wood(rng))
    return _piece("other furniture", (0.42, 0.4, 0.5), [stand])


def lamp(rng: np.random.Generator) -> Piece:
    """A floor lamp, which has no class."""
    parts = [
        post((0, 0, 0), 1.5, 0.02, PLAIN, _STEEL),
        ball((0, 0, 1.55), (0.17, 0.17, 0.15), PLAIN, jitter(rng, _WHITE)),
    ]
    return _piece("lamp", (0.35, 0.35, 1.7), parts)


def door(rng: np.random.Generator) -> Piece:
    """A closed door."""
    color = _wood(rng)
    parts = [
        box((0, 0, 1.02), (0.9, 0.06, 2.04), PLAIN, color),
        box((0.36, -0.05, 1.0), (0.1, 0.04, 0.03), PLAIN, _STEEL),
    ]
    return _piece("door", (0.95, 0.06, 2.04), parts)


def window(rng: np.random.Generator) -> Piece:
    """A window with a curtain on each side."""
    frame, cloth = jitter(rng, _WHITE), _cloth(rng)
    panes = [
        box((x, 0.01, 1.45), (0.5, 0.03, 1.1), PLAIN, (0.55, 0.68, 0.80)) for x in (-0.27, 0.27)
    ]
    bars = [box((x, 0, 1.45), (0.05, 0.06, 1.2), PLAIN, frame) for x in (-0.55, 0, 0.55)]
    sills = [box((0, 0, z), (1.15, 0.06, 0.05), PLAIN, frame) for z in (0.87, 2.03)]
    sheets = [box((x, -0.04, 1.15), (0.35, 0.05, 2.1), PLAIN, cloth) for x in (-0.78, 0.78)]
    parts = [(NYU["window"], part) for part in (*panes, *bars, *sills)]
    return Piece((1.95, 0.1, 2.2), (*parts, *((NYU["curtain"], part) for part in sheets)))


def picture(rng: np.random.Generator) -> Piece:
    """A picture in a frame."""
    parts = [
        box((0, 0, 1.5), (0.7, 0.04, 0.5), PLAIN, _wood(rng)),
        box((0, -0.02, 1.5), (0.6, 0.02, 0.4), PLAIN, _cloth(rng)),
    ]
    return _piece("picture", (0.7, 0.06, 1.8), parts)
