"""Losses of the small CLIP, between pictures and captions and between places and phrases.

A place is a position in the dense embeddings (B, D, h, w) of B pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_SHARPNESS = 10.0
"""Inverse temperature of the soft maximum over places."""


def are_equal(captions: Sequence[str]) -> Tensor:
    """Tell which captions of a batch are equal: (B, B) bool."""
    number = {caption: row for row, caption in enumerate(captions)}
    numbers = torch.tensor([number[caption] for caption in captions])
    return numbers[:, None] == numbers[None, :]


def picture_similarity(image_embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
    """Compute cosines between pictures (B, D) and texts (T, D), both of any length: (B, T)."""
    return F.normalize(image_embeddings, dim=1) @ F.normalize(text_embeddings, dim=1).T


def are_named(phrases_of_pictures: Sequence[Sequence[str]], phrases: Sequence[str]) -> Tensor:
    """Tell which of T phrases the caption of each picture contains: (B, T) bool."""
    number = {phrase: row for row, phrase in enumerate(phrases)}
    named = torch.zeros(len(phrases_of_pictures), len(phrases), dtype=torch.bool)
    for row, own in enumerate(phrases_of_pictures):
        named[row, [number[phrase] for phrase in own]] = True
    return named


def place_similarity(place_embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
    """Compute how well some places of a picture match a text: a soft maximum of cosines.

    A phrase names something that fills only a part of the picture. With this similarity only that
    part must match. This keeps the dense embeddings, which MaskCLIP does not pool, in the space of
    the texts.

    Args:
        place_embeddings: (B, D, h, w) float, any length, from the value path, not pooled.
        text_embeddings: (T, D) float, any length.

    Returns:
        (B, T) float, between the mean and the maximum of the cosines over places.

    Source: FILIP (ICLR 2022) and PACL (CVPR 2023) compare texts with places; the soft maximum is
    ours.
    """
    places = F.normalize(place_embeddings.flatten(2), dim=1).transpose(1, 2)  # (B, h * w, D)
    cosines = places @ F.normalize(text_embeddings, dim=1).T  # (B, h * w, T)
    soft_sum = torch.logsumexp(_SHARPNESS * cosines, dim=1)
    return (soft_sum - math.log(cosines.shape[1])) / _SHARPNESS


def place_choice_loss(
    place_embeddings: Tensor,
    text_embeddings: Tensor,
    logit_scale: Tensor,
    is_named: Tensor,
    shares: Sequence[float] = (1.0,),
) -> Tensor:
    """Pull each place to any one of the phrases in its picture's caption.

    The loss of a place is -log of the probability, among all texts of the batch, that it shows any
    of the named texts. Captions are incomplete. So only the places that match best take part, and
    the fewer phrases a caption has, the fewer places.

    Args:
        place_embeddings: (B, D, h, w) float, any length.
        text_embeddings: (T, D) float, any length.
        logit_scale: () float, natural logarithm of the inverse temperature.
        is_named: (B, T) bool, the texts in each picture's caption; at least one in every row.
        shares: Share in (0, 1] of a picture's places that take part if the caption has one phrase,
            two, and so on. The last share holds for more phrases, too.

    Returns:
        () float.

    Source: learning from candidate labels (Cour, Sapp, Taskar: Learning from Partial Labels, JMLR
    2011), with the phrases of a caption as the candidates of its picture's places.
    """
    places = F.normalize(place_embeddings.flatten(2), dim=1).transpose(1, 2)  # (B, h * w, D)
    logits = logit_scale.exp() * (places @ F.normalize(text_embeddings, dim=1).T)
    of_named = logits.masked_fill(~is_named[:, None, :], -torch.inf)
    losses = torch.logsumexp(logits, dim=2) - torch.logsumexp(of_named, dim=2)  # (B, h * w)
    counts = [max(1, round(share * losses.shape[1])) for share in shares]
    named = is_named.sum(dim=1).clamp(max=len(counts))
    num_kept = torch.tensor(counts, device=losses.device)[named - 1]  # (B,)
    rank = torch.arange(losses.shape[1], device=losses.device)
    return losses.sort(dim=1).values[rank < num_kept[:, None]].mean()


def contrastive_loss(similarity: Tensor, logit_scale: Tensor, is_positive: Tensor) -> Tensor:
    """Symmetric InfoNCE with several positives for a picture or a text.

    The target of a row is uniform over its positives, and so is the target of a column. With one
    positive in each, this is the loss of CLIP.

    Args:
        similarity: (B, T) float, cosines between pictures (rows) and texts (columns).
        logit_scale: () float, natural logarithm of the inverse temperature.
        is_positive: (B, T) bool; at least one in every row and every column.

    Returns:
        () float.

    Source: CLIP (ICML 2021), section 2.3; several positives as in UniCL (CVPR 2022), Eq. (3)-(5).
    """
    logits = logit_scale.exp() * similarity
    return (_cross_entropy(logits, is_positive) + _cross_entropy(logits.T, is_positive.T)) / 2


def _cross_entropy(logits: Tensor, is_positive: Tensor) -> Tensor:
    """Cross-entropy of every row against the uniform distribution over its positives."""
    targets = is_positive.to(logits.dtype)
    return F.cross_entropy(logits, targets / targets.sum(dim=1, keepdim=True))
