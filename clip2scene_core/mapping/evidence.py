"""Evidence: the embeddings of the points of one sweep, which can be labelled with any prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

GUIDANCE_TEMPERATURE = 1.0
"""Lambda of Eq. (4). The paper gives no value; its code has 1. Values below 0.3 made maps worse."""

_ROWS_AT_ONCE = 1 << 11  # small enough for the processor's cache


@dataclass(frozen=True)
class Source:
    """Embeddings of N points from one modality: camera pixels or LiDAR points.

    Attributes:
        embeddings: (N, D) float32 of unit length, or a mean of such embeddings; 0 for a point that
            the modality does not see.
        logit_scale: Factor from cosines to logits.
        share: (N,) float32 in [0, 1], weight of this modality in each point; 0 for a point that it
            does not see.
    """

    embeddings: Tensor
    logit_scale: float
    share: Tensor


@dataclass(frozen=True)
class Evidence:
    """The contribution of each of N points to its voxel, in R rows that points may share.

    Attributes:
        vectors: (R, D) float32; the product with a text embedding is the logit of that text.
        weights: (R,) float32; 0 for points that no modality sees.
        row_of_point: (N,) int64, where several points have the same; None: row i is point i.
    """

    vectors: Tensor
    weights: Tensor
    row_of_point: Tensor | None = None


@torch.inference_mode()
def semantic_guided(sources: Sequence[Source], texts: Tensor, text_of_point: Tensor) -> Evidence:
    """Weight pixels and points by their similarity to the text of their label.

    The feature of a voxel is the sum of `a * x + b * p` over its pixels x and points p, where a and
    b are exp(x . t / lambda) and exp(p . t / lambda) divided by their sum over the voxel.

    Source: CLIP2Scene (CVPR 2023), Eq. (3) and (4): the sum, the exponential of the similarity with
    a text as weight, and one normalization over both modalities and all sweeps. The differences:
    - In the paper the feature is the target of a loss (Eq. 2); here it is the map.
    - In the paper t is the text of the keyframe's pixel; here it is the text of the point's label.
    - In the paper both modalities have the same weight. Here each has a share and a scale, because
      a trained student is more stable than its teacher, and their cosines have different ranges.
      With the shipped models, equal shares of plain unit vectors cost a map 3 points of mean IoU.
    - Weights are not computed again when the prompts change.

    Args:
        sources: Embeddings of the same N points; at least one source.
        texts: (C, D) float32 of unit length.
        text_of_point: (N,) int64, the text of each point's label.

    Returns:
        Evidence. Its weighted mean over a voxel is the feature of the voxel, in units of logits.
    """
    num_points = len(text_of_point)
    vectors, weights = torch.empty((num_points, texts.shape[1])), torch.empty(num_points)
    for begin in range(0, num_points, _ROWS_AT_ONCE):
        rows = slice(begin, begin + _ROWS_AT_ONCE)
        chosen = texts.index_select(0, text_of_point[rows])
        guided = [
            source.share[rows]
            * torch.exp(torch.linalg.vecdot(source.embeddings[rows], chosen) / GUIDANCE_TEMPERATURE)
            for source in sources
        ]
        weights[rows] = torch.stack(guided).sum(dim=0)
        vectors[rows] = 0
        for source, weight in zip(sources, guided, strict=True):
            share = source.logit_scale * weight / weights[rows].clamp(min=1e-12)
            vectors[rows].addcmul_(source.embeddings[rows], share[:, None])
    return Evidence(vectors, weights)
