"""The losses of a batch: cross-entropy over the texts, class prototypes, and patch features."""

from __future__ import annotations

import torch
from torch import Tensor

from clip2scene_core.config.zeroshot import ZeroShotLossesConfig
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.losses.cross_modal_alignment import class_prototype_loss, patch_feature_loss
from clip2scene_core.losses.semantic_consistency import semantic_consistency_loss
from clip2scene_core.training.terms import Term
from clip2scene_core.training.zeroshot.aligner import AlignedPoints
from clip2scene_core.training.zeroshot.data.batch import ZeroShotBatch
from clip2scene_core.training.zeroshot.labels import PointLabels


def compute_zeroshot_losses(
    points: AlignedPoints,
    batch: ZeroShotBatch,
    labels: PointLabels,
    text: Tensor,
    losses: ZeroShotLossesConfig,
    class_weights: Tensor | None,
    generator: torch.Generator,
) -> dict[str, Term]:
    """Compute the losses of a batch.

    Args:
        points: The N points of the batch in CLIP's space.
        batch: N points, P pairs, Q patches.
        labels: Labels and pseudo labels of the points.
        text: (C, D) float, embeddings of the C texts, unit length.
        losses: Weights and temperatures.
        class_weights: (C,) float for the cross-entropy, or None.
        generator: Random generator on the CPU, draws patches.

    Returns:
        "semantic", and "prototype" and "patch" where their weights are not 0; not yet multiplied by
        their weights.

    Source: arXiv 2312.07221; our reconstruction. Each process contrasts its own part of the batch.
    """
    terms = {"semantic": _semantic(points.semantic, labels, text, losses, class_weights)}
    pairs = batch.pairs
    if losses.prototype_weight:
        pixel_labels = labels.labels[pairs.point_index]
        value = class_prototype_loss(
            points.features,
            labels.labels,
            pairs.pixel_embeddings,
            pixel_labels,
            len(text),
            losses.alignment_temperature,
        )
        # The points of pairs are points: classes that pixels have are in both.
        present = torch.unique(pixel_labels[pixel_labels != IGNORE_LABEL])
        terms["prototype"] = Term(value, _count(len(present), text))
    if losses.patch_weight:
        value = patch_feature_loss(
            points.features[pairs.point_index],
            batch.patch_index,
            batch.patch_embeddings,
            losses.max_patches,
            losses.alignment_temperature,
            generator,
        )
        num_patches = min(len(torch.unique(batch.patch_index)), losses.max_patches)
        terms["patch"] = Term(value, _count(num_patches, text))
    return terms


def _semantic(
    embeddings: Tensor,
    labels: PointLabels,
    text: Tensor,
    losses: ZeroShotLossesConfig,
    class_weights: Tensor | None,
) -> Term:
    """Cross-entropy of the labelled points over the texts, which are the classifier's weights."""
    rows = (labels.labels != IGNORE_LABEL).nonzero()[:, 0]
    classes = labels.labels[rows]
    weights = torch.where(labels.is_pseudo[rows], losses.pseudo_weight, 1.0)
    value = semantic_consistency_loss(
        embeddings, text, classes, losses.temperature, class_weights, weights, point_index=rows
    )
    total = weights if class_weights is None else weights * class_weights[classes]
    return Term(value, total.sum())


def _count(number: int, like: Tensor) -> Tensor:
    return torch.tensor(float(number), device=like.device)
