"""The module that pre-training moves, as a batch passes through it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from clip2scene_core.config.sections import LossesConfig
from clip2scene_core.network.student import Student


class Embedded(NamedTuple):
    """A batch in CLIP's space; nothing is normalized.

    Attributes:
        semantic: (N, D) of every point, for the semantic loss.
        spatial: (N, D) of every point, for the spatial-temporal loss. The semantic ones where no
            loss before it trains.
        contrastive: (N, D) of every point, for the contrastive loss; likewise.
        pixels: (P, D) of every pair's pixel, for the spatial-temporal loss.
    """

    semantic: Tensor
    spatial: Tensor
    contrastive: Tensor
    pixels: Tensor


class Distiller(nn.Module):
    """A student, and the linear layers that its losses need and its labels do not.

    The paper gives each loss linear layers of its own, on points and on pixels. The pixels' layer
    begins as the identity: a random one would first have to find back to CLIP's space, in which
    Eq. (4) compares pixels with texts. The contrastive loss has no layer on pixels: such a layer
    may turn CLIP's space any way that tells its pixels apart, and then points meet no text.

    Args:
        student: Trained.
        losses: What they do not need, rests: decay alone would move its weights. The first of the
            semantic, the spatial-temporal and the contrastive loss trains the head that labels, the
            others have heads of their own.
    """

    def __init__(self, student: Student, losses: LossesConfig) -> None:
        super().__init__()
        self.student = student
        size = student.semantic_head.out_features
        self.pixel_head = nn.Linear(size, size)
        nn.init.eye_(self.pixel_head.weight)
        nn.init.zeros_(self.pixel_head.bias)
        self.contrastive_head = nn.Linear(student.network.out_features, size)
        has_semantic, has_spatial = losses.semantic != "none", losses.spatial_temporal != "none"
        self._spatial_is_apart = has_spatial and has_semantic
        self._contrast_is_apart = losses.contrastive != "none" and (has_semantic or has_spatial)
        self._reads_pixels = losses.spatial_temporal == "paper"
        student.spatial_head.requires_grad_(self._spatial_is_apart)
        self.contrastive_head.requires_grad_(self._contrast_is_apart)
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
        spatial = self.student.spatial_head(features) if self._spatial_is_apart else semantic
        contrastive = self.contrastive_head(features) if self._contrast_is_apart else semantic
        pixels = self.pixel_head(pixel_embeddings) if self._reads_pixels else pixel_embeddings
        return Embedded(semantic, spatial, contrastive, pixels)
