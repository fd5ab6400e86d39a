"""The ground plan of a street: one curved road and at most one crossing, in closed form.

Road coordinates: s metres along the centre line, d metres to the left of it. Every band of the
cross-section (median, lanes, parking, verge, sidewalk, outer ground) is an interval of d. So ground
classes, kerbs and lane marks have exact edges at any distance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.primitives.jit import njit

ASPHALT: Final = 0
COBBLES: Final = 1
PAVING: Final = 2
GRASS: Final = 3
ISLAND: Final = 4
SURFACE_RAW_CATEGORY: Final = np.array([24, 25, 26, 27, 25], dtype=np.uint8)
"""Raw lidarseg category of each surface."""

KERB_HEIGHT_M: Final = 0.14
CROSSING_SIDEWALK_M: Final = 2.5
NO_CROSSING: Final = 1e9


@dataclass(frozen=True)
class Side:
    """The bands beside the lanes on one side of the road, from the lanes outwards.

    Attributes:
        parking_m: Width of the parking strip at road level, metres, 0 for none.
        verge_m: Width of the raised strip between road and sidewalk, metres, 0 for none.
        sidewalk_m: Width of the sidewalk, metres, 0 for none.
        parking_surface: ASPHALT or COBBLES.
        verge_surface: GRASS or ISLAND.
        outer_surface: GRASS or PAVING, from the sidewalk to infinity.
    """

    parking_m: float
    verge_m: float
    sidewalk_m: float
    parking_surface: int
    verge_surface: int
    outer_surface: int


@dataclass(frozen=True)
class Road:
    """One road with right-hand traffic; the ego vehicle drives towards +s on the right (d < 0).

    Attributes:
        curvature: Curvature, 1/m, positive to the left.
        median_half_m: Half the width of the central traffic island, metres, 0 for none.
        lane_m: Width of a lane, metres.
        num_lanes: Number of lanes per direction.
        left: Bands at d > 0.
        right: Bands at d < 0.
        median_surface: ISLAND or GRASS.
        crossing_s: s of the centre line of a road that crosses at a right angle, metres;
            NO_CROSSING for none.
        crossing_half_m: Half the width of the crossing carriageway, metres.
        texture_seed: Seed of the patterns of the ground.
    """

    curvature: float
    median_half_m: float
    lane_m: float
    num_lanes: int
    left: Side
    right: Side
    median_surface: int
    crossing_s: float
    crossing_half_m: float
    texture_seed: int

    @property
    def lanes_end(self) -> float:
        """|d| of the end of the outermost lane, metres."""
        return self.median_half_m + self.num_lanes * self.lane_m

    def ends(self, side_sign: int) -> tuple[float, float, float]:
        """|d| of the ends of parking, verge and sidewalk, metres; side_sign +1 left, -1 right."""
        side = self.left if side_sign > 0 else self.right
        parking = self.lanes_end + side.parking_m
        verge = parking + side.verge_m
        return parking, verge, verge + side.sidewalk_m

    def as_array(self) -> NDArray[np.float64]:
        """Pack the plan for the compiled functions, (24,) float64."""
        crossing_x, crossing_y, heading = road_pose(self.curvature, self.crossing_s, 0.0)
        if self.crossing_s == NO_CROSSING:
            crossing_x = crossing_y = NO_CROSSING
        left, right = self.left, self.right
        return np.array(
            [
                self.curvature, self.median_half_m, self.lane_m, self.lanes_end,
                *self.ends(1), left.parking_surface, left.verge_surface, left.outer_surface,
                *self.ends(-1), right.parking_surface, right.verge_surface, right.outer_surface,
                crossing_x, crossing_y, math.cos(heading), math.sin(heading), self.crossing_half_m,
                self.median_surface, self.num_lanes, self.texture_seed,
            ],
            dtype=np.float64,
        )  # fmt: skip


def road_pose(curvature: float, s: float, d: float) -> tuple[float, float, float]:
    """Map road coordinates to (x, y, heading) in the scene frame; metres and radians."""
    if abs(curvature) < 1e-7:
        return s, d, 0.0
    heading = s * curvature
    radius = 1.0 / curvature
    return (
        (radius - d) * math.sin(heading),
        radius - (radius - d) * math.cos(heading),
        heading,
    )


@njit(cache=True)
def road_coordinates(curvature: float, x: float, y: float) -> tuple[float, float]:
    """Map x, y in the scene frame to road coordinates s, d; metres."""
    if abs(curvature) < 1e-7:
        return x, y
    radius = 1.0 / curvature
    if curvature > 0:
        return math.atan2(x, radius - y) * radius, radius - math.hypot(x, radius - y)
    return math.atan2(-x, y - radius) * radius, radius + math.hypot(x, radius - y)


@njit(cache=True)
def _lateral(curvature: float, x: float, y: float) -> float:
    """Road coordinate d alone, which is faster than s and d."""
    if abs(curvature) < 1e-7:
        return y
    radius = 1.0 / curvature
    reach = math.sqrt(x * x + (y - radius) * (y - radius))
    return radius - reach if curvature > 0 else radius + reach


@njit(cache=True)
def surface_at(plan: NDArray[np.float64], x: float, y: float) -> tuple[int, float, float]:
    """Find the surface of the ground at a point.

    Args:
        plan: (24,) float64 from `Road.as_array`.
        x: x of the point, metres, scene frame.
        y: y of the point, metres, scene frame.

    Returns:
        The surface number, d in metres, and the distance along the road from the crossing in metres
        (large if there is no crossing).
    """
    d = _lateral(plan[0], x, y)
    along = abs((x - plan[16]) * plan[18] + (y - plan[17]) * plan[19])
    if along < plan[20]:
        return ASPHALT, d, along
    offset = abs(d)
    side = 4 if d > 0 else 10
    if plan[1] <= offset < plan[3]:
        return ASPHALT, d, along
    if plan[3] <= offset < plan[side]:
        return int(plan[side + 3]), d, along
    if along < plan[20] + CROSSING_SIDEWALK_M:
        return (PAVING if offset >= plan[3] else ASPHALT), d, along
    if offset < plan[1]:
        return int(plan[21]), d, along
    if offset < plan[side + 1]:
        return int(plan[side + 4]), d, along
    if offset < plan[side + 2]:
        return PAVING, d, along
    return int(plan[side + 5]), d, along


@njit(cache=True)
def ground_hit(
    plan: NDArray[np.float64],
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float,
) -> tuple[float, bool, int]:  # fmt: skip
    """Cast a ray from (ox, oy, oz) in the direction (dx, dy, dz) onto the ground with its kerbs.

    Returns:
        The ray parameter (0 for no hit), whether the hit is on the face of a kerb, and the surface
        number.
    """
    if dz >= -1e-9 or oz <= KERB_HEIGHT_M:
        return 0.0, False, ASPHALT
    upper = (KERB_HEIGHT_M - oz) / dz
    surface = surface_at(plan, ox + upper * dx, oy + upper * dy)[0]
    if surface >= PAVING:
        return upper, False, surface
    lower = -oz / dz
    surface = surface_at(plan, ox + lower * dx, oy + lower * dy)[0]
    if surface < PAVING:
        return lower, False, surface
    for _ in range(6):
        middle = 0.5 * (upper + lower)
        below = surface_at(plan, ox + middle * dx, oy + middle * dy)[0]
        if below >= PAVING:
            lower, surface = middle, below
        else:
            upper = middle
    return lower, True, surface
