"""The space that a student's embeddings span, in far fewer numbers than CLIP's."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_COLUMNS: Final = 8
"""Coordinates are a multiple of so many, the rest zero: a vector of a processor holds 8 or 16."""


class EmbeddingSpan(nn.Module):
    """Coordinates of a linear layer's embeddings, in an orthonormal basis of the space they span.

    An embedding W f + b of F features has D numbers, but lies in a space of F + 1 dimensions, that
    of the columns of W and b. With [W b] = Q R, Q orthonormal, it is Q h, where h = R [f; 1]. So
    its length is that of h, and its product with a text t that of h with Q^T t. The small student
    has 120 features, the embeddings of a ViT-B/16 512 numbers.

    Args:
        head: Linear layer, F features to D numbers.

    Attributes:
        size: K, coordinates of an embedding: F + 1 or D, whichever is less, rounded up.
    """

    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        weight = head.weight.detach().double()
        bias = weight.new_zeros(len(weight)) if head.bias is None else head.bias.detach().double()
        basis, triangle = torch.linalg.qr(torch.cat([weight, bias[:, None]], dim=1))
        missing = -basis.shape[1] % _COLUMNS
        basis, triangle = F.pad(basis, (0, missing)), F.pad(triangle, (0, 0, 0, missing))
        self.size = basis.shape[1]
        dtype = head.weight.dtype
        self.register_buffer("basis", basis.to(dtype))
        self.register_buffer("weight", triangle[:, :-1].to(dtype).contiguous())
        self.register_buffer("bias", triangle[:, -1].to(dtype).contiguous())

    basis: Tensor
    weight: Tensor
    bias: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Coordinates (N, K) of the embeddings of features (N, F)."""
        return F.linear(features, self.weight, self.bias)

    def reduce(self, texts: Tensor) -> Tensor:
        """Coordinates (C, K) of texts (C, D); what no embedding can point to is left out."""
        return texts.to(self.basis.device) @ self.basis

    def expand(self, coordinates: Tensor) -> Tensor:
        """Embeddings (N, D) of coordinates (N, K)."""
        return coordinates @ self.basis.T
