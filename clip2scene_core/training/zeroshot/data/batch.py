"""Batches of keyframes with labels of seen classes, pixel-point pairs and patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from clip2scene_core.training.pretrain.data.batch import PretrainBatch, collate
from clip2scene_core.training.zeroshot.data.samples import ZeroShotSample


@dataclass(frozen=True)
class ZeroShotBatch:
    """The N points of B keyframes with P pairs on Q patches.

    Attributes:
        pairs: Points and pairs; its `labels` are those of the consensus among unseen classes.
        true_labels: (N,) int64, the seen class of each point; 255 = IGNORE_LABEL for all others.
        patch_index: (P,) int64 in [0, Q), the patch of each pair. Keyframes share no patch.
        patch_embeddings: (Q, D) float32, the teacher's, unit length.
    """

    pairs: PretrainBatch
    true_labels: Tensor
    patch_index: Tensor
    patch_embeddings: Tensor

    def to(self, device: torch.device) -> ZeroShotBatch:
        """Move every tensor."""
        return ZeroShotBatch(
            self.pairs.to(device),
            self.true_labels.to(device),
            self.patch_index.to(device),
            self.patch_embeddings.to(device),
        )

    def with_clouds(self, batch_index: Tensor) -> ZeroShotBatch:
        """Make a copy whose points (N,) belong to other clouds."""
        return replace(self, pairs=replace(self.pairs, batch_index=batch_index))


def collate_zeroshot(samples: Sequence[ZeroShotSample]) -> ZeroShotBatch:
    """Join B >= 1 keyframes to a batch."""
    sizes = [len(sample.patch_embeddings) for sample in samples]
    starts = np.cumsum([0, *sizes])
    patch_index = [
        start + sample.patch_index for start, sample in zip(starts, samples, strict=False)
    ]
    true_labels = np.concatenate([sample.paired.true_labels for sample in samples])
    return ZeroShotBatch(
        pairs=collate([(sample.paired, sample.pixel_embeddings) for sample in samples]),
        true_labels=torch.from_numpy(true_labels.astype(np.int64)),
        patch_index=torch.from_numpy(np.concatenate(patch_index)),
        patch_embeddings=torch.cat([sample.patch_embeddings for sample in samples]),
    )
