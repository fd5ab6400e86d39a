"""Sparse 3D convolutions in plain torch, on any device.

All three kinds are one operation over a kernel map: gather input rows, multiply by the weight of
their offset, add into output rows. A compiled backend would replace `sparse_convolution` only.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from clip2scene_core.sparse.kernel_map import KernelMap
from clip2scene_core.sparse.tensor import SparseTensor, VoxelLevel

# Above this many output numbers, the buffer of all products no longer fits the caches.
_MAX_BUFFERED_OUTPUT = 2_000_000


def sparse_convolution(features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
    """Convolve sparse features: out[output] += features[input] @ weight[offset] for all pairs.

    Args:
        features: (num_inputs, C_in) float.
        weight: (K, C_in, C_out), same dtype; under autocast, both are cast to its dtype.
        kernel_map: Pairs of the K offsets.

    Returns:
        (num_outputs, C_out). bfloat16 products are summed in float32.
    """
    device_type = features.device.type
    if torch.is_autocast_enabled(device_type):
        dtype = torch.get_autocast_dtype(device_type)
        features, weight = features.to(dtype), weight.to(dtype)
    convolved: Tensor = _SparseConvolution.apply(features, weight, kernel_map)  # type: ignore[no-untyped-call]
    return convolved


class _SparseConvolution(torch.autograd.Function):
    """Own backward: autograd through the loop over offsets would be 1.2 to 1.7 times slower."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.kernel_map = kernel_map
        num_output_numbers = kernel_map.num_outputs * weight.shape[2]
        if features.dtype == torch.bfloat16 and 0 < num_output_numbers < _MAX_BUFFERED_OUTPUT:
            return _convolve_buffered(features, weight, kernel_map)
        return _convolve(features, weight, kernel_map)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, weight = ctx.saved_tensors
        grad_features = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_features = _convolve(
                grad_output, weight.transpose(1, 2), ctx.kernel_map.transpose()
            )
        if ctx.needs_input_grad[1]:
            grad_weight = _correlate(features, grad_output, ctx.kernel_map)
        return grad_features, grad_weight, None


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
    """Multiply all pairs into one buffer, then sum it by output in one pass over the output."""
    gathered = features.index_select(0, kernel_map.input_index)
    products = features.new_empty((len(gathered), weight.shape[2]))
    slices = zip(
        kernel_map.split(gathered), kernel_map.split(products), weight.unbind(), strict=True
    )
    for inputs, outputs, offset_weight in slices:
        if len(inputs):
            torch.mm(inputs, offset_weight, out=outputs)
    order, starts = kernel_map.pairs_by_output
    return F.embedding_bag(order, products, starts, mode="sum")


def _correlate(features: Tensor, grad_output: Tensor, kernel_map: KernelMap) -> Tensor:
    """Gradient of the weight: per offset, inputs^T @ output gradients."""
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


class SubmanifoldConv3d(nn.Module):
    """3x3x3 convolution whose outputs are exactly the occupied voxels; without bias.

    Args:
        in_features: C_in.
        out_features: C_out.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = _new_weight(27, in_features, out_features)

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """(M, C_in) -> (M, C_out) on the same voxels."""
        kernel_map = tensor.level.neighbors
        return tensor.replace_features(sparse_convolution(tensor.features, self.weight, kernel_map))


class DownsampleConv3d(nn.Module):
    """2x2x2 convolution with stride 2 onto the next coarser level; without bias.

    Args:
        in_features: C_in.
        out_features: C_out.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = _new_weight(8, in_features, out_features)

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """(M, C_in) -> (M_coarse, C_out)."""
        step = tensor.level.downsampling
        return SparseTensor(
            step.coarse, sparse_convolution(tensor.features, self.weight, step.kernel_map)
        )


class UpsampleConv3d(nn.Module):
    """Transposed 2x2x2 convolution with stride 2, back onto a finer level; without bias.

    Args:
        in_features: C_in.
        out_features: C_out.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = _new_weight(8, in_features, out_features)

    def forward(self, tensor: SparseTensor, fine: VoxelLevel) -> SparseTensor:
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
        kernel_map = step.kernel_map.transpose()
        return SparseTensor(fine, sparse_convolution(tensor.features, self.weight, kernel_map))


def _new_weight(num_offsets: int, in_features: int, out_features: int) -> nn.Parameter:
    weight = torch.empty(num_offsets, in_features, out_features)
    return nn.Parameter(nn.init.normal_(weight, std=(2 / (num_offsets * in_features)) ** 0.5))
