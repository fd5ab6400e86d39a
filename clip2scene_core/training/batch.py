"""Batches of pseudo-labelled keyframes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clip2scene_core.training.augmentation import rotate_and_flip
from clip2scene_core.training.pseudo_labels import PseudoLabelledSweep


@dataclass(frozen=True)
class PretrainBatch:
    """B augmented sweeps.

    Attributes:
        points: (N, 4) float32, all sweeps one after the other.
        batch_index: (N,) int64, the sweep of each point.
        point_index: (P,) int64, rows of `points`.
        pseudo_labels: (P,) int64.
    """

    points: Tensor
    batch_index: Tensor
    point_index: Tensor
    pseudo_labels: Tensor


def collate_pretrain(
    sweeps: Sequence[PseudoLabelledSweep], generator: np.random.Generator
) -> PretrainBatch:
    """Augment sweeps and join them; pairs point into the joined cloud.

    Args:
        sweeps: B sweeps, B >= 1.
        generator: Source of chance for the augmentation.
    """
    sizes = np.array([len(sweep.points) for sweep in sweeps])
    starts = np.cumsum(sizes) - sizes
    points = np.concatenate([rotate_and_flip(sweep.points, generator) for sweep in sweeps])
    point_index = [s.point_index.astype(np.int64) + b for s, b in zip(sweeps, starts, strict=True)]
    pseudo_labels = np.concatenate([sweep.pseudo_labels for sweep in sweeps]).astype(np.int64)
    return PretrainBatch(
        torch.from_numpy(points),
        torch.from_numpy(np.repeat(np.arange(len(sweeps)), sizes)),
        torch.from_numpy(np.concatenate(point_index)),
        torch.from_numpy(pseudo_labels),
    )
