"""Dense embeddings at pixels that lie between places."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def sample_at(
    dense: Tensor, image_index: Tensor, pixels: Tensor, image_size: tuple[int, int]
) -> Tensor:
    """Read dense embeddings at pixels, bilinearly.

    Args:
        dense: (B, D, h, w) float.
        image_index: (P,) int64 index of the image, in [0, B).
        pixels: (P, 2) float [u, v] in pixels of the original images; whole numbers are the
            centres of pixels.
        image_size: (height, width) of the original images, pixels.

    Returns:
        (P, D) float, unit length.

    Raises:
        ValueError: If pixels is not (P, 2) or image_index not (P,).
    """
    if pixels.ndim != 2 or pixels.shape[1] != 2 or image_index.shape != pixels.shape[:1]:
        raise ValueError(
            f"pixels must be (P, 2) and image_index (P,), got {tuple(pixels.shape)} and "
            f"{tuple(image_index.shape)}"
        )
    rows, columns = dense.shape[2:]
    height, width = image_size
    # The places cover the image: place 0 has the pixels -0.5 to W / w - 0.5 (align_corners False).
    x = ((pixels[:, 0] + 0.5) * (columns / width) - 0.5).clamp(0, columns - 1)
    y = ((pixels[:, 1] + 0.5) * (rows / height) - 0.5).clamp(0, rows - 1)
    left, top = x.floor().long(), y.floor().long()
    right, bottom = (left + 1).clamp(max=columns - 1), (top + 1).clamp(max=rows - 1)
    x_weight, y_weight = x - left, y - top
    first = image_index * rows
    corners = torch.stack(
        [
            (first + top) * columns + left,
            (first + top) * columns + right,
            (first + bottom) * columns + left,
            (first + bottom) * columns + right,
        ],
        dim=1,
    )
    weights = torch.stack(
        [
            (1 - y_weight) * (1 - x_weight),
            (1 - y_weight) * x_weight,
            y_weight * (1 - x_weight),
            y_weight * x_weight,
        ],
        dim=1,
    )
    places = dense.permute(0, 2, 3, 1).flatten(0, 2)  # (B * h * w, D)
    sampled = F.embedding_bag(
        corners, places, mode="sum", per_sample_weights=weights.to(places.dtype)
    )
    return F.normalize(sampled, dim=1)
