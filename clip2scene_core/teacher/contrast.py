"""Contrastive losses between pictures and captions, for whole pictures and for their places."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_SHARPNESS = 10.0


def same_as(captions: Sequence[str]) -> Tensor:
    """Tell which captions of a batch are equal, (B, B) bool."""
    number = {caption: row for row, caption in enumerate(captions)}
    numbers = torch.tensor([number[caption] for caption in captions])
    return numbers[:, None] == numbers[None, :]


def picture_similarity(image_embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
    """Cosines between pictures (B, D) and texts (T, D), both of any length: (B, T)."""
    return F.normalize(image_embeddings, dim=1) @ F.normalize(text_embeddings, dim=1).T


def place_similarity(place_embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
    """How well some places of each picture fit each text: a soft maximum of cosines.

    A caption names things that fill a part of the picture; asking that part alone to fit keeps
    the dense embeddings, which nobody pools in MaskCLIP, in the space of the texts.

    Args:
        place_embeddings: (B, D, h, w) float, any length: the value path, not pooled.
        text_embeddings: (T, D) float, any length.

    Returns:
        (B, T) float between the mean and the maximum of the cosines over places.

    Source: the idea of FILIP (ICLR 2022) and PACL (CVPR 2023), to compare texts with places; the
    soft maximum is ours.
    """
    places = F.normalize(place_embeddings.flatten(2), dim=1).transpose(1, 2)  # (B, h * w, D)
    cosines = places @ F.normalize(text_embeddings, dim=1).T  # (B, h * w, T)
    soft_sum = torch.logsumexp(_SHARPNESS * cosines, dim=1)
    return (soft_sum - math.log(cosines.shape[1])) / _SHARPNESS


def contrastive_loss(similarity: Tensor, logit_scale: Tensor, is_positive: Tensor) -> Tensor:
    """Symmetric InfoNCE in which a picture may have several right texts.

    The target of a row is uniform over its positives; with one positive per row it is CLIP's loss.

    Args:
        similarity: (B, B) float, row picture, column text.
        logit_scale: () float, natural logarithm of the inverse temperature.
        is_positive: (B, B) bool; symmetric, true on the diagonal.

    Returns:
        () float.

    Source: CLIP (ICML 2021), section 2.3; several positives as in UniCL (CVPR 2022), Eq. (3)-(5).
    """
    logits = logit_scale.exp() * similarity
    targets = is_positive.to(logits.dtype)
    targets = targets / targets.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2
