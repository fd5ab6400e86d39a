"""Free space: find the voxels that a sweep saw through to a surface behind them."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.sparse.backend import compiled_module

_PIXEL_RAD = math.radians(0.5)
_NUM_COLUMNS = round(2 * math.pi / _PIXEL_RAD)
# Beams of a 32-beam LiDAR are 1.3 degrees apart, so at most three pixels between two beams are
# empty. The slope of a surface may need the next beam but one.
_GAP_ROWS = 3
_SLOPE_ROWS, _SLOPE_COLUMNS = 5, 2
_RANGE_NOISE_M = 0.1

Image = NDArray[np.float32]  # (rows, columns), row 0 is the lowest
_Pixel = TypeVar("_Pixel", np.float32, np.int64, np.bool_)


def seen_through(
    points: NDArray[np.float32], centers: NDArray[np.float32], size_m: float
) -> NDArray[np.bool_]:
    """Find the cubes in the free space between the LiDAR and the measured surfaces.

    The sweep becomes a range image with half a degree per pixel. A cube is seen through if the
    surface in the direction of its centre is behind it by more than two margins: `size_m`, and the
    change of the surface's range over an angle as wide as the cube. The second margin protects
    surfaces at a grazing angle: a ray that ends on the road passes just above metres of road. A
    cube between two beams must be free for both beams.

    Args:
        points: (N, 3) float32, metres, LiDAR frame, finite: the ends of the rays.
        centers: (V, 3) float32, centres of the cubes, metres, LiDAR frame.
        size_m: Edge of a cube, metres.

    Returns:
        (V,) bool, whether a cube is seen through.
    """
    if len(points) == 0 or len(centers) == 0:
        return np.zeros(len(centers), dtype=bool)
    range_m, azimuth, elevation = _spherical(torch.from_numpy(points))
    lowest = float(elevation.min())
    rows = ((elevation - lowest) / _PIXEL_RAD).int()
    image = _draw(range_m, rows, _columns(azimuth))
    begin_m, end_m = _free_intervals(image, size_m)

    range_m, azimuth, elevation = _spherical(torch.from_numpy(centers))
    rows = (elevation - lowest) / _PIXEL_RAD
    inside = (rows >= 0) & (rows < len(image))
    pixels = rows.clamp(0, len(image) - 1).int() * _NUM_COLUMNS + _columns(azimuth)
    begins, ends = (torch.from_numpy(m).flatten().index_select(0, pixels) for m in (begin_m, end_m))
    result: NDArray[np.bool_] = (inside & (range_m > begins) & (range_m < ends)).numpy()
    return result


def _spherical(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points (N, 3) -> range in metres, azimuth and elevation in radians, each (N,) float32."""
    x, y, z = points.T.contiguous()  # columns one by one would not be vectorised
    across = torch.hypot(x, y)
    return torch.hypot(across, z), torch.atan2(y, x), torch.atan2(z, across)


def _columns(azimuth: Tensor) -> Tensor:
    """Column of the range image for each azimuth in radians, (N,) int32."""
    # By rounding, an azimuth of pi can be beyond the last column.
    return ((azimuth + math.pi) / _PIXEL_RAD).int().clamp(0, _NUM_COLUMNS - 1)


def _draw(range_m: Tensor, rows: Tensor, columns: Tensor) -> Image:
    """Range image: the range of the nearest point in each pixel, metres; infinite if empty."""
    image = torch.full((int(rows.max()) + 1, _NUM_COLUMNS), math.inf)
    pixels = rows.long() * _NUM_COLUMNS + columns
    image.view(-1).scatter_reduce_(0, pixels, range_m, "amin")
    nearest: Image = image.numpy()
    return nearest


def _free_intervals(image: Image, size_m: float) -> tuple[Image, Image]:
    """Interval of ranges in which cubes of each pixel are seen through: begin and end, metres."""
    compiled = compiled_module("mapping.compiled")
    if compiled is None:
        return _free_interval(image, _slope(image), size_m)
    intervals: tuple[Image, Image] = compiled.find_free_intervals(
        image, size_m, _RANGE_NOISE_M, _PIXEL_RAD, _SLOPE_ROWS, _SLOPE_COLUMNS, _GAP_ROWS
    )
    return intervals


def _slope(image: Image) -> Image:
    """Largest decrease of range from each pixel to a neighbour, metres per radian, at least 0.

    Infinite if no pixel above or below is measured.
    """
    slope = np.zeros_like(image)
    has_neighbor = np.zeros(image.shape, dtype=bool)
    for axis, reach in ((0, _SLOPE_ROWS), (1, _SLOPE_COLUMNS)):
        for way in (-1, 1):
            neighbor, steps = _shift(image, way, axis), np.ones_like(image)
            for step in range(2, reach + 1):
                is_empty = np.isinf(neighbor)
                steps[is_empty] = step
                neighbor[is_empty] = _shift(image, way * step, axis)[is_empty]
            is_known = np.isfinite(neighbor)
            with np.errstate(invalid="ignore"):  # two empty pixels
                nearer = (image - neighbor) / (steps * np.float32(_PIXEL_RAD))
            slope = np.maximum(slope, np.where(is_known, nearer, 0))
            if axis == 0:
                has_neighbor |= is_known
    slope[~has_neighbor] = np.inf
    return slope


def _free_interval(image: Image, slope: Image, size_m: float) -> tuple[Image, Image]:
    """Interval of ranges in which cubes of each pixel are seen through: begin and end, metres.

    A cube at range r is seen through if r + size * (1 + slope / r) + noise is less than the
    measured range. So r is between the roots of a quadratic equation, or the interval is empty.
    """
    is_measured = np.isfinite(image)
    reach = np.where(is_measured, image - np.float32(size_m + _RANGE_NOISE_M), 0)
    square = reach**2 - np.float32(4 * size_m) * slope
    is_clear = is_measured & (reach > 0) & (square > 0)
    root = np.sqrt(np.where(is_clear, square, 0))
    begin_m = np.where(is_clear, (reach - root) / 2, np.float32(np.inf))
    end_m = np.where(is_clear, (reach + root) / 2, np.float32(0))
    below, above = (_next_beam(is_measured, way) for way in (1, -1))
    begin_m, end_m = begin_m.ravel(), end_m.ravel()
    return np.maximum(begin_m[below], begin_m[above]), np.minimum(end_m[below], end_m[above])


def _next_beam(is_measured: NDArray[np.bool_], way: int) -> NDArray[np.int64]:
    """Index of the nearest measured pixel, from each pixel downwards (way 1) or upwards (-1).

    If there is none, a pixel beside it, else its own index.
    """
    own = np.arange(is_measured.size).reshape(is_measured.shape)
    found, is_found = own.copy(), is_measured.copy()
    for step in range(1, _GAP_ROWS + 1):
        is_next = _shift(is_measured, way * step, 0, False) & ~is_found
        found[is_next] = own[is_next] - way * step * _NUM_COLUMNS
        is_found |= is_next
    for step in (-1, 1):
        is_next = _shift(is_found, step, 1) & ~is_found
        found[is_next] = _shift(found, step, 1)[is_next]
        is_found |= is_next
    return found


def _shift(
    image: NDArray[_Pixel], step: int, axis: int, outside: float = np.inf
) -> NDArray[_Pixel]:
    """Move an image by a number of pixels; columns wrap around, rows do not."""
    moved: NDArray[_Pixel] = np.roll(image, step, axis=axis)
    if axis == 0:
        moved[: max(step, 0)] = outside
        moved[len(moved) + min(step, 0) :] = outside
    return moved
