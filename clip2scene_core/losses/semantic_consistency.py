"""Semantic consistency: a point embedding learns the text embedding of its pseudo label."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.losses.checks import check_points_and_texts
from clip2scene_core.losses.cosines import cosines


def semantic_consistency_loss(
    point_embeddings: Tensor,
    text_embeddings: Tensor,
    pseudo_labels: Tensor,
    temperature: float,
    class_weights: Tensor | None = None,
    point_weights: Tensor | None = None,
    *,
    point_index: Tensor | None = None,
    normalize: bool = True,
) -> Tensor:
    """Cross-entropy of each point over the texts of all classes.

    Args:
        point_embeddings: (N, D) float, any length; N may be 0.
        text_embeddings: (C, D) float, any length.
        pseudo_labels: (P,) int64 in [0, C), or 255 for points without a label.
        temperature: Positive.
        class_weights: (C,) float, or None for equal weights.
        point_weights: (P,) float, or None for equal weights. The weight of a point is the product
            of its point weight and its class weight.
        point_index: (P,) int64, the point that each label is of; None if it is the point of the
            same row. A point may have several labels, or none.
        normalize: Whether embeddings are scaled to unit length here, so that logits are cosines
            / temperature.

    Returns:
        Scalar, the weighted mean over labelled points; 0, with a gradient path, if no point has a
        label.

    Raises:
        ValueError: If shapes do not fit, a label is out of range or temperature is not positive.

    Source: the official code of CLIP2Scene (CVPR 2023), which trains with this loss instead of
    Eq. (1), with temperature 1 and without normalising.
    """
    num_labels = None if point_index is None else len(point_index)
    check_points_and_texts(
        point_embeddings, text_embeddings, pseudo_labels, temperature, num_labels
    )
    if point_index is not None and 2 * len(point_index) < len(point_embeddings):
        point_embeddings, point_index = point_embeddings[point_index], None
    if normalize:
        logits = cosines(point_embeddings, text_embeddings) / temperature  # (N, C)
    else:
        logits = point_embeddings @ text_embeddings.T / temperature
    if point_index is not None:
        logits = logits[point_index]  # (P, C)
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

    The loss of class c is -log of [sum over points labelled c of exp(t_c . p / temperature)] /
    [the same sum over points not labelled c]. The result is the sum over classes. Classes without
    points on both sides are left out. As published, embeddings are not scaled to unit length, and
    the denominator has no positives. So the loss has no lower bound unless embeddings have unit
    length.

    Args:
        point_embeddings: (P, D) float; P may be 0.
        text_embeddings: (C, D) float.
        pseudo_labels: (P,) int64 in [0, C), or 255 for points that are left out.
        temperature: Positive; 0.5 in the paper.

    Returns:
        Scalar; 0, with a gradient path, if no class has both sides.

    Raises:
        ValueError: If shapes do not fit, a label is out of range or temperature is not positive.

    Source: CLIP2Scene (CVPR 2023), Eq. (1).
    """
    check_points_and_texts(point_embeddings, text_embeddings, pseudo_labels, temperature)
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

    Eq. (1) with the positives also in the denominator. The loss of a class is -log of the share of
    its points in the sum of exp(t_c . p / temperature), so it is never negative, for embeddings of
    any length.

    Args:
        point_embeddings: (P, D) float; P may be 0.
        text_embeddings: (C, D) float.
        pseudo_labels: (P,) int64 in [0, C), or 255 for points that are left out.
        temperature: Positive.

    Returns:
        Scalar, the sum over the classes that have points; 0, with a gradient path, if there is no
        such class.

    Raises:
        ValueError: If shapes do not fit, a label is out of range or temperature is not positive.
    """
    check_points_and_texts(point_embeddings, text_embeddings, pseudo_labels, temperature)
    logits, is_positive = _logits_of_present_classes(
        point_embeddings, text_embeddings, pseudo_labels, temperature
    )
    positives = logits.masked_fill(~is_positive, -torch.inf).logsumexp(dim=0)
    return (logits.logsumexp(dim=0) - positives).sum()


def _logits_of_present_classes(
    point_embeddings: Tensor, text_embeddings: Tensor, pseudo_labels: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Logits of labelled points and occurring classes, (P', C'), and which are positives, bool."""
    labelled = pseudo_labels != IGNORE_LABEL
    labels = pseudo_labels[labelled]
    classes = torch.unique(labels)
    logits = point_embeddings[labelled] @ text_embeddings[classes].T / temperature
    return logits, labels[:, None] == classes
