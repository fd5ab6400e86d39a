"""Free space: which places a sweep saw through, because it measured something behind them."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_PIXEL_RAD = math.radians(0.5)
_NUM_COLUMNS = round(2 * math.pi / _PIXEL_RAD)
# Beams of a 32-beam LiDAR are 1.3 degrees apart: between two of them three pixels are empty at
# most, and the next beam that tells how steeply a surface comes nearer may be twice as far.
_GAP_ROWS = 3
_SLOPE_ROWS, _SLOPE_COLUMNS = 5, 2
_RANGE_NOISE_M = 0.1

Image = NDArray[np.float32]  # (rows, columns), row 0 is the lowest
_Pixel = TypeVar("_Pixel", np.float32, np.int64, np.bool_)


def seen_through(
    points: NDArray[np.float32], centers: NDArray[np.float32], size_m: float
) -> NDArray[np.bool_]:
    """Tell which cubes lie in the free space between the sensor and what it measured.

    The sweep becomes a range image of half a degree per pixel. A cube is seen through if what was
    measured in the direction of its centre lies behind it by more than `size_m`, and by more than
    the measured surface comes nearer over an angle as wide as the cube. The second margin protects
    what is seen at a grazing angle: a ray that ends on the road passes close above metres of it.
    Between two beams both of them must have passed.

    Args:
        points: (N, 3) float32, metres, LiDAR frame, finite: where rays ended.
        centers: (V, 3) float32, metres, LiDAR frame.
        size_m: Edge of a cube.

    Returns:
        (V,) bool.
    """
    if len(points) == 0 or len(centers) == 0:
        return np.zeros(len(centers), dtype=bool)
    range_m, azimuth, elevation = _spherical(torch.from_numpy(points))
    lowest = float(elevation.min())
    rows = ((elevation - lowest) / _PIXEL_RAD).int()
    image = _draw(range_m, rows, _columns(azimuth))
    begin_m, end_m = _free_interval(image, _slope(image), size_m)

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
    # Rounding may carry half a turn beyond the last column.
    return ((azimuth + math.pi) / _PIXEL_RAD).int().clamp(0, _NUM_COLUMNS - 1)


def _draw(range_m: Tensor, rows: Tensor, columns: Tensor) -> Image:
    """Image of the range of the nearest point in each pixel, infinite where there is none."""
    image = torch.full((int(rows.max()) + 1, _NUM_COLUMNS), math.inf)
    pixels = rows.long() * _NUM_COLUMNS + columns
    image.view(-1).scatter_reduce_(0, pixels, range_m, "amin")
    nearest: Image = image.numpy()
    return nearest


def _slope(image: Image) -> Image:
    """Metres per radian by which the surface around each pixel comes nearer, at least 0.

    Infinite where no pixel above or below tells.
    """
    slope = np.zeros_like(image)
    is_told = np.zeros(image.shape, dtype=bool)
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
                is_told |= is_known
    slope[~is_told] = np.inf
    return slope


def _free_interval(image: Image, slope: Image, size_m: float) -> tuple[Image, Image]:
    """Ranges between which cubes in each pixel are seen through: begin and end in metres.

    A cube at range r is, if r + size * (1 + slope / r) + noise is less than what was measured:
    between the roots of a quadratic equation, or nowhere.
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
    """Index of the nearest pixel that was measured, from each pixel downwards (1) or upwards (-1).

    Or beside it; its own index where there is none.
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
    """Move an image by a number of pixels; columns go round, rows do not."""
    moved: NDArray[_Pixel] = np.roll(image, step, axis=axis)
    if axis == 0:
        moved[: max(step, 0)] = outside
        moved[len(moved) + min(step, 0) :] = outside
    return moved
