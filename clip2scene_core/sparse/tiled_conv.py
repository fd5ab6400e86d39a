"""Sparse convolutions of few features on a CPU: tile by tile, by compiled loops, on threads."""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.sparse.backend import compiled_module
from clip2scene_core.sparse.kernel_map import KernelMap
from clip2scene_core.sparse.threads import run_in_parts

_LOOPS: Final = "sparse.compiled_conv"  # needs numba and scipy
# Larger products are faster in torch: gradients everywhere, and without AVX-512 all of them.
_MAX_WEIGHTS: Final = 64 * 64
_MAX_WEIGHTS_FORWARD: Final = 256 * 256
# Multiplications that threads take at once, and the most parts of a convolution. To gather a row
# and to add its product takes as long as so many of them.
_PART_WORK: Final = 1 << 22
_MAX_PARTS: Final = 8
_ROW_WORK: Final = 200
_NO_SHIFT: Final = np.empty(0, np.float32)
_NO_RESIDUAL: Final = np.empty((0, 0), np.float32)


def is_tiled(weight: Tensor, *, backward: bool = False) -> bool:
    """Whether `convolve` can compute a convolution and is the faster way.

    Args:
        weight: (K, C_in, C_out) float; features have its dtype and its device.
        backward: Whether the question is about its gradients, by `convolve` and `correlate`.
    """
    num_weights = weight.shape[1] * weight.shape[2]
    is_large = num_weights > _MAX_WEIGHTS
    return (
        weight.dtype == torch.float32
        and weight.device.type == "cpu"
        and num_weights <= _MAX_WEIGHTS_FORWARD
        and not (is_large and (backward or not _has_avx512()))
        and compiled_module(_LOOPS) is not None
    )


def convolve(
    features: Tensor,
    weight: Tensor,
    kernel_map: KernelMap,
    shift: Tensor | None = None,
    residual: Tensor | None = None,
) -> Tensor:
    """Compute what `sparse_convolution` computes, and finish each tile while it is in the caches.

    Args:
        features: (num_inputs, C_in) float32 on the CPU.
        weight: (K, C_in, C_out) float32.
        kernel_map: Pairs of input and output rows of the K offsets.
        shift: (C_out,) float32 of a `Finish`; None: nothing follows.
        residual: (num_outputs, C_out) float32 of a `Finish` with a shift; None: no shortcut.

    Returns:
        (num_outputs, C_out) float32, the same whatever the number of threads.
    """
    compiled = compiled_module(_LOOPS)
    assert compiled is not None
    rows, matrices = _array(features), _array(weight)
    inputs, outputs = kernel_map.input_index.numpy(), kernel_map.output_index.numpy()
    identity = -1 if kernel_map.identity_offset is None else kernel_map.identity_offset
    convolved = np.empty((kernel_map.num_outputs, weight.shape[2]), np.float32)
    starts = kernel_map.tiles.starts
    shifts = _NO_SHIFT if shift is None else _array(shift)
    residuals = _NO_RESIDUAL if residual is None else _array(residual)

    def compute(first: int, last: int) -> None:
        compiled.convolve_tiles(
            rows,
            matrices,
            inputs,
            outputs,
            starts,
            identity,
            shifts,
            residuals,
            first,
            last,
            convolved,
        )

    run_in_parts(compute, _bounds(kernel_map, matrices.shape))
    return torch.from_numpy(convolved)


def correlate(features: Tensor, grad_output: Tensor, kernel_map: KernelMap) -> Tensor:
    """Compute the gradient of the weight: per offset, inputs^T @ output gradients.

    Args:
        features: (num_inputs, C_in) float32 on the CPU.
        grad_output: (num_outputs, C_out) float32.
        kernel_map: Pairs of input and output rows of the K offsets.

    Returns:
        (K, C_in, C_out) float32, the same whatever the number of threads.
    """
    compiled = compiled_module(_LOOPS)
    assert compiled is not None
    rows, gradients = _array(features), _array(grad_output)
    inputs, outputs = kernel_map.input_index.numpy(), kernel_map.output_index.numpy()
    shape = (len(kernel_map.num_pairs), features.shape[1], grad_output.shape[1])
    bounds = _bounds(kernel_map, shape)
    sums = {first: np.zeros(shape, np.float32) for first in bounds[:-1]}
    starts = kernel_map.tiles.starts

    def compute(first: int, last: int) -> None:
        compiled.correlate_tiles(rows, gradients, inputs, outputs, starts, first, last, sums[first])

    run_in_parts(compute, bounds)
    return torch.from_numpy(functools.reduce(np.add, sums.values()))


@functools.cache
def _has_avx512() -> bool:
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


def _bounds(kernel_map: KernelMap, weight_shape: tuple[int, ...]) -> list[int]:
    """Take the tiles of a map apart; the number of threads must not change any sum."""
    work = len(kernel_map.input_index) * (weight_shape[1] * weight_shape[2] + _ROW_WORK)
    return kernel_map.tiles.share(max(1, min(_MAX_PARTS, work // _PART_WORK)))


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().numpy())
