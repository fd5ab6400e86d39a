"""Lay out a room: floor, walls, pieces along the walls, and a table with chairs in the middle."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.objects.palette import jitter
from clip2scene_core.world.primitives.parts import PLAIN, Part, Primitives, box, rotations
from clip2scene_core.world.rooms import furniture
from clip2scene_core.world.rooms.furniture import NYU, Piece

Draw = Callable[[np.random.Generator], Piece]

_KINDS: Final[tuple[tuple[Draw, ...], ...]] = (
    (furniture.sofa, furniture.bookshelf, furniture.cabinet, furniture.lamp, furniture.chair),
    (furniture.bed, furniture.nightstand, furniture.desk, furniture.cabinet, furniture.lamp),
    (furniture.counter, furniture.refrigerator, furniture.cabinet, furniture.chair),
    (furniture.bathtub, furniture.toilet, furniture.basin, furniture.cabinet),
)
"""What stands along the walls of a living room, a bedroom, a kitchen and a bathroom."""

_HAS_TABLE: Final = (True, False, True, False)
_ON_WALLS: Final = (furniture.door, furniture.window, furniture.picture, furniture.picture)
_HEIGHT_M: Final = 2.5
_THICK_M: Final = 0.1
_GAP_M: Final = 0.05
_ATTEMPTS: Final = 40
_WALL_COLORS: Final = ((0.72, 0.70, 0.64), (0.62, 0.66, 0.70), (0.70, 0.62, 0.52))
_FLOOR_COLORS: Final = ((0.40, 0.27, 0.15), (0.45, 0.45, 0.46), (0.30, 0.20, 0.18))

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class Room:
    """A furnished room. Its frame has the origin in a corner of the floor, and z up.

    Attributes:
        size: (width, depth, height), metres.
        primitives: Its parts; `category` is NYU's label, `instance` counts floor, walls and pieces.
    """

    size: tuple[float, float, float]
    primitives: Primitives


def build_room(seed: int, index: int) -> Room:
    """Build one room; the same arguments give the same room.

    Args:
        seed: Seed of the data set.
        index: Index of the room in it. It selects the kind of the room: four rooms in a row have
            all classes that fit into them.
    """
    rng = np.random.default_rng([seed, index])
    kind = index % len(_KINDS)
    width, depth = float(rng.uniform(4.2, 5.6)), float(rng.uniform(3.8, 5.0))
    builder = _Builder(rng, width, depth)
    builder.put_shell()
    for draw in (*_ON_WALLS, *_KINDS[kind]):
        builder.put_at_a_wall(draw(rng))
    if _HAS_TABLE[kind]:
        builder.put_a_table()
    return Room((width, depth, _HEIGHT_M), builder.primitives())


class _Builder:
    """Collects the parts of a room; no piece stands in another one."""

    def __init__(self, rng: np.random.Generator, width: float, depth: float) -> None:
        self._rng, self._width, self._depth = rng, width, depth
        self._taken: list[Rectangle] = []
        self._parts: list[Part] = []
        self._axes: list[NDArray[np.float64]] = []
        self._centers: list[NDArray[np.float64]] = []
        self._labels: list[int] = []
        self._instances: list[int] = []

    def put_shell(self) -> None:
        """Put the floor and four walls."""
        rng, (w, d, h, t) = self._rng, (self._width, self._depth, _HEIGHT_M, _THICK_M)
        wall = jitter(rng, _WALL_COLORS[int(rng.integers(len(_WALL_COLORS)))])
        floor = jitter(rng, _FLOOR_COLORS[int(rng.integers(len(_FLOOR_COLORS)))])
        parts = [
            (NYU["floor"], box((w / 2, d / 2, -t / 2), (w + 2 * t, d + 2 * t, t), PLAIN, floor)),
            *(
                (NYU["wall"], box((x, d / 2, h / 2), (t, d + 2 * t, h), PLAIN, wall))
                for x in (-t / 2, w + t / 2)
            ),
            *(
                (NYU["wall"], box((w / 2, y, h / 2), (w, t, h), PLAIN, wall))
                for y in (-t / 2, d + t / 2)
            ),
        ]
        for part in parts:
            self._put(Piece((0, 0, 0), (part,)), 0.0, 0.0, 0.0)

    def put_at_a_wall(self, piece: Piece) -> None:
        """Put a piece with its back to a random wall, if there is a free place."""
        length, off, _ = piece.size
        flat = off <= 0.1
        # A person must reach doors, windows and pictures; other pieces have some room in front.
        reach = off + (0.3 if flat else 0.1)
        for _ in range(_ATTEMPTS):
            side = int(self._rng.integers(4))
            yaw = (0.0, math.pi / 2, math.pi, -math.pi / 2)[side]
            span = self._width if side % 2 == 0 else self._depth
            if span < length + 0.2:
                continue
            along = float(self._rng.uniform(-1, 1)) * (span - length - 0.1) / 2
            outward = (self._depth if side % 2 == 0 else self._width) / 2
            rectangle = self._rectangle(yaw, along, outward - reach / 2, length, reach)
            if self._is_free(rectangle):
                self._taken.append(rectangle)
                gap = 0.0 if flat else _GAP_M
                self._put(piece, *self._place(yaw, along, outward - gap - off / 2), yaw)
                return

    def put_a_table(self) -> None:
        """Put a table near the middle, with chairs on both sides, if there is a free place."""
        table = furniture.table(self._rng)
        for _ in range(_ATTEMPTS):
            x, y = self._rng.uniform(-0.6, 0.6, 2)
            rectangle = self._rectangle(0.0, float(x), float(y), table.size[0], 2.2)
            if self._is_free(rectangle):
                self._taken.append(rectangle)
                x, y = self._width / 2 + float(x), self._depth / 2 + float(y)
                self._put(table, x, y, 0.0)
                for sx in (-0.3, 0.3):
                    self._put(furniture.chair(self._rng), x + sx, y + 0.65, 0.0)
                    self._put(furniture.chair(self._rng), x + sx, y - 0.65, math.pi)
                return

    def primitives(self) -> Primitives:
        """All parts in the frame of the room."""
        return Primitives(
            kind=np.array([part.kind for part in self._parts], dtype=np.int64),
            center=np.array(self._centers),
            axes=np.array(self._axes),
            half=np.array([part.half for part in self._parts], dtype=np.float64),
            shape=np.array([part.shape for part in self._parts], dtype=np.float64),
            material=np.array([part.material for part in self._parts], dtype=np.int64),
            color=np.array([part.color for part in self._parts], dtype=np.float64),
            category=np.array(self._labels, dtype=np.uint8),
            instance=np.array(self._instances, dtype=np.int64),
        )

    def _place(self, yaw: float, along: float, outward: float) -> tuple[float, float]:
        """Place in the room of a point along a wall and towards it from the middle."""
        cosine, sine = math.cos(yaw), math.sin(yaw)
        x = self._width / 2 + cosine * along - sine * outward
        return x, self._depth / 2 + sine * along + cosine * outward

    def _rectangle(
        self, yaw: float, along: float, outward: float, length: float, reach: float
    ) -> Rectangle:
        x, y = self._place(yaw, along, outward)
        is_turned = abs(math.sin(yaw)) > 0.5
        dx, dy = (reach, length) if is_turned else (length, reach)
        return x - dx / 2, x + dx / 2, y - dy / 2, y + dy / 2

    def _is_free(self, one: Rectangle) -> bool:
        return all(
            one[1] < other[0] or one[0] > other[1] or one[3] < other[2] or one[2] > other[3]
            for other in self._taken
        )

    def _put(self, piece: Piece, x: float, y: float, yaw: float) -> None:
        instance = self._instances[-1] + 1 if self._instances else 0
        cosine, sine = math.cos(yaw), math.sin(yaw)
        turned = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        axes = rotations([part for _, part in piece.parts]) @ turned.T
        for (label, part), own in zip(piece.parts, axes, strict=True):
            self._parts.append(part)
            self._axes.append(own)
            self._centers.append(turned @ np.array(part.center) + np.array([x, y, 0.0]))
            self._labels.append(label)
            self._instances.append(instance)
