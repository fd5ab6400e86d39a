"""Sparse 3D convolutions, in plain torch on any device; on a CPU `tiled_conv` does most of them.

All three kinds are one operation over a kernel map: gather input rows, multiply them by the weight
of their offset, add them to output rows. `sparse_convolution` chooses who computes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from clip2scene_core.sparse import tiled_conv
from clip2scene_core.sparse.kernel_map import KernelMap
from clip2scene_core.sparse.tensor import SparseTensor, VoxelLevel

# With more output numbers, the buffer of all products is far larger than the caches.
_MAX_BUFFERED_OUTPUT = 2_000_000
# oneDNN, which multiplies bfloat16 on a CPU, compiles and keeps code for every number of rows. So
# numbers of rows are rounded up to multiples of this, or of larger powers of two.
_ROW_STEP = 64


@dataclass(frozen=True, eq=False)
class Finish:
    """What follows a convolution whose norm is folded: shift, shortcut, ReLU. No gradients pass.

    Attributes:
        shift: (C_out,) float, added to every row.
        residual: (num_outputs, C_out) float, the other side of a shortcut, added after the shift;
            None if there is none.
    """

    shift: Tensor
    residual: Tensor | None = None

    def apply(self, convolved: Tensor) -> Tensor:
        """Finish rows (num_outputs, C_out) in place."""
        convolved += self.shift
        if self.residual is not None:
            convolved += self.residual
        return F.relu(convolved, inplace=True)


def sparse_convolution(
    features: Tensor, weight: Tensor, kernel_map: KernelMap, finish: Finish | None = None
) -> Tensor:
    """Convolve sparse features: out[output] += features[input] @ weight[offset] for all pairs.

    Args:
        features: (num_inputs, C_in) float.
        weight: (K, C_in, C_out), same dtype. Under autocast, both are cast to its dtype, or to
            float32 where that is the faster way.
        kernel_map: Pairs of input and output rows of the K offsets.
        finish: What is done to the outputs in the same pass; None: nothing.

    Returns:
        (num_outputs, C_out), same dtype. bfloat16 products are summed in float32.
    """
    device_type = features.device.type
    if torch.is_autocast_enabled(device_type):
        # Few numbers are faster in float32, tile by tile.
        is_tiled = tiled_conv.is_tiled(weight, backward=True)
        dtype = torch.float32 if is_tiled else torch.get_autocast_dtype(device_type)
        features, weight = features.to(dtype), weight.to(dtype)
    if finish is not None and tiled_conv.is_tiled(weight):
        residual = None if finish.residual is None else finish.residual.float()
        return tiled_conv.convolve(features, weight, kernel_map, finish.shift, residual)
    convolved: Tensor = _SparseConvolution.apply(features, weight, kernel_map)  # type: ignore[no-untyped-call]
    return convolved if finish is None else finish.apply(convolved)


class _SparseConvolution(torch.autograd.Function):
    """Has its own backward: autograd through the loop over offsets is 1.2 to 1.7 times slower."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.kernel_map = kernel_map
        if tiled_conv.is_tiled(weight):
            return tiled_conv.convolve(features, weight, kernel_map)
        if _fits_buffer(kernel_map.num_outputs, weight.shape[2]):
            return _convolve_buffered(features, weight, kernel_map)
        return _convolve(features, weight, kernel_map)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, weight = ctx.saved_tensors
        kernel_map = ctx.kernel_map
        needs_features, needs_weight, _ = ctx.needs_input_grad
        is_tiled = tiled_conv.is_tiled(weight, backward=True)
        is_buffered = not is_tiled and _fits_buffer(kernel_map.num_inputs, weight.shape[1])
        if is_buffered and needs_features and needs_weight:
            return *_gradients_buffered(features, weight, grad_output, kernel_map), None
        convolve = tiled_conv.convolve if is_tiled else _convolve
        correlate = tiled_conv.correlate if is_tiled else _correlate
        grad_features = grad_weight = None
        if needs_features:
            grad_features = convolve(grad_output, weight.transpose(1, 2), kernel_map.transposed)
        if needs_weight:
            grad_weight = correlate(features, grad_output, kernel_map)
        return grad_features, grad_weight, None


def _fits_buffer(num_rows: int, num_features: int) -> bool:
    """Whether the products that are summed to so many rows are worth a buffer of all of them."""
    return 0 < num_rows * num_features < _MAX_BUFFERED_OUTPUT


def _convolve(features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
    sum_dtype = torch.promote_types(features.dtype, torch.float32)
    if kernel_map.identity_offset is None:
        output = features.new_zeros((kernel_map.num_outputs, weight.shape[2]), dtype=sum_dtype)
    else:
        output = (features @ weight[kernel_map.identity_offset]).to(sum_dtype)
    input_slices = kernel_map.split(kernel_map.input_index)
    output_slices = kernel_map.split(kernel_map.output_index)
    slices = zip(input_slices, output_slices, weight.unbind(), strict=True)
    for offset, (inputs, outputs, offset_weight) in enumerate(slices):
        if offset != kernel_map.identity_offset and len(inputs):
            products = features.index_select(0, inputs) @ offset_weight
            output.index_add_(0, outputs, products.to(sum_dtype))
    return output.to(features.dtype)


def _convolve_buffered(features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
    """Write the products of all pairs to one buffer, then sum it by output in one pass."""
    gather = _Gather(features, kernel_map)
    products = features.new_empty((gather.num_pair_rows, weight.shape[2]))
    slices = zip(kernel_map.split(kernel_map.input_index), weight.unbind(), strict=True)
    begin = 0
    for inputs, offset_weight in slices:
        if len(inputs):
            gathered = gather(inputs)
            torch.mm(gathered, offset_weight, out=products[begin : begin + len(gathered)])
        begin += len(inputs)
    return _sum_by_output(products, kernel_map)


def _gradients_buffered(
    features: Tensor, weight: Tensor, grad_output: Tensor, kernel_map: KernelMap
) -> tuple[Tensor, Tensor]:
    """Gradients of features and weight in one walk, which gathers output gradients once."""
    gather_features, gather_grad = _Gather(features, kernel_map), _Gather(grad_output, kernel_map)
    products = features.new_empty((gather_grad.num_pair_rows, weight.shape[1]))
    grad_weight = torch.zeros_like(weight)
    input_slices = kernel_map.split(kernel_map.input_index)
    output_slices = kernel_map.split(kernel_map.output_index)
    offsets = zip(weight.unbind(), grad_weight.unbind(), strict=True)
    begin = 0
    for inputs, outputs, (one, grad) in zip(input_slices, output_slices, offsets, strict=True):
        if len(inputs):
            gathered = gather_grad(outputs)
            torch.mm(gathered, one.T, out=products[begin : begin + len(gathered)])
            torch.mm(gather_features(inputs).T, gathered, out=grad)
        begin += len(inputs)
    return _sum_by_output(products, kernel_map.transposed), grad_weight


def _sum_by_output(products: Tensor, kernel_map: KernelMap) -> Tensor:
    order, starts = kernel_map.pairs_by_output
    return F.embedding_bag(order, products, starts, mode="sum")


class _Gather:
    """Gathers the rows of one offset into a buffer for all offsets, which stays in the caches.

    Args:
        rows: (M, F) rows.
        kernel_map: Pairs whose offsets follow one another.

    Attributes:
        num_pair_rows: Rows for the products of all pairs. Those of one offset may be more than its
            pairs; later offsets overwrite them, or nobody reads them.
    """

    def __init__(self, rows: Tensor, kernel_map: KernelMap) -> None:
        self._rows = rows
        self._is_rounded = rows.dtype == torch.bfloat16
        spare = max(map(_spare_rows, kernel_map.num_pairs)) if self._is_rounded else 0
        self.num_pair_rows = len(kernel_map.input_index) + spare
        self._buffer = rows.new_empty((max(kernel_map.num_pairs) + spare, rows.shape[1]))

    def __call__(self, index: Tensor) -> Tensor:
        """Gather rows (n,) int64; zeros follow up to a number of rows that recurs."""
        count = len(index)
        gathered = self._buffer[: count + (_spare_rows(count) if self._is_rounded else 0)]
        torch.index_select(self._rows, 0, index, out=gathered[:count])
        if len(gathered) > count:
            gathered[count:].zero_()
        return gathered


def _spare_rows(count: int) -> int:
    """Rows to add to a count, so that counts up to 10^6 come down to a few dozen."""
    step = max(_ROW_STEP, 1 << max(count.bit_length() - 3, 0))
    return -count % step


def _correlate(features: Tensor, grad_output: Tensor, kernel_map: KernelMap) -> Tensor:
    """Gradient of the weight, (K, C_in, C_out): per offset, inputs^T @ output gradients."""
    grad_weight = features.new_zeros(
        (len(kernel_map.num_pairs), features.shape[1], grad_output.shape[1])
    )
    input_slices = kernel_map.split(kernel_map.input_index)
    output_slices = kernel_map.split(kernel_map.output_index)
    for offset, (inputs, outputs) in enumerate(zip(input_slices, output_slices, strict=True)):
        if offset == kernel_map.identity_offset:
            grad_weight[offset] = features.T @ grad_output
        elif len(inputs):
            gathered = features.index_select(0, inputs)
            grad_weight[offset] = gathered.T @ grad_output.index_select(0, outputs)
    return grad_weight


class _SparseConv3d(nn.Module):
    """The weight of a sparse convolution, without bias; subclasses choose the kernel map.

    Args:
        in_features: C_in.
        out_features: C_out.

    Attributes:
        num_offsets: K, number of kernel offsets.
        weight: (K, C_in, C_out).
    """

    num_offsets: int

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        weight = torch.empty(self.num_offsets, in_features, out_features)
        std = (2 / (self.num_offsets * in_features)) ** 0.5
        if not weight.is_meta:  # its random numbers take seconds of imports, and are none
            nn.init.normal_(weight, std=std)
        self.weight = nn.Parameter(weight)


class SubmanifoldConv3d(_SparseConv3d):
    """3x3x3 convolution whose output voxels are the input voxels; without bias."""

    num_offsets = 27

    def forward(self, tensor: SparseTensor, *, finish: Finish | None = None) -> SparseTensor:
        """(M, C_in) -> (M, C_out) on the same voxels."""
        kernel_map = tensor.level.neighbors
        return tensor.replace_features(
            sparse_convolution(tensor.features, self.weight, kernel_map, finish)
        )


class DownsampleConv3d(_SparseConv3d):
    """2x2x2 convolution with stride 2 to the next coarser level; without bias."""

    num_offsets = 8

    def forward(self, tensor: SparseTensor, *, finish: Finish | None = None) -> SparseTensor:
        """(M, C_in) -> (M_coarse, C_out)."""
        step = tensor.level.downsampling
        return SparseTensor(
            step.coarse, sparse_convolution(tensor.features, self.weight, step.kernel_map, finish)
        )


class UpsampleConv3d(_SparseConv3d):
    """Transposed 2x2x2 convolution with stride 2 to the next finer level; without bias."""

    num_offsets = 8

    def forward(
        self, tensor: SparseTensor, fine: VoxelLevel, *, finish: Finish | None = None
    ) -> SparseTensor:
        """(M, C_in) -> (M_fine, C_out).

        Raises:
            ValueError: If downsampling `fine` does not give the level of `tensor`.
        """
        step = fine.downsampling
        if step.coarse is not tensor.level:
            raise ValueError(
                f"cannot upsample stride {tensor.stride} to stride {fine.stride}: the finer level "
                f"must be the one that was downsampled to this tensor"
            )
        kernel_map = step.kernel_map.transposed
        return SparseTensor(
            fine, sparse_convolution(tensor.features, self.weight, kernel_map, finish)
        )
