"""The module that pre-training moves, as a batch passes through it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from clip2scene_core.config_sections import LossesConfig
from clip2scene_core.network.student import Student


class Embedded(NamedTuple):
    """A batch in CLIP's space; nothing is normalised.

    Attributes:
        semantic: (N, D) of every point, for the semantic loss.
        spatial: (N, D) of every point, for the spatial-temporal loss. The semantic ones where only
            one of the two losses trains.
        pixels: (P, D) of every pair's pixel, for the spatial-temporal loss.
    """

    semantic: Tensor
    spatial: Tensor
    pixels: Tensor


class Distiller(nn.Module):
    """A student, and the linear layer that brings pixels to where its spatial embeddings are.

    The paper gives each loss linear layers of its own, on points and on pixels. The pixels' layer
    begins as the identity: a random one would first have to find back to CLIP's space, in which
    Eq. (4) compares pixels with texts.

    Args:
        student: Trained.
        losses: What they do not need, rests: decay alone would move its weights. Without a semantic
            loss the spatial-temporal one trains the head that labels.
    """

    def __init__(self, student: Student, losses: LossesConfig) -> None:
        super().__init__()
        self.student = student
        size = student.semantic_head.out_features
        self.pixel_head = nn.Linear(size, size)
        nn.init.eye_(self.pixel_head.weight)
        nn.init.zeros_(self.pixel_head.bias)
        self._has_both = "none" not in (losses.semantic, losses.spatial_temporal)
        self._reads_pixels = losses.spatial_temporal == "paper"
        student.spatial_head.requires_grad_(self._has_both)
        self.pixel_head.requires_grad_(self._reads_pixels)

    def forward(self, points: Tensor, batch_index: Tensor, pixel_embeddings: Tensor) -> Embedded:
        """Embed a batch.

        Args:
            points: (N, 4) float32, see `Student`.
            batch_index: (N,) int64.
            pixel_embeddings: (P, D) float32, the teacher's.
        """
        features = self.student.point_features(points, batch_index)
        semantic = self.student.semantic_head(features)
        spatial = self.student.spatial_head(features) if self._has_both else semantic
        pixels = self.pixel_head(pixel_embeddings) if self._reads_pixels else pixel_embeddings
        return Embedded(semantic, spatial, pixels)
