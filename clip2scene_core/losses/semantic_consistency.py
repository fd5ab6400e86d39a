"""Semantic consistency: point embeddings are drawn to the text of their pseudo label."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.labels import IGNORE_LABEL


def semantic_consistency_loss(
    point_embeddings: Tensor,
    text_embeddings: Tensor,
    pseudo_labels: Tensor,
    temperature: float,
    class_weights: Tensor | None = None,
    point_weights: Tensor | None = None,
    *,
    normalize: bool = True,
) -> Tensor:
    """Cross-entropy of each point over the texts of all classes.

    Args:
        point_embeddings: (P, D) float, any length; P may be 0.
        text_embeddings: (C, D) float, any length.
        pseudo_labels: (P,) int64 in [0, C), or 255 for points without a label.
        temperature: Positive.
        class_weights: (C,) float, or None for equal ones.
        point_weights: (P,) float, likewise; a point counts by the product of both.
        normalize: Whether embeddings are brought to unit length here, so that logits are cosines
            / temperature.

    Returns:
        Scalar, the (weighted) mean over labelled points; 0, with a gradient path, if there is none.

    Raises:
        ValueError: If shapes do not fit, a label is out of range or temperature is not positive.

    Source: the official code of CLIP2Scene (CVPR 2023) trains with this in place of Eq. (1), with
    temperature 1 and without normalising.
    """
    _check(point_embeddings, text_embeddings, pseudo_labels, temperature)
    if normalize:
        point_embeddings = F.normalize(point_embeddings, dim=1)
        text_embeddings = F.normalize(text_embeddings, dim=1)
    logits = point_embeddings @ text_embeddings.T / temperature  # (P, C)
    labelled = pseudo_labels != IGNORE_LABEL
    if point_weights is not None and point_weights.shape != pseudo_labels.shape:
        raise ValueError(
            f"point_weights must be {tuple(pseudo_labels.shape)} like pseudo_labels, got "
            f"{tuple(point_weights.shape)}"
        )
    losses = F.cross_entropy(
        logits, pseudo_labels, weight=class_weights, ignore_index=IGNORE_LABEL, reduction="none"
    )
    weights = torch.ones_like(losses) if point_weights is None else point_weights
    losses = (weights * losses).sum()
    weights, labels = weights[labelled], pseudo_labels[labelled]
    total_weight = (weights if class_weights is None else weights * class_weights[labels]).sum()
    return losses / torch.where(total_weight > 0, total_weight, 1)


def paper_semantic_consistency_loss(
    point_embeddings: Tensor, text_embeddings: Tensor, pseudo_labels: Tensor, temperature: float
) -> Tensor:
    """Contrast, for each class text, the points of the class with all other points.

    For class c: -log of [sum over points labelled c of exp(t_c . p / temperature)] / [the same
    over points not labelled c], summed over the classes. Classes without points on both sides are
    left out. As published: embeddings are taken at their length, and the denominator has no
    positives, so the loss has no lower bound unless they have unit length.

    Args:
        point_embeddings: (P, D) float; P may be 0.
        text_embeddings: (C, D) float.
        pseudo_labels: (P,) int64 in [0, C), or 255 for points that take no part.
        temperature: Positive; 0.5 in the paper.

    Returns:
        Scalar; 0, with a gradient path, if no class has both sides.

    Raises:
        ValueError: If shapes do not fit, a label is out of range or temperature is not positive.

    Source: CLIP2Scene (CVPR 2023), Eq. (1).
    """
    _check(point_embeddings, text_embeddings, pseudo_labels, temperature)
    logits, is_positive = _logits_of_present_classes(
        point_embeddings, text_embeddings, pseudo_labels, temperature
    )
    has_negatives = ~is_positive.all(dim=0)
    logits, is_positive = logits[:, has_negatives], is_positive[:, has_negatives]
    positives = logits.masked_fill(~is_positive, -torch.inf).logsumexp(dim=0)
    negatives = logits.masked_fill(is_positive, -torch.inf).logsumexp(dim=0)
    return (negatives - positives).sum()


def bounded_semantic_consistency_loss(
    point_embeddings: Tensor, text_embeddings: Tensor, pseudo_labels: Tensor, temperature: float
) -> Tensor:
    """Contrast, for each class text, the points of the class with all points.

    Eq. (1) with the positives in the denominator, too: the share of the class's own points in
    exp(t_c . p / temperature). So no class, and not the sum, can fall under 0, whatever the length
    of the embeddings.

    Args:
        point_embeddings: (P, D) float; P may be 0.
        text_embeddings: (C, D) float.
        pseudo_labels: (P,) int64 in [0, C), or 255 for points that take no part.
        temperature: Positive.

    Returns:
        Scalar, the sum over the classes that have points; 0, with a gradient path, if none has.

    Raises:
        ValueError: If shapes do not fit, a label is out of range or temperature is not positive.
    """
    _check(point_embeddings, text_embeddings, pseudo_labels, temperature)
    logits, is_positive = _logits_of_present_classes(
        point_embeddings, text_embeddings, pseudo_labels, temperature
    )
    positives = logits.masked_fill(~is_positive, -torch.inf).logsumexp(dim=0)
    return (logits.logsumexp(dim=0) - positives).sum()


def _logits_of_present_classes(
    point_embeddings: Tensor, text_embeddings: Tensor, pseudo_labels: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Logits (P', C') of labelled points and classes that occur, and whether each is a positive."""
    labelled = pseudo_labels != IGNORE_LABEL
    labels = pseudo_labels[labelled]
    classes = torch.unique(labels)
    logits = point_embeddings[labelled] @ text_embeddings[classes].T / temperature
    return logits, labels[:, None] == classes


def _check(
    point_embeddings: Tensor, text_embeddings: Tensor, pseudo_labels: Tensor, temperature: float
) -> None:
    if point_embeddings.ndim != 2 or text_embeddings.ndim != 2:
        raise ValueError(
            f"embeddings must be (P, D) and (C, D), got {tuple(point_embeddings.shape)} "
            f"and {tuple(text_embeddings.shape)}"
        )
    if point_embeddings.shape[1] != text_embeddings.shape[1]:
        raise ValueError(
            f"points have {point_embeddings.shape[1]} numbers per embedding, texts "
            f"{text_embeddings.shape[1]}; the head must have the size of the text embeddings"
        )
    if pseudo_labels.shape != (len(point_embeddings),):
        raise ValueError(
            f"pseudo_labels must be ({len(point_embeddings)},) like the points, "
            f"got {tuple(pseudo_labels.shape)}"
        )
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    labels = pseudo_labels[pseudo_labels != IGNORE_LABEL]
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(text_embeddings):
        raise ValueError(
            f"pseudo_labels must be in [0, {len(text_embeddings)}) or {IGNORE_LABEL}, got "
            f"{int(labels.min())} to {int(labels.max())}"
        )
