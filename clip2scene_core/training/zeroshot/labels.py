"""Who names a point: the data set if its class is seen, else CLIP or the student itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.config.zeroshot import ZeroShotLossesConfig
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.pretrain.class_weights import weigh_counts
from clip2scene_core.training.pretrain.label_counts import spread_keyframes
from clip2scene_core.training.pretrain.pseudo_labels import student_pseudo_labels
from clip2scene_core.training.zeroshot.data.batch import ZeroShotBatch, collate_zeroshot
from clip2scene_core.training.zeroshot.data.samples import ZeroShotSamples
from clip2scene_core.training.zeroshot.thresholds import ClassThresholds


@dataclass(frozen=True)
class PointLabels:
    """The classes of the N points of a batch.

    Attributes:
        labels: (N,) int64, 255 = IGNORE_LABEL where there is none.
        is_pseudo: (N,) bool, whether a label is no label of the data set.
    """

    labels: Tensor
    is_pseudo: Tensor


def label_by_teacher(
    batch: ZeroShotBatch,
    text: Tensor,
    is_unseen: Tensor,
    logit_scale: float,
    losses: ZeroShotLossesConfig,
) -> PointLabels:
    """Phase 1: points without a seen label are of the unseen class that CLIP finds likeliest.

    CLIP is asked by the consensus of the point, or else by the mean embedding of its pixels.

    Args:
        batch: N points, P pairs.
        text: (C, D) float, embeddings of the C texts, unit length.
        is_unseen: (C,) bool.
        logit_scale: Inverse temperature of the teacher.
        losses: Whether there are pseudo labels, and how probable they must be.
    """
    pairs = batch.pairs
    proposed, confidences = pairs.labels.clone(), pairs.confidences.clone()
    seen_rows, inverse = torch.unique(pairs.point_index, return_inverse=True)
    sums = text.new_zeros(len(seen_rows), text.shape[1])
    pixels = F.normalize(sums.index_add(0, inverse, pairs.pixel_embeddings), dim=1)
    # Weights of 0 leave the seen classes out.
    classes, probabilities = student_pseudo_labels(pixels, text, logit_scale, is_unseen.float())
    is_open = proposed[seen_rows] == IGNORE_LABEL
    proposed[seen_rows[is_open]] = classes[is_open]
    confidences[seen_rows[is_open]] = probabilities[is_open]
    is_kept = confidences >= losses.min_confidence
    return _complete(batch.true_labels, proposed, is_kept, losses)


def label_by_student(
    batch: ZeroShotBatch,
    embeddings: Tensor,
    text: Tensor,
    is_unseen: Tensor,
    class_weights: Tensor | None,
    thresholds: ClassThresholds,
    losses: ZeroShotLossesConfig,
    unsure: PointLabels | None = None,
) -> PointLabels:
    """Phase 2: the student itself names the points without a seen label.

    They are of the unseen class that it finds likeliest, if it is sure enough.

    Args:
        batch: N points.
        embeddings: (N, D) float of the points, by the labeller, unit length.
        text: (C, D) float, embeddings of the C texts, unit length.
        is_unseen: (C,) bool.
        class_weights: (C,) float of the cross-entropy, or None; see `student_pseudo_labels`.
        thresholds: How probable a label must be, for each class; they follow these labels.
        losses: Whether there are pseudo labels, and the temperature of the student.
        unsure: Labels of the points of which it is not sure enough; None: they have none.
    """
    weights = is_unseen.float() if class_weights is None else class_weights * is_unseen
    if not (weights > 0).any():  # nothing was ever named an unseen class
        if unsure is not None:
            return unsure
        nothing = torch.full_like(batch.true_labels, IGNORE_LABEL)
        return _complete(batch.true_labels, nothing, nothing.bool(), losses)
    proposed, confidences = student_pseudo_labels(embeddings, text, 1 / losses.temperature, weights)
    is_open = batch.true_labels == IGNORE_LABEL
    thresholds.update(proposed[is_open], confidences[is_open])
    is_kept = thresholds.keep(proposed, confidences)
    own = _complete(batch.true_labels, proposed, is_kept, losses)
    if unsure is None:
        return own
    labels = torch.where(own.is_pseudo, own.labels, unsure.labels)
    return PointLabels(labels, own.is_pseudo | unsure.is_pseudo)


def count_class_weights(
    samples: ZeroShotSamples,
    text: Tensor,
    is_unseen: NDArray[np.bool_],
    logit_scale: float,
    losses: ZeroShotLossesConfig,
) -> Tensor:
    """Weigh each class by its share of the labels of phase 1, see `weigh_counts`.

    Args:
        samples: Keyframes. At most 256 of them, evenly spread, are counted.
        text: (C, D) float32 embeddings of the C texts, unit length.
        is_unseen: (C,) bool.
        logit_scale: Inverse temperature of the teacher.
        losses: Which pseudo labels there are, and the power of the weights.

    Returns:
        (C,) float32 with mean 1 over the classes that occur; 0 for classes that never occur.

    Raises:
        ValueError: If no point has a label.
    """
    counts: NDArray[np.int64] = np.zeros(len(text), dtype=np.int64)
    for index in spread_keyframes(len(samples)):
        batch = collate_zeroshot([samples[0, index]])
        found = label_by_teacher(batch, text, torch.from_numpy(is_unseen), logit_scale, losses)
        labels = found.labels[found.labels != IGNORE_LABEL]
        counts += torch.bincount(labels, minlength=len(text)).numpy()
    if not counts.any():
        raise ValueError(
            "no point has a label of a seen class or a pseudo label; check the labels, the "
            "calibration and that there are images"
        )
    return weigh_counts(counts, losses.class_balance_power)


def _complete(
    true_labels: Tensor, proposed: Tensor, is_kept: Tensor, losses: ZeroShotLossesConfig
) -> PointLabels:
    """Give the points (N,) without a seen label the proposed one, if it is kept."""
    is_pseudo = (true_labels == IGNORE_LABEL) & (proposed != IGNORE_LABEL) & is_kept
    if losses.pseudo_weight == 0:
        is_pseudo = torch.zeros_like(is_pseudo)
    return PointLabels(torch.where(is_pseudo, proposed, true_labels), is_pseudo)
