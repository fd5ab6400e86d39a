"""Contrastive losses between pictures and captions, and between places and phrases."""

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


def are_named(phrases_of_pictures: Sequence[Sequence[str]], phrases: Sequence[str]) -> Tensor:
    """Tell which phrases the caption of which picture holds, (B, T) bool."""
    number = {phrase: row for row, phrase in enumerate(phrases)}
    named = torch.zeros(len(phrases_of_pictures), len(phrases), dtype=torch.bool)
    for row, own in enumerate(phrases_of_pictures):
        named[row, [number[phrase] for phrase in own]] = True
    return named


def place_similarity(place_embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
    """How well some places of each picture fit each text: a soft maximum of cosines.

    A phrase of a caption names something that fills a part of the picture; asking that part alone
    to fit keeps the dense embeddings, which nobody pools in MaskCLIP, in the space of the texts.

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


def place_choice_loss(
    place_embeddings: Tensor,
    text_embeddings: Tensor,
    logit_scale: Tensor,
    is_named: Tensor,
    shares: Sequence[float] = (1.0,),
) -> Tensor:
    """Every place shows one of the things that its picture's caption names.

    Which one is left open: the loss of a place is -log of the probability, among all texts of the
    batch, of any text that is named. Captions are incomplete, so only those of a picture's places
    take part that fit best, and the fewer things a caption names, the fewer places.

    Args:
        place_embeddings: (B, D, h, w) float, any length.
        text_embeddings: (T, D) float, any length.
        logit_scale: () float, natural logarithm of the inverse temperature.
        is_named: (B, T) bool; at least one in every row.
        shares: In (0, 1], of the places of a picture whose caption names one thing, two, and so
            on; the last one stands for more.

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
    """Symmetric InfoNCE in which a picture may have several right texts, and a text pictures.

    The target of a row is uniform over its positives, and so is that of a column; with one
    positive each it is CLIP's loss.

    Args:
        similarity: (B, T) float, row picture, column text.
        logit_scale: () float, natural logarithm of the inverse temperature.
        is_positive: (B, T) bool; at least one in every row and every column.

    Returns:
        () float.

    Source: CLIP (ICML 2021), section 2.3; several positives as in UniCL (CVPR 2022), Eq. (3)-(5).
    """
    logits = logit_scale.exp() * similarity
    return (_towards(logits, is_positive) + _towards(logits.T, is_positive.T)) / 2


def _towards(logits: Tensor, is_positive: Tensor) -> Tensor:
    """Cross-entropy of every row against the uniform distribution over its positives."""
    targets = is_positive.to(logits.dtype)
    return F.cross_entropy(logits, targets / targets.sum(dim=1, keepdim=True))
