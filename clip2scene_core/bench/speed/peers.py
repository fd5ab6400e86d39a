"""Sparse convolutions of other libraries on a CPU, where they are installed and right."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from clip2scene_core.sparse.tensor import VoxelLevel

PEERS: Final = ("spconv", "torchsparse")
_TOLERANCE: Final = 1e-3
Convolve = Callable[[Tensor], Tensor]
"""Features (M, C_in) in, features (M, C_out) out; the kernel map is built before."""


@dataclass(frozen=True)
class LeftOut:
    """A peer that is not measured.

    Attributes:
        peer: Name of the library.
        reason: Why not.
    """

    peer: str
    reason: str


def why_left_out(peer: str, threads: int) -> str:
    """Say why a peer cannot be measured on this machine; "" if it can."""
    if importlib.util.find_spec(peer) is None:
        return "not installed"
    if peer == "torchsparse":
        return "convolves on a GPU only"
    if threads > 1:
        return f"its CPU convolution is wrong with more than one thread, and there are {threads}"
    return ""


def spconv_layer(level: VoxelLevel, weight: Tensor) -> Convolve:
    """Make spconv's submanifold convolution, with its indices built; it computes in float32.

    Only its forward pass: going backward on a CPU, spconv 2.3.8 asks CUDA for a stream.

    Args:
        level: M voxels, at least one.
        weight: (27, C_in, C_out) float32, as ours.
    """
    spconv: Any = importlib.import_module("spconv.pytorch")
    coordinates = level.coordinates.clone()
    coordinates[:, 1:] -= coordinates[:, 1:].amin(dim=0)
    shape = [int(size) + 1 for size in coordinates[:, 1:].amax(dim=0)]
    in_features, out_features = weight.shape[1:]
    layer = spconv.SubMConv3d(in_features, out_features, 3, bias=False, indice_key="level")
    ours = weight.view(3, 3, 3, in_features, out_features)
    with torch.no_grad():
        layer.weight.copy_(ours.permute(4, 0, 1, 2, 3))
    features = torch.zeros(len(level), in_features)
    num_batches = int(coordinates[:, 0].max()) + 1
    tensor = spconv.SparseConvTensor(features, coordinates.contiguous(), shape, num_batches)
    layer(tensor)

    def convolve(features: Tensor) -> Tensor:
        result: Tensor = layer(tensor.replace_feature(features)).features
        return result

    return convolve


def why_wrong(convolve: Convolve, features: Tensor, ours: Tensor) -> str:
    """Say how far a peer's result is from ours; "" if they agree to a thousandth."""
    error = float((convolve(features) - ours).abs().max() / ours.abs().max().clamp(min=1e-9))
    return f"its result differs from ours by {error:.2g}" if not error <= _TOLERANCE else ""
