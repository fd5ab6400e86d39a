"""Pixel-adaptive refinement: embeddings spread to neighbors of the same color, not across edges.

Source: Araslanov and Roth, Single-Stage Semantic Segmentation from Image Labels (CVPR 2020),
section 3.4. It refines masks there. The update is linear, so refined embeddings give the scores
that refined masks of scores would have, before unit length.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

_EDGE: Final = 4
"""Edge of a refined place, pixels, as near as whole numbers of them in a place come to it."""

_DILATIONS: Final = (1, 2, 4)
_SHARPNESS: Final = 0.1
"""Share of the local standard deviation at which a difference of colors counts as one."""


def refinement_factor(stride: int) -> int:
    """Number of refined places along the edge of a place of `stride` pixels."""
    return max(1, round(stride / _EDGE))


def refine(embeddings: Tensor, images: Tensor, factor: int, iterations: int) -> Tensor:
    """Refine dense embeddings by the colors of the image.

    In each iteration the embedding of a place becomes the mean over 24 others, the 8 directions at
    distances of 1, 2 and 4 refined places. Weights are a softmax over minus the differences of
    colors, each divided by a tenth of the color's standard deviation among these places.

    Args:
        embeddings: (B, D, h, w) float.
        images: (B, 3, H, W) float, RGB in [0, 1], of any size.
        factor: See `refinement_factor`.
        iterations: Number of iterations.

    Returns:
        (B, D, h * factor, w * factor) float.
    """
    rows, columns = (side * factor for side in embeddings.shape[2:])
    refined = F.interpolate(embeddings, (rows, columns), mode="bilinear", align_corners=False)
    colors = F.interpolate(images, (rows, columns), mode="bilinear", antialias=True)
    weights = _weights(colors)
    for _ in range(iterations):
        padded = _padded(refined)
        refined = torch.zeros_like(refined)
        for number, (down, right) in enumerate(_OFFSETS):
            refined += weights[:, number, None] * _shifted(padded, down, right, rows, columns)
    return refined


_OFFSETS: Final = tuple(
    (distance * down, distance * right)
    for distance in _DILATIONS
    for down in (-1, 0, 1)
    for right in (-1, 0, 1)
    if (down, right) != (0, 0)
)


def _weights(colors: Tensor) -> Tensor:
    """Colors (B, 3, H, W) -> weights of the neighbors of each place (B, 24, H, W), sum 1."""
    padded, size = _padded(colors), (colors.shape[2], colors.shape[3])
    around = torch.stack([_shifted(padded, *offset, *size) for offset in _OFFSETS], dim=1)
    # The place itself counts once for each distance, as in the released code.
    own = colors[:, None].expand(-1, len(_DILATIONS), -1, -1, -1)
    deviation = torch.cat([around, own], dim=1).std(dim=1, keepdim=True)
    differences = (around - colors[:, None]).abs() / (_SHARPNESS * deviation + 1e-8)
    return torch.softmax(-differences.mean(dim=2), dim=1)


def _padded(image: Tensor) -> Tensor:
    return F.pad(image, [max(_DILATIONS)] * 4, mode="replicate")


def _shifted(padded: Tensor, down: int, right: int, rows: int, columns: int) -> Tensor:
    """What lies `down` and `right` of each place: (B, C, rows, columns)."""
    top, left = max(_DILATIONS) + down, max(_DILATIONS) + right
    return padded[:, :, top : top + rows, left : left + columns]
