"""The losses of a batch: those of the paper and of the baselines, as the config names them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.config.losses import LossesConfig
from clip2scene_core.losses.distillation import distillation_loss, feature_distillation_loss
from clip2scene_core.losses.info_nce import ppkt_loss, slidr_loss
from clip2scene_core.losses.semantic_consistency import (
    bounded_semantic_consistency_loss,
    paper_semantic_consistency_loss,
    semantic_consistency_loss,
)
from clip2scene_core.losses.spatial_temporal import (
    official_spatial_temporal_loss,
    spatial_temporal_consistency_loss,
)
from clip2scene_core.training.pretrain.data.batch import PretrainBatch
from clip2scene_core.training.pretrain.distiller import Embedded
from clip2scene_core.training.pretrain.pseudo_labels import PseudoLabels
from clip2scene_core.training.terms import Term


def compute_losses(
    embedded: Embedded,
    batch: PretrainBatch,
    labels: PseudoLabels,
    text: Tensor,
    config: LossesConfig,
    class_weights: Tensor | None,
    logit_scale: float,
    generator: torch.Generator,
) -> dict[str, Term]:
    """Compute the losses of a batch.

    Args:
        embedded: Embeddings of the batch in CLIP's space.
        batch: N points, P pairs.
        labels: Pseudo labels of the batch.
        text: (C, D) float, embeddings of the C texts of all classes, unit length.
        config: Choice of losses and their parameters.
        class_weights: (C,) float for the cross-entropy, or None.
        logit_scale: Inverse temperature of the teacher, for "kl".
        generator: Random generator on the CPU, draws the pairs of "ppkt".

    Returns:
        The losses "semantic", "feature", "spatial_temporal" and "contrastive" that the config asks
        for, not yet multiplied by their weights.

    Source: CLIP2Scene (CVPR 2023), Eq. (1) to (4), and the baselines of its table 2;
    OpenScene (CVPR 2023) for "feature".
    """
    terms = {}
    if config.semantic == "kl":
        terms["semantic"] = _distillation(embedded, batch, text, config, logit_scale)
    elif config.semantic != "none":
        rows = torch.cat([batch.point_index, labels.unseen_index])
        classes = torch.cat([labels.pair_labels, labels.unseen_labels])
        weights = labels.confidences if config.weigh_by_confidence else None
        terms["semantic"] = _semantic(
            embedded.semantic, rows, classes, text, config, class_weights, weights
        )
    if config.feature != "none":
        terms["feature"] = _feature(embedded, batch)
    if config.spatial_temporal != "none":
        terms["spatial_temporal"] = _spatial_temporal(embedded, batch, labels, text, config)
    if config.contrastive != "none":
        terms["contrastive"] = _contrastive(embedded, batch, config, generator)
    return terms


def _semantic(
    points: Tensor,
    rows: Tensor,
    classes: Tensor,
    text: Tensor,
    config: LossesConfig,
    class_weights: Tensor | None,
    point_weights: Tensor | None,
) -> Term:
    """Eq. (1) and its variants: pull rows (M,) of points (N, D) to the texts of their classes."""
    count = torch.tensor(float(len(classes)), device=text.device)
    if config.semantic == "paper_eq1":
        value = paper_semantic_consistency_loss(points[rows], text, classes, config.temperature)
        return Term(value, count)
    if config.semantic == "bounded_eq1":
        value = bounded_semantic_consistency_loss(points[rows], text, classes, config.temperature)
        return Term(value, count)
    value = semantic_consistency_loss(
        points,
        text,
        classes,
        config.temperature,
        class_weights,
        point_weights,
        point_index=rows,
        normalize=config.normalize,
    )
    weights = text.new_ones(len(classes)) if point_weights is None else point_weights
    if class_weights is not None:
        weights = weights * class_weights[classes]
    return Term(value, weights.sum())


def _distillation(
    embedded: Embedded,
    batch: PretrainBatch,
    text: Tensor,
    config: LossesConfig,
    logit_scale: float,
) -> Term:
    """The ablation "kl": pull the student's distribution over classes to the teacher's."""
    points = F.normalize(embedded.semantic[batch.point_index], dim=1)
    student_logits = points @ text.T / config.temperature
    teacher_logits = logit_scale * batch.pixel_embeddings @ text.T
    value = distillation_loss(student_logits, teacher_logits, temperature=1.0)
    return Term(value, torch.tensor(float(len(points)), device=text.device))


def _feature(embedded: Embedded, batch: PretrainBatch) -> Term:
    """Pull the paired points to the embeddings of their pixels."""
    points = embedded.semantic[batch.point_index]
    value = feature_distillation_loss(points, batch.pixel_embeddings)
    return Term(value, torch.tensor(float(len(points)), device=points.device))


def _spatial_temporal(
    embedded: Embedded,
    batch: PretrainBatch,
    labels: PseudoLabels,
    text: Tensor,
    config: LossesConfig,
) -> Term:
    """Eq. (2) to (4): pull the points of a grid to a mixture of its pixels and points."""
    points = embedded.spatial[batch.point_index]
    num_grids = torch.unique(batch.grid_index).numel()
    if config.spatial_temporal == "official_code":
        value = official_spatial_temporal_loss(
            points, text, labels.pair_labels, batch.grid_index, config.fusion_temperature
        )
    else:
        value = spatial_temporal_consistency_loss(
            points,
            embedded.pixels,
            text,
            labels.pair_labels,
            batch.grid_index,
            config.fusion_temperature,
            normalize=config.spatial_normalize,
            detach_centers=config.detach_centers,
        )
    return Term(value, torch.tensor(float(num_grids), device=text.device))


def _contrastive(
    embedded: Embedded, batch: PretrainBatch, config: LossesConfig, generator: torch.Generator
) -> Term:
    """InfoNCE over pairs or over superpixels. Each process takes negatives from its own batch.

    The embedding of a superpixel is the mean over its pixels that show a point. The teacher embeds
    only these pixels, and they are spread over the superpixel.
    """
    points, pixels = embedded.contrastive[batch.point_index], batch.pixel_embeddings
    if config.contrastive == "ppkt":
        count = min(len(points), config.contrastive_pairs)
        value = ppkt_loss(
            points, pixels, config.contrastive_pairs, config.contrastive_temperature, generator
        )
    else:
        superpixels = batch.superpixel_index
        count = torch.unique(superpixels).numel()
        value = slidr_loss(points, superpixels, pixels, superpixels, config.contrastive_temperature)
    return Term(value, torch.tensor(float(count), device=points.device))
