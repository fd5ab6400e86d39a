"""Pseudo labels of points: by the teacher, by the student, and switched between both."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clip2scene_core.config.losses import SwitchingConfig
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.pretrain.data.batch import PretrainBatch


@dataclass(frozen=True)
class PseudoLabels:
    """The class of every pair, and of U points without a pair that have a class.

    Attributes:
        pair_labels: (P,) int64, the class of each pair.
        unseen_index: (U,) int64, points that no camera sees, as rows of the batch's points.
        unseen_labels: (U,) int64, the class of each of these points.
        confidences: (P + U,) float in [0, 1], of the pairs' labels, then of the unseen points'.
    """

    pair_labels: Tensor
    unseen_index: Tensor
    unseen_labels: Tensor
    confidences: Tensor


def teacher_pseudo_labels(batch: PretrainBatch, text: Tensor, logit_scale: float) -> PseudoLabels:
    """Label every pair by the consensus of its point, or else by the nearest text of its pixel.

    Args:
        batch: N points, P pairs.
        text: (C, D) float, embeddings of the C texts of all classes, unit length.
        logit_scale: Inverse temperature of the teacher.

    Returns:
        Labels of the pairs, and of the points without a pair that have a consensus.
    """
    labels, confidences = student_pseudo_labels(batch.pixel_embeddings, text, logit_scale)
    consensus = batch.labels[batch.point_index]
    has_consensus = consensus != IGNORE_LABEL
    pair_labels = torch.where(has_consensus, consensus, labels)
    confidences = torch.where(has_consensus, batch.confidences[batch.point_index], confidences)
    is_unseen = batch.labels != IGNORE_LABEL
    is_unseen[batch.point_index] = False
    unseen_index = is_unseen.nonzero()[:, 0]
    confidences = torch.cat([confidences, batch.confidences[unseen_index]])
    return PseudoLabels(pair_labels, unseen_index, batch.labels[unseen_index], confidences)


def is_switching(config: SwitchingConfig, epoch: int) -> bool:
    """Tell whether labels may be switched in an epoch, counted from 0."""
    return config.granularity != "none" and epoch >= config.start_epoch


def student_pseudo_labels(
    embeddings: Tensor, text: Tensor, scale: float, class_weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Label every embedding by its nearest text.

    Args:
        embeddings: (M, D) float, unit length.
        text: (C, D) float, embeddings of the C texts of all classes, unit length.
        scale: Inverse temperature.
        class_weights: (C,) float, the weights of the loss that trained the embeddings, or None. A
            weighted loss teaches the probability of a class times its weight, so its labels lean
            towards rare classes. A student that learns from such labels leans further, until it
            predicts nothing else. Dividing by the weights prevents this. Classes of weight 0 are
            never predicted.

    Returns:
        Classes (M,) int64 and their probabilities (M,) float.
    """
    logits = scale * embeddings @ text.T
    if class_weights is not None:
        logits = logits + torch.where(class_weights > 0, 1 / class_weights, 0).log()
    probabilities, classes = torch.softmax(logits, dim=1).max(dim=1)
    return classes, probabilities


def switch_labels(
    by_teacher: PseudoLabels,
    student_labels: Tensor,
    student_confidences: Tensor,
    batch: PretrainBatch,
    config: SwitchingConfig,
    generator: torch.Generator,
) -> PseudoLabels:
    """Replace labels of the teacher by labels of the student, at random.

    Args:
        by_teacher: Labels of P pairs and of U points without a pair.
        student_labels: (N,) int64, the class of every point by the student or its moving average.
        student_confidences: (N,) float in [0, 1], the confidence of each of these.
        batch: N points, P pairs.
        config: Probability and granularity of switching. With `unseen_points`, points without any
            other label get the student's.
        generator: Random generator, on the CPU.

    Source: CLIP2Scene (arXiv 2301.04926v1), section 3.2.3. The paper's code draws once for a batch.
    """
    is_switched = draw_switches(batch.sample_index, config, generator)
    pair_labels = torch.where(
        is_switched, student_labels[batch.point_index], by_teacher.pair_labels
    )
    num_pairs = len(pair_labels)
    pair_confidences = torch.where(
        is_switched,
        student_confidences[batch.point_index],
        by_teacher.confidences[:num_pairs],
    )
    unseen_index, unseen_labels = by_teacher.unseen_index, by_teacher.unseen_labels
    unseen_confidences = by_teacher.confidences[num_pairs:]
    if config.unseen_points:
        is_unlabelled = torch.ones(
            len(student_labels), dtype=torch.bool, device=student_labels.device
        )
        is_unlabelled[batch.point_index] = is_unlabelled[unseen_index] = False
        unlabelled = is_unlabelled.nonzero()[:, 0]
        unseen_index = torch.cat([unseen_index, unlabelled])
        unseen_labels = torch.cat([unseen_labels, student_labels[unlabelled]])
        unseen_confidences = torch.cat([unseen_confidences, student_confidences[unlabelled]])
    confidences = torch.cat([pair_confidences, unseen_confidences])
    return PseudoLabels(pair_labels, unseen_index, unseen_labels, confidences)


def draw_switches(
    sample_index: Tensor, config: SwitchingConfig, generator: torch.Generator
) -> Tensor:
    """Draw which pairs are switched: once for the batch, for each keyframe, or for each pair.

    Args:
        sample_index: (P,) int64, the keyframe of each pair.
        config: Probability and granularity of switching.
        generator: Random generator, on the CPU.

    Returns:
        (P,) bool on the device of `sample_index`.
    """
    num_samples = int(sample_index.max()) + 1 if len(sample_index) else 0
    num_draws = {"batch": 1, "sample": num_samples, "point": len(sample_index)}
    draws = torch.rand(num_draws[config.granularity], generator=generator) < config.probability
    draws = draws.to(sample_index.device)
    if config.granularity == "batch":
        return draws.expand(len(sample_index))
    return draws[sample_index] if config.granularity == "sample" else draws
