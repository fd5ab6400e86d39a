"""What points are taken for in training: by their pixel, by consensus, or by a student."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clip2scene_core.config.sections import SwitchingConfig
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.pretrain.data.batch import PretrainBatch


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


def teacher_pseudo_labels(batch: PretrainBatch, text: Tensor, logit_scale: float) -> Labels:
    """Take every pair for its point's consensus or else its pixel's nearest text.

    Args:
        batch: N points, P pairs.
        text: (C, D) float of unit length.
        logit_scale: The teacher's inverse temperature.

    Returns:
        The pairs, and the points without a pair that have a consensus.
    """
    of_pairs, confidences = student_pseudo_labels(batch.pixel_embeddings, text, logit_scale)
    agreed = batch.labels[batch.point_index]
    is_agreed = agreed != IGNORE_LABEL
    of_pairs = torch.where(is_agreed, agreed, of_pairs)
    confidences = torch.where(is_agreed, batch.confidences[batch.point_index], confidences)
    is_unseen = batch.labels != IGNORE_LABEL
    is_unseen[batch.point_index] = False
    unseen = is_unseen.nonzero()[:, 0]
    confidences = torch.cat([confidences, batch.confidences[unseen]])
    return Labels(of_pairs, unseen, batch.labels[unseen], confidences)


def student_pseudo_labels(
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


def is_switching(config: SwitchingConfig, epoch: int) -> bool:
    """Tell whether labels may be switched in an epoch, counted from 0."""
    return config.granularity != "none" and epoch >= config.start_epoch


def switch_labels(
    by_teacher: Labels,
    own: Tensor,
    own_confidences: Tensor,
    batch: PretrainBatch,
    config: SwitchingConfig,
    generator: torch.Generator,
) -> Labels:
    """Take each label from the teacher or from the student itself, by the toss of a coin.

    Args:
        by_teacher: Of P pairs and other points.
        own: (N,) int64, the class of every point by the student or its moving average.
        own_confidences: (N,) float, of these.
        batch: N points, P pairs.
        config: How often, and what one toss decides for; with `unseen_points`, points without any
            other label take their own.
        generator: Source of chance, on the CPU.

    Source: CLIP2Scene (CVPR 2023), section 3.2.4; the paper's code tosses once for a batch.
    """
    is_own = toss(batch.sample_index, config, generator)
    of_pairs = torch.where(is_own, own[batch.point_index], by_teacher.of_pairs)
    num_pairs = len(of_pairs)
    of_others = by_teacher.confidences[num_pairs:]
    confidences = torch.where(
        is_own, own_confidences[batch.point_index], by_teacher.confidences[:num_pairs]
    )
    unseen, of_unseen = by_teacher.unseen, by_teacher.of_unseen
    if config.unseen_points:
        is_nameless = torch.ones(len(own), dtype=torch.bool, device=own.device)
        is_nameless[batch.point_index] = is_nameless[unseen] = False
        nameless = is_nameless.nonzero()[:, 0]
        unseen = torch.cat([unseen, nameless])
        of_unseen = torch.cat([of_unseen, own[nameless]])
        of_others = torch.cat([of_others, own_confidences[nameless]])
    return Labels(of_pairs, unseen, of_unseen, torch.cat([confidences, of_others]))


def toss(sample_index: Tensor, config: SwitchingConfig, generator: torch.Generator) -> Tensor:
    """Toss the coin for every pair: sample_index (P,) int64, its keyframe -> (P,) bool."""
    num_samples = int(sample_index.max()) + 1 if len(sample_index) else 0
    num_tosses = {"batch": 1, "sample": num_samples, "point": len(sample_index)}
    tosses = torch.rand(num_tosses[config.granularity], generator=generator) < config.probability
    tosses = tosses.to(sample_index.device)
    if config.granularity == "batch":
        return tosses.expand(len(sample_index))
    return tosses[sample_index] if config.granularity == "sample" else tosses
