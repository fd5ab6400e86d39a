"""Sparse convolutions tile by tile, compiled by numba (an optional dependency, as is scipy).

Import it through `backend`. Tiles are independent of each other, so threads can share them.

Matrix products are those of the BLAS of scipy, which numba calls. Products as small as these take
it a third of torch's time. The import fails with ImportError if scipy is missing.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401, numba looks it up when it compiles np.dot
from numpy.typing import NDArray

from clip2scene_core.sparse.compiled import Indices, njit
from clip2scene_core.sparse.tiles import TILE_ROWS

Rows = NDArray[np.float32]
"""(M, F) float32, contiguous."""

# OpenBLAS gives a product with more multiplications to threads of its own, whose start takes longer
# than the product.
_MAX_PRODUCT = 1 << 18


@njit
def find_starts(outputs: Indices, num_pairs: Indices, num_outputs: int) -> Indices:
    """Find where the pairs of each tile begin.

    Args:
        outputs: (P,) int64, output of each pair, by offset, ascending in each.
        num_pairs: (K,) int64.
        num_outputs: Number of output rows.

    Returns:
        (T + 1, K) int64, see `Tiles`.
    """
    num_tiles = (num_outputs + TILE_ROWS - 1) // TILE_ROWS
    starts = np.empty((num_tiles + 1, len(num_pairs)), np.int64)
    pair = end = 0
    for offset in range(len(num_pairs)):
        end += num_pairs[offset]
        for tile in range(num_tiles + 1):
            while pair < end and outputs[pair] < tile * TILE_ROWS:
                pair += 1
            starts[tile, offset] = pair
    return starts


@njit
def convolve_tiles(
    features: Rows,
    weight: NDArray[np.float32],
    inputs: Indices,
    outputs: Indices,
    starts: Indices,
    identity: int,
    shift: NDArray[np.float32],
    residual: Rows,
    first: int,
    last: int,
    convolved: Rows,
) -> None:
    """Convolve the tiles from `first` to before `last`; see `tiled_conv.convolve`.

    Args:
        features: (num_inputs, C_in).
        weight: (K, C_in, C_out) float32, contiguous.
        inputs: (P,) int64, input of each pair.
        outputs: (P,) int64, output of each pair.
        starts: (T + 1, K) int64, see `Tiles`.
        identity: Offset that maps every row to itself; -1 if there is none.
        shift: (C_out,) float32, added to every row before ReLU; empty: neither follows.
        residual: (num_outputs, C_out), added before ReLU; empty if there is none.
        first: A tile.
        last: Another one, at most T.
        convolved: (num_outputs, C_out); the rows of these tiles are written.
    """
    num_offsets, num_in, num_out = weight.shape
    gathered = np.empty((TILE_ROWS, num_in), np.float32)
    products = np.empty((TILE_ROWS, num_out), np.float32)
    for tile in range(first, last):
        begin, end = tile * TILE_ROWS, min(len(convolved), (tile + 1) * TILE_ROWS)
        if identity < 0:
            convolved[begin:end] = 0
        else:
            _multiply(features[begin:end], weight[identity], convolved[begin:end])
        for offset in range(num_offsets):
            start, count = starts[tile, offset], starts[tile + 1, offset] - starts[tile, offset]
            if offset == identity or count == 0:
                continue
            _gather(features, inputs[start : start + count], gathered)
            _multiply(gathered[:count], weight[offset], products[:count])
            for pair in range(count):
                output = outputs[start + pair]
                for column in range(num_out):
                    convolved[output, column] += products[pair, column]
        if len(shift):
            _finish(convolved[begin:end], shift, residual[begin:end])


@njit
def correlate_tiles(
    features: Rows,
    gradients: Rows,
    inputs: Indices,
    outputs: Indices,
    starts: Indices,
    first: int,
    last: int,
    correlated: NDArray[np.float32],
) -> None:
    """Add the gradient of the weight that comes from the tiles from `first` to before `last`.

    Args:
        features: (num_inputs, C_in).
        gradients: (num_outputs, C_out) of the outputs.
        inputs: (P,) int64, input of each pair.
        outputs: (P,) int64, output of each pair.
        starts: (T + 1, K) int64, see `Tiles`.
        first: A tile.
        last: Another one, at most T.
        correlated: (K, C_in, C_out) float32, contiguous; added to.
    """
    num_offsets, num_in, num_out = correlated.shape
    rows_at_once = max(1, min(2 * TILE_ROWS, _MAX_PRODUCT // (num_in * num_out)))
    gathered = np.empty((rows_at_once, num_in), np.float32)
    gathered_gradients = np.empty((rows_at_once, num_out), np.float32)
    product = np.empty((num_in, num_out), np.float32)
    for offset in range(num_offsets):
        start, end = starts[first, offset], starts[last, offset]
        for begin in range(start, end, rows_at_once):
            count = min(end - begin, rows_at_once)
            _gather(features, inputs[begin : begin + count], gathered)
            _gather(gradients, outputs[begin : begin + count], gathered_gradients)
            np.dot(gathered[:count].T, gathered_gradients[:count], product)
            correlated[offset] += product


@njit
def _gather(rows: Rows, index: Indices, gathered: Rows) -> None:
    """Copy rows of an index to the first rows of a buffer."""
    for place in range(len(index)):
        source = index[place]
        for column in range(rows.shape[1]):
            gathered[place, column] = rows[source, column]


@njit
def _finish(rows: Rows, shift: NDArray[np.float32], residual: Rows) -> None:
    """Compute relu(rows + shift + residual) in place; without a residual if it has no rows."""
    for row in range(len(rows)):
        for column in range(len(shift)):
            rows[row, column] += shift[column]
        if len(residual):
            for column in range(len(shift)):
                rows[row, column] += residual[row, column]
        for column in range(len(shift)):
            # Not max(): what is not a number stays so, as in torch.
            if rows[row, column] < 0:
                rows[row, column] = 0


@njit
def _multiply(rows: Rows, matrix: NDArray[np.float32], products: Rows) -> None:
    """Write rows @ matrix to `products`, in parts that stay in this thread."""
    rows_at_once = max(1, _MAX_PRODUCT // matrix.size)
    for begin in range(0, len(rows), rows_at_once):
        end = min(len(rows), begin + rows_at_once)
        np.dot(rows[begin:end], matrix, products[begin:end])
