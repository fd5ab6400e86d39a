"""Cosines of many points with few texts, without an array of points that are scaled."""

from __future__ import annotations

from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_MIN_LENGTH: Final = 1e-12
"""Shorter embeddings are not scaled to unit length, as in torch's `normalize`."""


def cosines(point_embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
    """Compute the cosine of each point with each text.

    Args:
        point_embeddings: (N, D) float, any length.
        text_embeddings: (C, D) float, any length.

    Returns:
        (N, C) of the wider of both types, also under autocast.
    """
    dtype = torch.promote_types(point_embeddings.dtype, text_embeddings.dtype)
    with torch.autocast(point_embeddings.device.type, enabled=False):
        texts = F.normalize(text_embeddings.to(dtype), dim=1)
        values: Tensor = _Cosines.apply(point_embeddings.to(dtype), texts)  # type: ignore[no-untyped-call]
    return values


class _Cosines(torch.autograd.Function):
    """Has its own backward: autograd's writes six arrays of the points' size, this one two."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, texts: Tensor) -> Tensor:
        lengths = torch.linalg.vector_norm(points, dim=1, keepdim=True)
        values = (points @ texts.T).div_(lengths.clamp(min=_MIN_LENGTH))
        ctx.save_for_backward(points, texts, lengths, values)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_values: Tensor) -> tuple[Tensor | None, Tensor | None]:
        points, texts, lengths, values = ctx.saved_tensors
        needs_points, needs_texts = ctx.needs_input_grad
        scaled = grad_values / lengths.clamp(min=_MIN_LENGTH)
        grad_points = grad_texts = None
        if needs_points:
            # A longer point has the same cosines, so nothing pulls along it.
            along = (scaled * values).sum(dim=1, keepdim=True) / lengths
            along = torch.where(lengths > _MIN_LENGTH, along, 0)
            grad_points = (points * -along).addmm_(scaled, texts)
        if needs_texts:
            grad_texts = scaled.T @ points
        return grad_points, grad_texts
