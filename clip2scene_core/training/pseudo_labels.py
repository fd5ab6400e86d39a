"""What points are taken for in training: by their pixel, by consensus, or by a student."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.batch import PretrainBatch


@dataclass(frozen=True)
class Labels:
    """The class of every pair, and of points that no camera sees, where they have one.

    Attributes:
        of_pairs: (P,) int64.
        unseen: (U,) int64, rows of the batch's points.
        of_unseen: (U,) int64.
        confidences: (P + U,) float in [0, 1], of the pairs' labels, then of the others'.
    """

    of_pairs: Tensor
    unseen: Tensor
    of_unseen: Tensor
    confidences: Tensor


def name_by_teacher(batch: PretrainBatch, text: Tensor, logit_scale: float) -> Labels:
    """Take every pair for its point's consensus or else its pixel's nearest text.

    Args:
        batch: N points, P pairs.
        text: (C, D) float of unit length.
        logit_scale: The teacher's inverse temperature.

    Returns:
        The pairs, and the points without a pair that have a consensus.
    """
    of_pairs, confidences = name_by_text(batch.pixel_embeddings, text, logit_scale)
    agreed = batch.labels[batch.point_index]
    is_agreed = agreed != IGNORE_LABEL
    of_pairs = torch.where(is_agreed, agreed, of_pairs)
    confidences = torch.where(is_agreed, batch.confidences[batch.point_index], confidences)
    is_unseen = batch.labels != IGNORE_LABEL
    is_unseen[batch.point_index] = False
    unseen = is_unseen.nonzero()[:, 0]
    confidences = torch.cat([confidences, batch.confidences[unseen]])
    return Labels(of_pairs, unseen, batch.labels[unseen], confidences)


def name_by_text(
    embeddings: Tensor, text: Tensor, scale: float, class_weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Take every embedding for the class of its nearest text.

    Args:
        embeddings: (M, D) float of unit length.
        text: (C, D) float of unit length.
        scale: Inverse temperature.
        class_weights: (C,) float, those of the loss that made the embeddings, or None. Such a loss
            teaches how probable a class is times its weight, so names taken as they are lean
            towards rare classes; a student that learns from these leans further, until it names
            nothing else. Classes of weight 0 are never named.

    Returns:
        Classes (M,) int64 and their probabilities (M,) float.
    """
    logits = scale * embeddings @ text.T
    if class_weights is not None:
        logits = logits + torch.where(class_weights > 0, 1 / class_weights, 0).log()
    probabilities, classes = torch.softmax(logits, dim=1).max(dim=1)
    return classes, probabilities
