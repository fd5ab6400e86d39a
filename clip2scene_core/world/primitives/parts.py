"""Parts: rotated boxes, ellipsoids and frustums, the primitives of all objects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

BOX: Final = 0
ELLIPSOID: Final = 1
FRUSTUM: Final = 2

PLAIN: Final = 0
PAINT: Final = 1
GLASS: Final = 2
TYRE: Final = 3
CABIN: Final = 4
BUS_BODY: Final = 5
FACADE: Final = 6
BRICK: Final = 7
CONCRETE: Final = 8
BARK: Final = 9
LEAVES: Final = 10
CORRUGATED: Final = 11
HAZARD: Final = 12
BANDS: Final = 13
FENCE: Final = 14
CLOTH: Final = 15
METAL: Final = 16
LAMP: Final = 17
ROOF: Final = 18
SPOKES: Final = 19
SIGN: Final = 20
TRACK: Final = 21
GRASS_MOUND: Final = 22
BODY: Final = 23

SILL_HALF_M: Final = 0.21
"""Half the height of the lower box of a car body, with the wheel arches."""

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """One primitive in the frame of its object (x forward, y left, z up, origin on the ground).

    Attributes:
        kind: BOX, ELLIPSOID or FRUSTUM (axis along local z).
        center: (x, y, z), metres.
        half: Half extents along the axes of the part, metres.
        material: One of the material numbers of this module.
        color: Albedo (red, green, blue) in [0, 1].
        yaw: Rotation about z, radians, after pitch and roll.
        pitch: Rotation about y, radians, after roll.
        roll: Rotation about x, radians.
        shape: Decrease of size from bottom to top, relative: of a box at (front, back, sides), of
            a frustum in radius (first number).
    """

    kind: int
    center: Triple
    half: Triple
    material: int
    color: Triple
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    shape: Triple = (0.0, 0.0, 0.0)


class Primitives(NamedTuple):
    """P parts of a scene as arrays (a NamedTuple, because compiled code takes no dataclass).

    Attributes:
        kind: (P,) int64, BOX, ELLIPSOID or FRUSTUM.
        center: (P, 3) float64, metres, scene frame.
        axes: (P, 3, 3) float64; row i is local axis i in the scene frame.
        half: (P, 3) float64, half extents along the local axes, metres.
        shape: (P, 3) float64, decrease of size as in `Part`.
        material: (P,) int64, material number.
        color: (P, 3) float64, albedo RGB in [0, 1].
        category: (P,) uint8, raw lidarseg category.
        instance: (P,) int64, index of the object of the part.
    """

    kind: NDArray[np.int64]
    center: NDArray[np.float64]
    axes: NDArray[np.float64]
    half: NDArray[np.float64]
    shape: NDArray[np.float64]
    material: NDArray[np.int64]
    color: NDArray[np.float64]
    category: NDArray[np.uint8]
    instance: NDArray[np.int64]


def box(
    center: Triple, size: Triple, material: int, color: Triple, shape: Triple = (0.0, 0.0, 0.0)
) -> Part:
    """Make an upright box with the full extents `size`, metres."""
    half = (size[0] / 2, size[1] / 2, size[2] / 2)
    return Part(BOX, center, half, material, color, shape=shape)


def ball(center: Triple, half: Triple, material: int, color: Triple) -> Part:
    """Make an upright ellipsoid."""
    return Part(ELLIPSOID, center, half, material, color)


def post(
    base: Triple, height: float, radius: float, material: int, color: Triple, taper: float = 0.0
) -> Part:
    """Make an upright cylinder, cone or frustum on the point `base`."""
    center = (base[0], base[1], base[2] + height / 2)
    half = (radius, radius, height / 2)
    return Part(FRUSTUM, center, half, material, color, shape=(taper, 0.0, 0.0))


def rod(
    start: Triple, end: Triple, radius: float, material: int, color: Triple, taper: float = 0.0
) -> Part:
    """Make a cylinder between two points."""
    delta = (end[0] - start[0], end[1] - start[1], end[2] - start[2])
    length = math.sqrt(delta[0] ** 2 + delta[1] ** 2 + delta[2] ** 2)
    center = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, (start[2] + end[2]) / 2)
    return Part(
        FRUSTUM,
        center,
        (radius, radius, length / 2),
        material,
        color,
        yaw=math.atan2(delta[1], delta[0]),
        pitch=math.acos(max(-1.0, min(1.0, delta[2] / length))),
        shape=(taper, 0.0, 0.0),
    )


def beam(start: Triple, end: Triple, width: float, depth: float, look: tuple[int, Triple]) -> Part:
    """Make a rectangular bar between two points; look is (material, albedo)."""
    bar = rod(start, end, 1.0, look[0], look[1])
    half = (depth / 2, width / 2, bar.half[2])
    return Part(BOX, bar.center, half, look[0], look[1], yaw=bar.yaw, pitch=bar.pitch)


def wheel(center: Triple, radius: float, width: float, material: int = TYRE) -> Part:
    """Make a wheel with its axle along local y."""
    half = (radius, radius, width / 2)
    return Part(FRUSTUM, center, half, material, (0.05, 0.05, 0.055), roll=math.pi / 2)


def rotations(parts: list[Part]) -> NDArray[np.float64]:
    """Compute the axes of P parts in the frames of their objects.

    Returns:
        (P, 3, 3) float64; row i is local axis i.
    """
    yaw, pitch, roll = np.array([(p.yaw, p.pitch, p.roll) for p in parts]).T
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    zero_y = np.stack([cy * cp, sy * cp, -sp], axis=1)
    one = np.stack([cy * sp * sr - sy * cr, sy * sp * sr + cy * cr, cp * sr], axis=1)
    two = np.stack([cy * sp * cr + sy * sr, sy * sp * cr - cy * sr, cp * cr], axis=1)
    return np.stack([zero_y, one, two], axis=1)
