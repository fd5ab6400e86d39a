"""Supervised losses, for fine-tuning on labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.losses.checks import check_label_range


def supervised_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum of cross-entropy and Lovász-softmax.

    Args:
        logits: (P, C) float; P may be 0.
        labels: (P,) int64 in [0, C), or 255 for points without a label.

    Returns:
        Scalar; 0, with a gradient path, if no point has a label.

    Raises:
        ValueError: If shapes do not fit or a label is out of range.

    Source: the fine-tuning of SLidR (CVPR 2022) and of CLIP2Scene (CVPR 2023).
    """
    return cross_entropy_loss(logits, labels) + lovasz_softmax_loss(logits, labels)


def cross_entropy_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the points that have a label.

    Args:
        logits: (P, C) float; P may be 0.
        labels: (P,) int64 in [0, C), or 255 for points without a label.

    Returns:
        Scalar; 0, with a gradient path, if no point has a label.

    Raises:
        ValueError: If shapes do not fit or a label is out of range.
    """
    _check(logits, labels)
    total = F.cross_entropy(logits, labels, ignore_index=IGNORE_LABEL, reduction="sum")
    return total / (labels != IGNORE_LABEL).sum().clamp(min=1)


def lovasz_softmax_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The Jaccard loss (1 - IoU), extended to probabilities and averaged over classes.

    The error of a point for a class is |1 - probability| if the point has the class, else the
    probability. Points are sorted by falling error. If they turn wrong in this order, the Jaccard
    loss grows from 0 to 1; the weight of an error is the growth at its point. Classes without a
    labelled point are left out.

    Args:
        logits: (P, C) float; P may be 0.
        labels: (P,) int64 in [0, C), or 255 for points without a label.

    Returns:
        Scalar in [0, 1], the mean over the classes that occur; 0, with a gradient path, if no point
        has a label.

    Raises:
        ValueError: If shapes do not fit or a label is out of range.

    Source: Berman et al., The Lovász-Softmax loss (CVPR 2018).
    """
    _check(logits, labels)
    labelled = labels != IGNORE_LABEL
    labels = labels[labelled]
    classes = torch.unique(labels)
    has_class = labels[:, None] == classes  # (P', C')
    probabilities = F.softmax(logits[labelled], dim=1)[:, classes]
    errors, order = (has_class.to(logits.dtype) - probabilities).abs().sort(dim=0, descending=True)
    steps = _jaccard_steps(has_class.gather(0, order)).to(errors.dtype)
    loss: Tensor = (errors * steps).sum() / max(len(classes), 1)
    return loss


def _jaccard_steps(has_class: Tensor) -> Tensor:
    """Growth of the Jaccard loss of each class at each row that turns wrong: (P, C) float64.

    Steps are computed as fractions, because a difference of two similar losses loses digits.
    """
    num_missed = has_class.cumsum(dim=0).double()
    num_invented = (~has_class).cumsum(dim=0).double()
    num_members = has_class.sum(dim=0)
    union = num_members + num_invented
    intersection = num_members - num_missed
    # A missed member leaves the intersection; an invented member enters the union.
    invented_step = intersection / (union * (union - 1).clamp(min=1))
    return torch.where(has_class, 1 / union, invented_step)


def _check(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"logits must be (P, C) and labels (P,), got {tuple(logits.shape)} "
            f"and {tuple(labels.shape)}"
        )
    check_label_range("labels", labels, logits.shape[1])
