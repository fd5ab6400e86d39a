"""What a labelled sweep shows of its points, in a form that any words can be asked of later."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

GUIDANCE_TEMPERATURE = 1.0
"""Lambda of Eq. (4). The paper leaves it open; its code has 1. Less than 0.3 made maps worse."""


@dataclass(frozen=True)
class Source:
    """One modality's view of the same N points.

    Attributes:
        embeddings: (N, D) float32 of unit length, or the mean of such; zero where it is blind.
        logit_scale: What turns cosines into its logits.
        share: (N,) float32 in [0, 1], its say in each point, 0 where it is blind.
    """

    embeddings: Tensor
    logit_scale: float
    share: Tensor


@dataclass(frozen=True)
class Evidence:
    """What each of N points adds to the voxel that it lies in.

    Attributes:
        vectors: (N, D) float32; the product with a text embedding is the logit of that text.
        weights: (N,) float32, 0 for points that nothing has seen.
    """

    vectors: Tensor
    weights: Tensor


@torch.inference_mode()
def semantic_guided(sources: list[Source], point_texts: Tensor) -> Evidence:
    """Weigh pixels and points by how well they fit the text of their label.

    A voxel's feature becomes the sum of `a * x + b * p` over the pixels x and points p in it, where
    a and b are exp(x . t / lambda) and exp(p . t / lambda) divided by their sum over the voxel.

    Source: CLIP2Scene (CVPR 2023), Eq. (3) and (4): the sum, the exponential of the similarity with
    a text as weight, and one normalization over both modalities and all sweeps. What differs:
    - There the feature is the target of a loss (Eq. 2); here it is the map itself.
    - t is the text of the key frame's pixel; here of the label that the point just got.
    - There both modalities count alike. A trained student is steadier than the teacher that it
      learned from, and their cosines have different ranges: each has a share and a scale. With
      the shipped models, equal shares of bare unit vectors cost a map 3 points of mean IoU.
    - The weights of what was seen are not computed again when the words change.

    Args:
        sources: Views of the same N points; at least one.
        point_texts: (N, D) float32 of unit length, the text of each point's label.

    Returns:
        Evidence whose weighted mean over a voxel is its feature, in units of logits.
    """
    guided = [
        source.share
        * torch.exp(torch.linalg.vecdot(source.embeddings, point_texts) / GUIDANCE_TEMPERATURE)
        for source in sources
    ]
    weights = torch.stack(guided).sum(dim=0)
    vectors = torch.zeros_like(point_texts)
    for source, weight in zip(sources, guided, strict=True):
        share = source.logit_scale * weight / weights.clamp(min=1e-12)
        vectors.addcmul_(source.embeddings, share[:, None])
    return Evidence(vectors, weights)
