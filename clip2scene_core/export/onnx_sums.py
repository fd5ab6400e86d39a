"""Sums over rows of equal number in ONNX, the same in every run; needs onnxscript.

torch writes them as one ScatterND with an addition. In ONNX Runtime several threads then add to one
row at a time, and some of what they add is lost: some points of some sweeps get other logits in
another run. Its ScatterElements runs on one thread, and takes seventy times as long. Here rows lie
in the order of their numbers, and a sum is the difference of two running sums, of 64 bits, which
are exact to more digits than the rows have.
"""

from collections.abc import Callable
from typing import Any, Final

import torch
from onnxscript import opset18 as op

_NUM_CORNERS: Final = 8
_DOUBLE: Final = 11  # of ONNX's types


def _sum_bags(
    weight: Any,
    indices: Any,
    offsets: Any,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> Any:
    """Translate `embedding_bag` as this package calls it: sums, and no bag is empty."""
    one = op.Constant(value_ints=[1])
    rows = op.Gather(weight, indices, axis=0)
    if per_sample_weights is None:
        sums = _sum_runs(
            rows,
            op.Concat(op.Slice(offsets, one, op.Shape(offsets)), op.Shape(rows, end=1), axis=0),
        )
    else:  # an interpolation, whose bags have the eight corners around a point
        weighted = op.Mul(rows, op.Unsqueeze(per_sample_weights, one))
        corners = op.Constant(value_ints=[-1, _NUM_CORNERS])
        shape = op.Concat(corners, op.Shape(weight, start=1), axis=0)
        sums = op.ReduceSum(op.Reshape(weighted, shape), one, keepdims=0)
    # The operator has three more results, which nobody reads.
    return sums, op.Identity(offsets), op.Identity(offsets), op.Identity(offsets)


def _put_rows(base: Any, indices: Any, rows: Any, accumulate: bool = False) -> Any:
    """Translate `index_put` as `index_add` becomes one: rows are added where numbers say."""
    assert accumulate
    zero, one = op.Constant(value_ints=[0]), op.Constant(value_ints=[1])
    (numbers,) = indices
    size = op.Shape(numbers)
    numbers, order = op.TopK(numbers, size, largest=0)
    before, after = op.Slice(numbers, zero, op.Sub(size, one)), op.Slice(numbers, one, size)
    begins = op.Not(op.Equal(before, after))
    begins = op.Add(op.Reshape(op.NonZero(begins), op.Constant(value_ints=[-1])), one)
    ends = op.Concat(begins, size, axis=0)
    sums = _sum_runs(op.Gather(rows, order, axis=0), ends)
    # Every number is there once, so no two rows are added at one place.
    targets = op.Unsqueeze(op.Gather(numbers, op.Sub(ends, one)), one)
    return op.ScatterND(base, targets, sums, reduction="add")


def _sum_runs(rows: Any, ends: Any) -> Any:
    """Sum the rows from each end (M,), exclusive, back to the one before: (R, C) -> (M, C)."""
    zero, one = op.Constant(value_ints=[0]), op.Constant(value_ints=[1])
    running = op.CumSum(op.Cast(rows, to=_DOUBLE), op.Constant(value_int=0))
    upto = op.Gather(running, op.Sub(ends, one), axis=0)
    nothing = op.Expand(op.CastLike(zero, upto), op.Concat(one, op.Shape(rows, start=1), axis=0))
    before = op.Concat(nothing, op.Slice(upto, zero, op.Constant(value_ints=[-1])), axis=0)
    return op.CastLike(op.Sub(upto, before), rows)


TRANSLATIONS: Final[dict[Any, Callable[..., Any]]] = {
    torch.ops.aten.embedding_bag.padding_idx: _sum_bags,
    torch.ops.aten.index_put.default: _put_rows,
}
"""For `torch.onnx.export`."""
