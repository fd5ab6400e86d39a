"""How surfaces answer a LiDAR where they vary: windows, paint, rough ground, reflectivities.

By default parts of vehicles are boxes that return every beam, and each material has one
reflectivity. On real cars most beams into a window are lost or come back from the seats, glossy
paint is dark unless it faces the LiDAR, and doors and bumpers bend back at their edges. Rough
ground is as bright at a grazing angle as from above, and what is bright at one wavelength and in
one town is dark in another. Images do not change by this, only the points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.primitives.jit import njit
from clip2scene_core.world.primitives.parts import (
    BANDS,
    BODY,
    BUS_BODY,
    CABIN,
    GLASS,
    HAZARD,
    LAMP,
    PAINT,
    SIGN,
    Primitives,
)
from clip2scene_core.world.render.shading import GROUND, surface_normal, to_local

_FIRST_VEHICLE: Final = 15
_MOTORCYCLE: Final = 21
_LAST_VEHICLE: Final = 23

_RETROREFLECTING: Final = (SIGN, LAMP, BANDS, HAZARD)
_NUM_MATERIALS: Final = BODY + 1
_SMOOTH: Final = 0.25
"""Share of the light that plain surfaces return at a grazing angle."""

_LEAST_FACING: Final = 0.25
"""A ray that grazes a panel goes no deeper than one with this |cosine|."""

_HIGHLIGHT: Final = 40
"""Exponent of the |cosine| of the highlight on paint: half of it is left at 11 degrees."""

_MAX_DEPTH_M: Final = 2.0
"""A beam through a window ends no deeper inside."""

_PANE_DEPTH_M: Final = 0.8
"""Depth behind a pane that is a part of its own, as of a truck's cab."""

_PAINT: Final = 1
_WINDOW: Final = 2


@dataclass(frozen=True)
class SurfaceResponse:
    """What the surfaces of one scene return to its LiDAR.

    Attributes:
        clear: Share of the beams into a window of a vehicle that go through it. Their light comes
            back from inside or not at all; the others return from the glass.
        inside: Share of the beams through a window that come back from inside.
        matt: Share of the light on the paint of a vehicle that comes back at any angle. The rest is
            mirrored away, unless the paint faces the LiDAR.
        bend: Depth by which panels of cars bend back at their edges, relative to a usual car.
        rough: Share of the light that ground returns at a grazing angle, relative to from above.
        gains: Factor on the reflectivity of each material by its number, then of ground.
    """

    clear: float
    inside: float
    matt: float
    bend: float
    rough: float
    gains: tuple[float, ...]


def draw_surfaces(rng: np.random.Generator) -> SurfaceResponse:
    """Draw the surfaces of one scene."""
    gains = np.exp(rng.normal(0, 0.5, _NUM_MATERIALS + 1))
    gains[list(_RETROREFLECTING)] = 1.0
    return SurfaceResponse(
        clear=float(rng.uniform(0.5, 1.0)),
        inside=float(rng.uniform(0.0, 0.7)),
        matt=float(np.exp(rng.uniform(np.log(0.04), np.log(0.8)))),
        bend=float(rng.uniform(0.3, 1.3)),
        rough=float(rng.uniform(_SMOOTH, 1.0)),
        gains=tuple(gains.tolist()),
    )


def answer_surfaces(
    response: SurfaceResponse,
    primitives: Primitives,
    rays: tuple[NDArray[np.float64], NDArray[np.float64]],
    hits: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Change ranges and reflectivities of hits in place; tell which are lost in a window.

    Args:
        response: What surfaces return.
        primitives: All primitives, scene frame.
        rays: Origins (W, 3) and directions (3, H, W) of the rays, metres, scene frame.
        hits: Ranges in metres, index of the primitive or GROUND or SKY, |cosine| and reflectivity,
            each (H, W). Ranges and reflectivities change.
        rng: Generator.

    Returns:
        (H, W) bool, rays that do not come back.
    """
    ranges, index, facing, albedo = hits
    kind, bend_m, depth_m, paint = _panels(primitives, *rays, ranges, index)
    is_painted = kind == _PAINT
    mirrored = (1 - response.matt) * (1 - facing[is_painted] ** _HIGHLIGHT)
    albedo[is_painted] = paint[is_painted] * (1 - mirrored)
    material = np.full(index.shape, _NUM_MATERIALS)
    material[index >= 0] = primitives.material[index[index >= 0]]
    albedo *= np.array(response.gains)[material]
    on_ground = index == GROUND
    flat = facing[on_ground]
    albedo[on_ground] *= _at_angle(response.rough, flat) / _at_angle(_SMOOTH, flat)
    drawn = rng.random(ranges.shape)
    is_through = (kind == _WINDOW) & (drawn < response.clear)
    is_inside = is_through & (drawn < response.clear * response.inside)
    ranges += response.bend * bend_m / np.maximum(facing, _LEAST_FACING)
    ranges[is_inside] += depth_m[is_inside] * rng.uniform(0.15, 1.0, int(is_inside.sum()))
    albedo[is_inside] = rng.uniform(0.02, 0.3, int(is_inside.sum()))
    lost: NDArray[np.bool_] = is_through & ~is_inside
    return lost


def _at_angle(grazing: float, facing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of light that comes back at |cosine| `facing`, if at a grazing angle `grazing` does."""
    share: NDArray[np.float64] = grazing + (1 - grazing) * facing
    return share


@njit(cache=True)
def _panels(
    primitives: Primitives, origins: NDArray[np.float64], rays: NDArray[np.float64],
    ranges: NDArray[np.float64], index: NDArray[np.int64],
) -> tuple[
    NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]
]:  # fmt: skip
    """Find paint and windows of vehicles.

    Returns:
        0, _PAINT or _WINDOW, how far the panel bends back, the depth behind a window (both in
        metres), and the reflectivity of the paint, each (H, W).
    """
    kind = np.zeros(ranges.shape, np.int64)
    bend_m, depth_m, paint = np.zeros(ranges.shape), np.zeros(ranges.shape), np.zeros(ranges.shape)
    local, normal = np.empty(3), np.empty(3)
    for row in range(ranges.shape[0]):
        for column in range(ranges.shape[1]):
            hit = index[row, column]
            if hit < 0 or not _is_closed_vehicle(primitives.category[hit]):
                continue
            material = primitives.material[hit]
            if material not in (BODY, CABIN, BUS_BODY, PAINT, GLASS):
                continue
            t = ranges[row, column]
            ox, oy, oz = origins[column]
            rx, ry, rz = rays[:, row, column]
            to_local(primitives, hit, ox + t * rx, oy + t * ry, oz + t * rz, local)
            face = surface_normal(primitives, hit, local, normal)
            kind[row, column] = _PAINT
            if _is_window(material, face, local):
                kind[row, column] = _WINDOW
            if material in (BODY, CABIN):
                bend_m[row, column] = _bend(face, local)
            depth_m[row, column] = _PANE_DEPTH_M
            if material != GLASS:
                ray = rays[:, row, column]
                depth_m[row, column] = min(_way_out(primitives, hit, local, ray), _MAX_DEPTH_M)
            gray = 0.3 * primitives.color[hit, 0] + 0.4 * primitives.color[hit, 1]
            gray += 0.3 * primitives.color[hit, 2]
            paint[row, column] = 0.03 + 0.75 * gray
    return kind, bend_m, depth_m, paint


@njit(cache=True)
def _way_out(
    primitives: Primitives, hit: int, local: NDArray[np.float64], ray: NDArray[np.float64]
) -> float:
    """Distance from a point on a box, local in units of its half extents, to the other side."""
    nearest = np.inf
    for axis in range(3):
        speed = 0.0
        for i in range(3):
            speed += primitives.axes[hit, axis, i] * ray[i]
        speed /= primitives.half[hit, axis]
        if speed != 0.0:
            nearest = min(nearest, (np.sign(speed) - local[axis]) / speed)
    return max(nearest, 0.0)


@njit(cache=True)
def _is_closed_vehicle(category: int) -> bool:
    """Whether a raw lidarseg category is a vehicle with a body."""
    is_vehicle: bool = _FIRST_VEHICLE <= category <= _LAST_VEHICLE
    return is_vehicle and category != _MOTORCYCLE


@njit(cache=True)
def _is_window(material: int, face: int, local: NDArray[np.float64]) -> bool:
    """Whether a hit is where `materials` paints a window; local is in units of the half extents."""
    x, y, z = float(local[0]), float(local[1]), float(local[2])
    if material == GLASS:
        return True
    if material == CABIN:
        if face == 0:
            return abs(y) < 0.9 and -0.9 < z < 0.86
        return face == 1 and abs(z) < 0.86 and abs(x) < 0.93 and abs(x + 0.02) > 0.05
    return material == BUS_BODY and face == 1 and 0.02 < z < 0.68 and abs(x) < 0.95


@njit(cache=True)
def _bend(face: int, local: NDArray[np.float64]) -> float:
    """Depth by which a panel of a usual car lies behind the flat one, metres."""
    x, y, z = abs(float(local[0])), abs(float(local[1])), float(local[2])
    if face == 1:
        end = max(0.0, (x - 0.7) / 0.3)
        return 0.22 * end * end + 0.05 * z * z
    if face == 0:
        end = max(0.0, (y - 0.35) / 0.65)
        return 0.3 * end * end + 0.04 * z * z
    edge = max(x, y)
    return 0.05 * edge**4
