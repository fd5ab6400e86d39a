"""Batch norms folded into the layer before them, for inference."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from clip2scene_core.network.row_batch_norm import RowBatchNorm

_Module = TypeVar("_Module", bound=nn.Module)


class RowShift(nn.Module):
    """What is left of a batch norm whose scale went into the weights before it.

    Args:
        shift: (F,) float, added to every row.
    """

    shift: Tensor

    def __init__(self, shift: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift)

    def forward(self, features: Tensor) -> Tensor:
        """(M, F) -> the same tensor (M, F), which nothing else may need."""
        return features.add_(self.shift)


def fold_norms(module: _Module) -> _Module:
    """Copy a network for inference, with the running statistics of its norms in its weights.

    A norm in evaluation is a scale and a shift of each feature. The layer before it is linear, so
    its weights can take the scale. The copy computes what the network computes, up to rounding; it
    cannot be trained, and its `state_dict` is no checkpoint.

    Args:
        module: Holds convolutions and linear layers, each followed by a RowBatchNorm in the order
            of its children; it stays as it is.
    """
    folded = copy.deepcopy(module).eval().requires_grad_(False)
    for parent in list(folded.modules()):
        before: nn.Module | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, RowBatchNorm) and before is not None:
                setattr(parent, name, _fold_into(before, child))
            before = child
    return folded


def _fold_into(layer: nn.Module, norm: RowBatchNorm) -> nn.Module:
    """Scale the output features of a layer as a norm does; return what has to follow it."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() * torch.rsqrt(norm.running_var.double() + norm.eps)
    shift = norm.bias.double() - norm.running_mean.double() * scale
    weight, bias = layer.weight, getattr(layer, "bias", None)
    assert isinstance(weight, Tensor)
    # Output features are the rows of a linear layer's weight, and the last axis of a convolution's.
    weight.copy_(scale[:, None] * weight if isinstance(layer, nn.Linear) else weight * scale)
    if isinstance(bias, Tensor):
        bias.copy_(scale * bias + shift)
        return nn.Identity()
    return RowShift(shift.to(weight.dtype))
