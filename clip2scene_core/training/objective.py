"""What pre-training minimises: the paper's two losses, in the forms that the config names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clip2scene_core.config import LossesConfig
from clip2scene_core.losses.semantic_consistency import (
    paper_semantic_consistency_loss,
    semantic_consistency_loss,
)
from clip2scene_core.training.batch import PretrainBatch
from clip2scene_core.training.distiller import Embedded


@dataclass(frozen=True)
class Term:
    """One loss of a batch.

    Attributes:
        value: () float, a mean.
        weight: () float: of how much it is the mean. Processes that share a batch are weighed by
            it, so that their sum is the loss of the whole batch.
    """

    value: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Labels:
    """The class of every pair, and of points that no camera sees, where they have one.

    Attributes:
        of_pairs: (P,) int64.
        unseen: (U,) int64, rows of the batch's points.
        of_unseen: (U,) int64.
    """

    of_pairs: Tensor
    unseen: Tensor
    of_unseen: Tensor


def losses_of(
    embedded: Embedded,
    batch: PretrainBatch,
    labels: Labels,
    text: Tensor,
    config: LossesConfig,
    class_weights: Tensor | None,
) -> dict[str, Term]:
    """Compute the losses of a batch.

    Args:
        embedded: The batch in CLIP's space.
        batch: N points, P pairs.
        labels: What the pairs and other points are taken for.
        text: (C, D) float of unit length.
        config: Which losses.
        class_weights: (C,) float for the cross-entropy, or None.

    Returns:
        "semantic", a mean.

    Source: CLIP2Scene (CVPR 2023), Eq. (1).
    """
    rows = torch.cat([batch.point_index, labels.unseen])
    classes = torch.cat([labels.of_pairs, labels.of_unseen])
    return {"semantic": _semantic(embedded.semantic[rows], classes, text, config, class_weights)}


def _semantic(
    points: Tensor,
    classes: Tensor,
    text: Tensor,
    config: LossesConfig,
    class_weights: Tensor | None,
) -> Term:
    """The first loss: points (M, D) are drawn to the texts of their classes (M,)."""
    count = torch.tensor(float(len(classes)), device=text.device)
    if config.semantic == "paper_eq1":
        return Term(
            paper_semantic_consistency_loss(points, text, classes, config.temperature), count
        )
    value = semantic_consistency_loss(points, text, classes, config.temperature, class_weights)
    return Term(value, count if class_weights is None else class_weights[classes].sum())
