"""The inner loop of `free_space`, compiled by numba (an optional dependency).

It computes what the NumPy operations there compute, to the bit. See `sparse.backend`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.sparse.compiled import njit

Image = NDArray[np.float32]


@njit
def find_free_intervals(
    image: Image,
    size_m: float,
    noise_m: float,
    pixel_rad: float,
    slope_rows: int,
    slope_columns: int,
    gap_rows: int,
) -> tuple[Image, Image]:
    """Find in which ranges cubes of each pixel are seen through; see `free_space`.

    Args:
        image: (rows, columns) float32 ranges, metres, infinite where nothing was measured.
        size_m: Edge of a cube, metres.
        noise_m: Added to the edge, metres.
        pixel_rad: Angle from a pixel to the next, radians.
        slope_rows: How far a surface may be followed upwards and downwards, pixels.
        slope_columns: The same to both sides.
        gap_rows: Empty pixels that may lie between two beams.

    Returns:
        Begin and end of the interval, (rows * columns,) float32 each, metres.
    """
    num_rows, num_columns = image.shape
    infinite = np.float32(np.inf)
    begin_m = np.full((num_rows, num_columns), infinite, np.float32)
    end_m = np.zeros((num_rows, num_columns), np.float32)
    margin = np.float32(size_m + noise_m)
    four_sizes, pixel = np.float32(4 * size_m), np.float32(pixel_rad)
    # The nearest measured pixel of each pixel's column, below and above it; -1 if there is none.
    beams = np.full((2, num_rows, num_columns), -1, np.int32)
    for row in range(num_rows):
        for column in range(num_columns):
            range_m = image[row, column]
            if range_m == infinite:
                for side in range(2):
                    way = 2 * side - 1
                    for step in range(1, gap_rows + 1):
                        other = row + way * step
                        if 0 <= other < num_rows and image[other, column] < infinite:
                            beams[side, row, column] = other * num_columns + column
                            break
                continue
            beams[0, row, column] = beams[1, row, column] = row * num_columns + column
            slope, has_neighbor = np.float32(0), False
            for way in (-1, 1):
                for step in range(1, slope_rows + 1):
                    other = row + way * step
                    if not 0 <= other < num_rows:
                        break
                    if image[other, column] < infinite:
                        nearer = range_m - image[other, column]
                        slope = max(slope, nearer / (np.float32(step) * pixel))
                        has_neighbor = True
                        break
                for step in range(1, slope_columns + 1):
                    other = (column + way * step) % num_columns
                    if image[row, other] < infinite:
                        nearer = range_m - image[row, other]
                        slope = max(slope, nearer / (np.float32(step) * pixel))
                        break
            reach = range_m - margin
            square = reach * reach - four_sizes * (slope if has_neighbor else infinite)
            if reach > 0 and square > 0:
                root = np.sqrt(square)
                begin_m[row, column] = (reach - root) / np.float32(2)
                end_m[row, column] = (reach + root) / np.float32(2)
    begins, ends = begin_m.ravel(), end_m.ravel()
    all_begins, all_ends = np.empty_like(begins), np.empty_like(ends)
    for row in range(num_rows):
        for column in range(num_columns):
            own = row * num_columns + column
            begin, end = np.float32(0), infinite
            for side in range(2):
                beam = beams[side, row, column]
                if beam < 0:
                    beam = beams[side, row, (column + 1) % num_columns]
                if beam < 0:
                    beam = beams[side, row, (column - 1) % num_columns]
                if beam < 0:
                    beam = own
                begin, end = max(begin, begins[beam]), min(end, ends[beam])
            all_begins[own], all_ends[own] = begin, end
    return all_begins, all_ends
