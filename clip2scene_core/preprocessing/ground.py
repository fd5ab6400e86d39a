"""The plane under a sensor, from one cloud of any LiDAR.

Points are put into cells of x and y, and the lowest one speaks for its cell: that balances the
rings of a LiDAR, and leaves out what stands on the ground. Planes through three of these points
compete for the most cells near them. The winner is refined on the points near it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_REACH_M: Final = 30.0
_NEAREST_M: Final = 1.0
"""Nearer points, measured on the ground, are the robot itself."""
_CELL_M: Final = 1.0
_MAX_TILT_DEG: Final = 25.0
_TOLERANCE_M: Final = 0.15
_BELOW_M: Final = 0.4
"""A cell this far below a plane speaks against it; less may be a kerb or a ditch."""
_NUM_TRIPLES: Final = 128
_NUM_LEVELS: Final = 16
_NUM_SCORED: Final = 1024
"""Cells that planes compete for; more are thinned out."""
_COARSE_M: Final = (0.4, 0.3, 0.2, 0.15)
"""Tolerances of the rounds on the lowest points. Wide ones forget which plane came first."""
_FINE_M: Final = (0.15, 0.15)
"""Tolerances of the rounds on all points."""
_MAX_POINTS: Final = 25_000
"""Points that are looked at; more are thinned out."""
_MIN_HEIGHT_M: Final = 0.1
_MIN_CELLS: Final = 12
_MIN_SUPPORT: Final = 0.2
"""By formula-made sweeps of seven sensors: grounds have at least 0.28, what is none at most 0.1."""
_MIN_SPREAD_M: Final = 1.0
"""Standard deviation of the ground's cells across its narrow side. A wall's foot has less."""
_NEAR_M: Final = 8.0
"""At this distance a cell counts half as much as beside the sensor; hills are farther."""


@dataclass(frozen=True)
class Ground:
    """A plane below a sensor.

    Attributes:
        normal: (3,) float64 of unit length, upwards, in the frame of the points.
        height_m: Distance of the origin, the sensor, above the plane, metres.
        support: Share of the cells around that lie on the plane, in [0, 1]; near ones count more.
    """

    normal: NDArray[np.float64]
    height_m: float
    support: float = 1.0

    @property
    def tilt_deg(self) -> float:
        """Angle between the normal and z, degrees."""
        return float(np.degrees(np.arctan2(np.hypot(*self.normal[:2]), self.normal[2])))


def estimate_ground(points: NDArray[np.floating]) -> Ground | None:
    """Find the ground around a sensor.

    Args:
        points: (N, 3 or more) float: x, y, z in metres, the sensor at the origin, z up to within 25
            degrees. Points that are not finite are ignored.

    Returns:
        The ground; None if no plane below the sensor has enough support, as of a cloud without
        ground, with z down, or of a wall alone. Equal points give an equal ground.
    """
    near = _near_points(points)
    cell, lowest = _lowest_of_cells(near)
    if len(lowest) < _MIN_CELLS:
        return None
    weights = _weigh(lowest)
    plane = _choose_plane(lowest, weights)
    if plane[2] > -_MIN_HEIGHT_M:
        return None
    each_its_own = np.arange(len(lowest))
    rounds = [(lowest, each_its_own, tolerance_m) for tolerance_m in _COARSE_M]
    rounds += [(near, cell, tolerance_m) for tolerance_m in _FINE_M]
    for fitted, cells, tolerance_m in rounds:
        refined = _refine(plane, fitted, cells, tolerance_m)
        if refined is None:
            return None
        plane = refined
    residuals = _residuals(plane, lowest)
    on_plane = np.abs(residuals) <= _TOLERANCE_M
    support = float(weights[on_plane].sum() / weights.sum())
    slope_x, slope_y, offset = plane
    length = float(np.sqrt(slope_x**2 + slope_y**2 + 1))
    ground = Ground(np.array([-slope_x, -slope_y, 1.0]) / length, -float(offset) / length, support)
    is_ground = (
        on_plane.sum() >= _MIN_CELLS
        and support >= _MIN_SUPPORT
        and weights[residuals < -_BELOW_M].sum() < weights[on_plane].sum()
        and _spread_m(lowest[on_plane]) >= _MIN_SPREAD_M
        and ground.height_m >= _MIN_HEIGHT_M
        and ground.tilt_deg <= _MAX_TILT_DEG
    )
    return ground if is_ground else None


def _near_points(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Points that may show the ground around the sensor: (M, 3) float32."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    with np.errstate(invalid="ignore", over="ignore"):
        squared = x * x + y * y
        near = (squared >= _NEAREST_M**2) & (squared < _REACH_M**2) & (np.abs(z) < _REACH_M)
    chosen = np.flatnonzero(near)
    # Rows often go ring by ring, and the number of rings is even: an odd step meets all rings.
    chosen = chosen[:: -(-len(chosen) // _MAX_POINTS) | 1]
    return np.stack([x[chosen], y[chosen], z[chosen]], axis=1).astype(np.float32, copy=False)


def _lowest_of_cells(
    points: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the cell of each of M points, (M,) int64, and the lowest point of each, (L, 3)."""
    columns = 2 * int(_REACH_M / _CELL_M)
    x, y = ((points[:, :2] + _REACH_M) / _CELL_M).astype(np.int64).T
    cell = x * columns + y
    heights = np.full(columns * columns, np.inf, dtype=np.float32)
    np.minimum.at(heights, cell, points[:, 2])
    lowest = np.full(columns * columns, -1, dtype=np.int64)
    rows = np.flatnonzero(points[:, 2] == heights[cell])
    lowest[cell[rows]] = rows
    return cell, points[lowest[lowest >= 0]]


def _weigh(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Give near points more weight: (M,) float32 in (0, 1]."""
    distance_m = np.hypot(points[:, 0], points[:, 1])
    weights: NDArray[np.float32] = (1 / (1 + (distance_m / _NEAR_M) ** 2)).astype(np.float32)
    return weights


def _choose_plane(lowest: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Let planes z = a x + b y + c compete for L points: (3,) float64 a, b, c."""
    candidates = _propose_planes(lowest)
    stride = -(-len(lowest) // _NUM_SCORED)
    scored, scored_weights = lowest[::stride], weights[::stride]
    homogeneous = np.column_stack([scored[:, :2], np.ones(len(scored), np.float32)])
    residuals = scored[:, 2] - candidates.astype(np.float32) @ homogeneous.T  # (K, L)
    on_plane = np.abs(residuals) <= _TOLERANCE_M
    below = residuals < -_BELOW_M
    score = (on_plane.astype(np.float32) - below) @ scored_weights
    best: NDArray[np.float64] = candidates[int(score.argmax())]
    return best


def _propose_planes(lowest: NDArray[np.float32]) -> NDArray[np.float64]:
    """Planes through three of L points, and horizontal ones: (K, 3) float64.

    Those above the sensor compete, too: where one wins, z points down or the ground is not seen.
    """
    generator = np.random.default_rng(0)
    triples = lowest[generator.integers(0, len(lowest), (_NUM_TRIPLES, 3))].astype(np.float64)
    first, second = triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0]
    normals = np.cross(first, second)
    is_plane = np.abs(normals[:, 2]) > 1.0  # twice the area in square metres, seen from above
    normals, corners = normals[is_plane], triples[is_plane, 0]
    slopes = -normals[:, :2] / normals[:, 2:]
    offsets = corners[:, 2] - (slopes * corners[:, :2]).sum(axis=1)
    levels = np.sort(lowest[:, 2])[np.linspace(0, len(lowest) - 1, _NUM_LEVELS).astype(int)]
    planes = np.concatenate(
        [
            np.column_stack([slopes, offsets]),
            np.column_stack([np.zeros((len(levels), 2)), levels]),
        ]
    )
    is_flat = np.hypot(planes[:, 0], planes[:, 1]) <= np.tan(np.radians(_MAX_TILT_DEG))
    proposed: NDArray[np.float64] = planes[is_flat]
    return proposed


def _refine(
    plane: NDArray[np.float64],
    near: NDArray[np.float32],
    cell: NDArray[np.int64],
    tolerance_m: float,
) -> NDArray[np.float64] | None:
    """Fit a plane to the mean points of the cells that touch it; the farther the less they count.

    All points near the plane are used. The lowest ones alone lie below it by the sensor's noise.
    """
    residuals = _residuals(plane, near)
    touching = np.flatnonzero(np.abs(residuals) <= tolerance_m)
    if len(touching) < _MIN_CELLS:
        return None
    # Tukey's weights let what is not the plane, such as a sidewalk, pull less.
    own = (1 - (residuals[touching] / tolerance_m) ** 2) ** 2 + 1e-3
    cells = cell[touching]
    total = np.bincount(cells, own)
    is_used = total > 0
    total = total[is_used]
    x, y, z = (np.bincount(cells, own * near[touching, axis])[is_used] / total for axis in range(3))
    count = np.bincount(cells)[is_used]
    weights = _weigh(np.column_stack([x, y])) * total / count
    matrix = np.column_stack([x, y, np.ones(len(x))])
    normal_equations = matrix.T @ (matrix * weights[:, None])
    solution: NDArray[np.float64] = np.linalg.pinv(normal_equations, hermitian=True) @ (
        matrix.T @ (weights * z)
    )
    return solution


def _residuals(plane: NDArray[np.float64], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Height of M points above the plane, along z: (M,) float32 metres."""
    slope_x, slope_y, offset = plane.astype(np.float32)
    residuals: NDArray[np.float32] = (
        points[:, 2] - slope_x * points[:, 0] - slope_y * points[:, 1] - offset
    )
    return residuals


def _spread_m(points: NDArray[np.float32]) -> float:
    """Standard deviation of M >= 2 points in x and y, in the direction where it is least."""
    if len(points) < 2:
        return 0.0
    return float(np.sqrt(max(np.linalg.eigvalsh(np.cov(points[:, :2].T))[0], 0.0)))
