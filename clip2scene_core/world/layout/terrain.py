"""Draw the relief of a place: grade, crown, hills, banks, ditches, bumps, kerbs, ground cover."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout import relief
from clip2scene_core.world.layout.road import GRASS, NO_CROSSING, PAVING, Road, road_pose
from clip2scene_core.world.primitives.jit import njit

BESIDE_M: Final = 125.0
"""The grid of heights reaches this far around the path of the ego vehicle."""

RAMP_M: Final = 22.0
"""Hills beside the road reach their full height at this distance from it."""

TARMAC: Final = 0
GRAVEL: Final = 1
DIRT: Final = 2
SLABS: Final = 3
"""Covers of a carriageway or path: asphalt, gravel, bare earth, large concrete slabs; TILES are the
small tiles of a sidewalk."""
TILES: Final = 4

LAWN: Final = 0
MEADOW: Final = 1
DRY_GRASS: Final = 2
SOIL: Final = 3
LITTER: Final = 4
"""Covers of a surface of GRASS: short, long, dry, bare earth, fallen leaves."""


@dataclass(frozen=True)
class GroundStyle:
    """Ranges of the ground of one kind of place; each scene draws its numbers within them.

    Attributes:
        grade: Steepest slope of the road, relative.
        crown: Fall from the middle of the road to its edges, relative.
        hills_m: Height of hills beside the road, metres.
        bumps_m: Height of bumps off the road, metres.
        bank_m: Height of a bank or depth of a ditch beside the road, metres.
        rough_m: Height of the waves of the road itself, metres.
        flush: Probability that a side has no kerb.
        kerb_m: Highest kerb, metres.
        road_covers: Covers of the carriageway to choose from.
        path_covers: Covers of sidewalks and footpaths to choose from.
        has_marks: Whether the carriageway has lane marks.
        bay_m: Width of a marked parking bay, metres, 0 for none.
    """

    grade: float
    crown: float
    hills_m: float
    bumps_m: float
    bank_m: float
    rough_m: float
    flush: float
    kerb_m: float
    road_covers: tuple[int, ...] = (TARMAC,)
    path_covers: tuple[int, ...] = (TILES, TILES, TILES, TARMAC, SLABS)
    has_marks: bool = True
    bay_m: float = 0.0


def with_relief(
    road: Road, length_m: float, style: GroundStyle, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Pack a ground plan with a drawn relief for the compiled functions.

    Args:
        road: Ground plan.
        length_m: Length of the path of the ego vehicle, metres.
        style: What kind of ground.
        rng: Generator of the relief.

    Returns:
        (K,) float64 as `relief` describes it.
    """
    plan = road.as_array()
    x, y = _nodes(road, length_m)
    distance = _lateral(road.curvature, x, y)
    heights = _slopes(x, y, style, rng) + _cross_section(road, distance, x, y, style, rng)
    heights += _beside(road, distance, x, y, style, rng)
    heights -= heights[np.abs(y[:, 0]).argmin(), np.abs(x[0]).argmin()]
    header = np.zeros(relief.GRID_START - relief.FLAT_SIZE)
    _add_cover(header, style, rng)
    if PAVING in (road.left.outer_surface, road.right.outer_surface):
        # A plaza without a joint would look like a carriageway.
        header[relief.PATH_COVER - relief.FLAT_SIZE] = TILES if rng.random() < 0.6 else SLABS
    blocks = _blocks(heights)
    grid = {
        relief.GRID_X: x[0, 0], relief.GRID_Y: y[0, 0],
        relief.GRID_COLUMNS: heights.shape[1], relief.GRID_ROWS: heights.shape[0],
        relief.BLOCK_COLUMNS: blocks.shape[1], relief.BLOCK_ROWS: blocks.shape[0],
        relief.HIGHEST_M: heights.max(),
    }  # fmt: skip
    for index, value in grid.items():
        header[index - relief.FLAT_SIZE] = value
    return np.concatenate([plan, header, heights.ravel(), blocks.ravel()])


def _nodes(road: Road, length_m: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """X and y of the nodes of the grid, (rows, columns) each."""
    stations = np.linspace(0, length_m, 16).tolist()
    path = np.array([road_pose(road.curvature, s, 0.0)[:2] for s in stations])
    low, high = path.min(axis=0) - BESIDE_M, path.max(axis=0) + BESIDE_M
    # A whole number of blocks, so that every node belongs to one.
    size = relief.BLOCK * relief.CELL_M
    counts = np.ceil((high - low) / size).astype(int) * relief.BLOCK + 1
    axes = [low[i] + relief.CELL_M * np.arange(counts[i]) for i in range(2)]
    x, y = np.meshgrid(axes[0], axes[1])
    return x, y


def _lateral(
    curvature: float, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Road coordinate d of the nodes, metres."""
    if abs(curvature) < 1e-7:
        return y
    radius = 1.0 / curvature
    reach = np.hypot(x, y - radius)
    return radius - reach if curvature > 0 else radius + reach


def _ramp(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth step from 0 at 0 to 1 at 1."""
    share = np.clip(value, 0.0, 1.0)
    return share * share * (3 - 2 * share)


def _waves(
    x: NDArray[np.float64], y: NDArray[np.float64], rng: np.random.Generator,
    lengths: tuple[float, float], spread: float, count: int,
) -> NDArray[np.float64]:  # fmt: skip
    """Sum of plane waves whose steepest slope is about 1; `spread` is about the x axis, radians."""
    total = np.zeros(x.shape)
    for _ in range(count):
        length, turn = rng.uniform(*lengths), rng.uniform(-spread, spread)
        k = 2 * math.pi / length
        across = k * math.sin(turn) * y[:, 0] + rng.uniform(0, 2 * math.pi)
        along = k * math.cos(turn) * x[0]
        high = rng.uniform(0.4, 1.0) / k
        # The sine of a sum, so that only the edges of the grid need sines.
        total += np.outer(high * np.cos(across), np.sin(along))
        total += np.outer(high * np.sin(across), np.cos(along))
    return total / (0.5 * count)


def _bumps(
    x: NDArray[np.float64], y: NDArray[np.float64], rng: np.random.Generator, cell_m: float
) -> NDArray[np.float64]:
    """Smooth noise in [-1, 1] on a lattice of cells of this size, metres, of a grid of nodes."""
    u, v = (x[0] - x[0, 0]) / cell_m, (y[:, 0] - y[0, 0]) / cell_m
    lattice = rng.uniform(-1, 1, (int(v[-1]) + 2, int(u[-1]) + 2))
    column, row = u.astype(int), v.astype(int)
    fu, fv = _ramp(u - column), _ramp(v - row)
    return _blended(lattice, column, row, fu, fv)


@njit(cache=True)
def _blended(
    lattice: NDArray[np.float64], column: NDArray[np.int64], row: NDArray[np.int64],
    fu: NDArray[np.float64], fv: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Blend the four corners of a cell of the lattice for every node, (rows, columns)."""
    blended = np.empty((len(row), len(column)))
    for i in range(len(row)):
        low, high = lattice[row[i]], lattice[row[i] + 1]
        for j in range(len(column)):
            k = column[j]
            left = low[k] + fv[i] * (high[k] - low[k])
            right = low[k + 1] + fv[i] * (high[k + 1] - low[k + 1])
            blended[i, j] = left + fu[j] * (right - left)
    return blended


def _slopes(
    x: NDArray[np.float64], y: NDArray[np.float64], style: GroundStyle, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Long slopes along the road, which the road follows, and waves of the road itself."""
    grade = style.grade * float(rng.beta(1.2, 1.2)) * (1.5 if rng.random() < 0.05 else 1.0)
    steady = float(rng.uniform(-0.8, 0.8)) * grade
    total = steady * x + (grade - abs(steady)) * _waves(x, y, rng, (80.0, 240.0), 0.5, 3)
    rough = style.rough_m * float(rng.uniform(0.3, 1.0))
    total += rough * (0.6 * _bumps(x, y, rng, 4.5) + 0.4 * _bumps(x, y, rng, 1.6))
    return total


def _cross_section(
    road: Road, d: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64],
    style: GroundStyle, rng: np.random.Generator,
) -> NDArray[np.float64]:  # fmt: skip
    """Crown or cross-fall of the road, and the slopes of its sidewalks."""
    crown = style.crown * float(rng.uniform(0.3, 1.4))
    tilt = float(rng.uniform(-1.2, 1.2)) * style.crown
    offset = np.abs(d)
    if rng.random() < 0.4:
        crown = 0.2 * crown
    else:
        tilt = 0.15 * tilt
    total = np.zeros(d.shape)
    for side in (-1, 1):
        parking, _, sidewalk = road.ends(side)
        is_side = d * side > 0
        fall = -crown * np.minimum(offset, parking) + tilt * side * np.minimum(offset, sidewalk)
        slope = float(rng.uniform(-0.005, 0.03))
        fall += slope * np.clip(offset - parking, 0.0, sidewalk - parking)
        total += np.where(is_side, fall, 0.0)
    return total * _away_from_crossing(road, x, y)


def _away_from_crossing(
    road: Road, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """0 on the crossing, 1 far from it."""
    if road.crossing_s == NO_CROSSING:
        return np.ones(x.shape)
    crossing_x, crossing_y, heading = road_pose(road.curvature, road.crossing_s, 0.0)
    along = np.abs((x - crossing_x) * math.cos(heading) + (y - crossing_y) * math.sin(heading))
    return _ramp((along - road.crossing_half_m - 1.0) / 9.0)


def _beside(
    road: Road, d: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64],
    style: GroundStyle, rng: np.random.Generator,
) -> NDArray[np.float64]:  # fmt: skip
    """Hills, banks, ditches and bumps off the road."""
    total, away = np.zeros(d.shape), _away_from_crossing(road, x, y)
    hills = _waves(x, y, rng, (50.0, 150.0), math.pi, 4) * (2 * math.pi / 100.0)
    hills *= style.hills_m * float(rng.uniform(0.1, 1.0))
    bumps = 0.3 * _bumps(x, y, rng, 1.3) + 0.5 * _bumps(x, y, rng, 3.1) + _bumps(x, y, rng, 7.0)
    bumps *= 0.6 * style.bumps_m * float(rng.uniform(0.2, 1.0))
    for side in (-1, 1):
        edge = road.ends(side)[2]
        beyond = np.where(d * side > 0, np.abs(d) - edge, -1.0)
        is_soft = (road.left if side > 0 else road.right).outer_surface == GRASS
        soft = 1.0 if is_soft else 0.15
        total += hills * _ramp(beyond / RAMP_M) + soft * bumps * _ramp(beyond / 1.5)
        # Along the road a bank comes and goes.
        length = 0.5 + 0.5 * _bumps(x, y, rng, 28.0)
        high = soft * style.bank_m * float(rng.uniform(-1.0, 1.0)) * length * away
        total += high * _ramp((beyond - 0.6) / float(rng.uniform(2.5, 7.0)))
        if is_soft and rng.random() < 0.4:
            half = float(rng.uniform(0.7, 1.5))
            middle = 0.4 + half + float(rng.uniform(0, 1.0))
            deep = min(0.45 * half, 0.5 * style.bank_m) * float(rng.uniform(0.3, 1.0))
            total -= deep * away * _ramp(1 - np.abs(beyond - middle) / half)
    return total


def _add_cover(header: NDArray[np.float64], style: GroundStyle, rng: np.random.Generator) -> None:
    """Draw kerbs and covers into the header."""
    kerbs = [0.0 if rng.random() < style.flush else rng.uniform(0.02, style.kerb_m + 0.02)
             for _ in range(3)]  # fmt: skip
    # Most streets have the same kerb on both sides.
    if rng.random() < 0.6:
        kerbs[1] = kerbs[0]
    lawns = rng.choice(5, p=(0.4, 0.24, 0.16, 0.1, 0.1), size=2)
    is_rough = bool(np.isin(lawns, (MEADOW, DRY_GRASS)).any())
    values = {
        relief.ROAD_COVER: style.road_covers[int(rng.integers(len(style.road_covers)))],
        relief.HAS_MARKS: style.has_marks,
        relief.BAY_M: style.bay_m,
        relief.PATH_COVER: style.path_covers[int(rng.integers(len(style.path_covers)))],
        relief.LAWN_LEFT: lawns[0],
        relief.LAWN_RIGHT: lawns[1] if rng.random() < 0.4 else lawns[0],
        relief.LAWN_TINT: rng.uniform(0, 1),
        relief.BLADES_M: rng.uniform(0.05, 0.25) if is_rough else rng.uniform(0.01, 0.06),
        relief.KERB_LEFT: kerbs[0], relief.KERB_RIGHT: kerbs[1], relief.KERB_MEDIAN: kerbs[2],
        relief.KERB_HIGHEST: max(kerbs),
    }  # fmt: skip
    for index, value in values.items():
        header[index - relief.FLAT_SIZE] = float(value)


def _blocks(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Highest node and steepest slope of each block of cells, (rows, columns, 2)."""
    size = relief.BLOCK
    rows, columns = (heights.shape[0] - 1) // size, (heights.shape[1] - 1) // size
    blocks = np.full((rows, columns), -np.inf)
    for down in (0, 1):
        for right in (0, 1):
            part = heights[down : down + rows * size, right : right + columns * size]
            part = part.reshape(rows, size, columns, size)
            blocks = np.maximum(blocks, part.max(axis=(1, 3)))
    along = np.abs(np.diff(heights, axis=1))[:-1] / relief.CELL_M
    across = np.abs(np.diff(heights, axis=0))[:, :-1] / relief.CELL_M
    steep = np.maximum(along, across).reshape(rows, size, columns, size).max(axis=(1, 3))
    # A ray runs in any direction, and the slopes of x and y add up.
    return np.stack([blocks, np.minimum(1.3 * steep, 0.8)], axis=-1)
