"""The module that zero-shot training trains: the student with a layer for losses on features."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from clip2scene_core.config.zeroshot import ZeroShotLossesConfig
from clip2scene_core.network.student import Student


class AlignedPoints(NamedTuple):
    """N points in CLIP's space, not normalized.

    Attributes:
        semantic: (N, D) float, compared with the texts.
        features: (N, D) float, compared with pixels and patches.
    """

    semantic: Tensor
    features: Tensor


class AlignedStudent(nn.Module):
    """A student, and the linear layer that brings features of its trunk into CLIP's space.

    Labels do not use this layer, and the checkpoint leaves it out. With `losses.aligned`
    "embedding" the features are the embeddings that labels come from.

    Args:
        student: Student to train.
        losses: Losses in use. Layers that none uses are not trained.
    """

    def __init__(self, student: Student, losses: ZeroShotLossesConfig) -> None:
        super().__init__()
        self.student = student
        size = student.semantic_head.out_features
        self.alignment_head = nn.Linear(student.network.out_features, size)
        self._is_apart = losses.is_aligning and losses.aligned == "trunk"
        self.alignment_head.requires_grad_(self._is_apart)
        student.spatial_head.requires_grad_(False)

    def forward(self, points: Tensor, batch_index: Tensor) -> AlignedPoints:
        """Embed points (N, 4) of the clouds `batch_index` (N,) int64, see `Student`."""
        trunk = self.student.point_features(points, batch_index)
        semantic = self.student.semantic_head(trunk)
        return AlignedPoints(semantic, self.alignment_head(trunk) if self._is_apart else semantic)
