"""The inner loops of voxels and kernel maps, compiled by numba (an optional dependency).

Import it through `backend`. Each function computes what the torch operations in its caller compute.
Compiled code is kept beside the source, or in the user's cache if that folder cannot be written; if
neither can, the import fails with RuntimeError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., object])


def njit(function: _Function) -> _Function:
    """Compile a function at its first call and keep its code.

    Raises:
        RuntimeError: If there is no folder for its code.
    """
    # Without the interpreter's lock, so that the threads of the middleware run meanwhile.
    return cast("_Function", numba.njit(cache=True, nogil=True, error_model="numpy")(function))


@njit
def find_pairs(keys: Indices, steps: Indices) -> tuple[Indices, Indices, Indices]:
    """Find the pairs of a 3x3x3 neighbourhood; see `kernel_map.neighbor_map`.

    Both the keys and the keys of all neighbours in one column are sorted, so one walk through both
    finds the column. Half of the columns follow by symmetry.

    Args:
        keys: (M,) int64, sorted and unique.
        steps: (4,) int64, key of the lowest neighbour of each column after the own one, less a
            voxel's own key, in the order of the offsets.

    Returns:
        Inputs and outputs of the pairs, (P,) int64 each, by offset and output, and the number of
        pairs of each offset, (27,) int64.
    """
    num_voxels = len(keys)
    # Pairs of the offsets 14 to 26: the next voxel of the own column, then three of each other.
    rows = np.empty((13, num_voxels), np.int32)
    found = np.empty((13, num_voxels), np.int32)
    upper = np.zeros(13, np.int64)
    for row in range(num_voxels - 1):
        rows[0, upper[0]], found[0, upper[0]] = row, row + 1
        upper[0] += keys[row + 1] == keys[row] + 1
    for column in range(4):
        position, offset = 0, 1 + 3 * column
        for row in range(num_voxels):
            wanted = keys[row] + steps[column]
            while position < num_voxels and keys[position] < wanted:
                position += 1
            neighbor = position
            for dz in range(3):
                if neighbor < num_voxels and keys[neighbor] == wanted + dz:
                    pair = upper[offset + dz]
                    rows[offset + dz, pair], found[offset + dz, pair] = row, neighbor
                    upper[offset + dz] = pair + 1
                    neighbor += 1
    counts = np.empty(27, np.int64)
    counts[13] = num_voxels
    for offset in range(13):
        counts[12 - offset] = counts[14 + offset] = upper[offset]
    num_pairs = counts.sum()
    inputs, outputs = np.empty(num_pairs, np.int64), np.empty(num_pairs, np.int64)
    starts = np.cumsum(counts) - counts
    inputs[starts[13] : starts[14]] = outputs[starts[13] : starts[14]] = np.arange(num_voxels)
    for offset in range(13):
        above, below = starts[14 + offset], starts[12 - offset]
        for pair in range(upper[offset]):
            row, neighbor = rows[offset, pair], found[offset, pair]
            inputs[above + pair], outputs[above + pair] = neighbor, row
            inputs[below + pair], outputs[below + pair] = row, neighbor
    return inputs, outputs, counts


@njit
def find_parents(keys: Indices, field_bits: int) -> tuple[Indices, Indices, Indices, Indices]:
    """Find the voxels of the next coarser level; see `kernel_map.downsample_map`.

    Voxels with the same lowest bits have different parents, in their own order. So one walk through
    the eight kinds of voxels at a time meets the parents in order.

    Args:
        keys: (M,) int64 packed keys, sorted and unique.
        field_bits: Bits of a field of a key; see `packed_keys`.

    Returns:
        Keys of the parents, sorted; (M,) the parent of each voxel; (M,) voxels by their lowest bits
        [x, y, z]; and how many have which, (8,): int64 each.
    """
    lowest = (1 << 2 * field_bits) | (1 << field_bits) | 1
    mask = (1 << field_bits) - 1
    bias = 1 << (field_bits - 2)  # halving a field halves its bias, too
    biases = bias * lowest
    halves, slots = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
    counts = np.zeros(8, np.int64)
    for row in range(len(keys)):
        key = keys[row]
        x, y, z = key >> 2 * field_bits & mask, key >> field_bits & mask, key & mask
        batch = key >> 3 * field_bits
        column = (batch << field_bits | x >> 1) << field_bits | y >> 1
        halves[row] = (column << field_bits | z >> 1) + biases
        slots[row] = 4 * (x & 1) + 2 * (y & 1) + (z & 1)
        counts[slots[row]] += 1
    ends = np.cumsum(counts)
    heads = ends - counts
    order, place = np.empty(len(keys), np.int64), heads.copy()
    for row in range(len(keys)):
        order[place[slots[row]]] = row
        place[slots[row]] += 1
    parents, parent_index = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
    num_parents, past_any = 0, np.iinfo(np.int64).max
    while True:
        parent = past_any
        for slot in range(8):
            if heads[slot] < ends[slot]:
                parent = min(parent, halves[order[heads[slot]]])
        if parent == past_any:
            return parents[:num_parents].copy(), parent_index, order, counts
        for slot in range(8):
            if heads[slot] < ends[slot] and halves[order[heads[slot]]] == parent:
                parent_index[order[heads[slot]]] = num_parents
                heads[slot] += 1
        parents[num_parents] = parent
        num_parents += 1


@njit
def fill_table(inputs: Indices, outputs: Indices, counts: Indices, num_rows: int) -> Indices:
    """Write pairs into a table: (num_rows, K) int64 inputs, -1 where there is none."""
    table = np.full((num_rows, len(counts)), -1, np.int64)
    pair = 0
    for offset in range(len(counts)):
        for _ in range(counts[offset]):
            table[outputs[pair], offset] = inputs[pair]
            pair += 1
    return table


@njit
def order_by_output(outputs: Indices, num_outputs: int) -> tuple[Indices, Indices]:
    """Sort pairs (P,) by output, stably: their order (P,) and the start of each output in it."""
    starts = np.zeros(num_outputs + 1, np.int64)
    for output in outputs:
        starts[output + 1] += 1
    starts = np.cumsum(starts)[:-1]
    place, order = starts.copy(), np.empty(len(outputs), np.int64)
    for pair in range(len(outputs)):
        order[place[outputs[pair]]] = pair
        place[outputs[pair]] += 1
    return order, starts


@njit
def find_corners(
    positions: NDArray[np.float32],
    coordinates: NDArray[np.int32],
    voxel_index: Indices,
    table: Indices,
    stride: int,
    is_corner: bool,
    epsilon: float,
) -> tuple[Indices, NDArray[np.float32], Indices]:
    """Find the eight voxels around each point and their weights; see `voxelize.PointsOnLevel`.

    Args:
        positions: (N, 3) float32, in voxels of the finest level.
        coordinates: (M, 4) int32 of this level.
        voxel_index: (N,) int64 row of the voxel of each point.
        table: (M, 27) int64 neighbours.
        stride: Edge of a voxel of this level, in voxels of the finest level.
        is_corner: Features lie at the lowest corners, not at the centres.
        epsilon: Added to the sum of the weights.

    Returns:
        Rows (N, 8) int64, weights (N, 8) float32, and points in each voxel, (M,) int64.
    """
    num_points = len(positions)
    corners = np.empty((num_points, 8), np.int64)
    weights = np.empty((num_points, 8), np.float32)
    counts = np.zeros(len(coordinates), np.int64)
    far = np.empty(3, np.float32)
    step = np.empty(3, np.int64)
    one, half = np.float32(1), np.float32(0.5)
    for point in range(num_points):
        voxel = voxel_index[point]
        counts[voxel] += 1
        unit = 9
        for axis in range(3):
            own = np.float32(coordinates[voxel, axis + 1])
            inside = positions[point, axis] / np.float32(stride) - own
            step[axis] = unit
            if not is_corner:
                inside -= half
                if inside < 0:
                    inside, step[axis] = -inside, -unit
            far[axis] = inside
            unit //= 3
        total = np.float32(epsilon)
        for corner in range(8):
            neighbor, weight = 13, one
            for axis in range(3):
                if corner >> axis & 1:
                    neighbor += step[axis]
                    weight *= far[axis]
                else:
                    weight *= one - far[axis]
            row = table[voxel, neighbor]
            if row < 0:
                row, weight = 0, np.float32(0)
            corners[point, corner], weights[point, corner] = row, weight
            total += weight
        for corner in range(8):
            weights[point, corner] /= total
    return corners, weights, counts
