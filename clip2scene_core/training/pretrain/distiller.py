"""The module that pre-training trains: the student with a linear layer for each loss."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from clip2scene_core.config.losses import LossesConfig
from clip2scene_core.network.student import Student


class Embedded(NamedTuple):
    """Embeddings of a batch in CLIP's space, not normalized. N points, P pairs.

    Attributes:
        semantic: (N, D) float, embeddings of the points for the semantic and the feature loss.
        spatial: (N, D) float, embeddings of the points for the spatial-temporal loss. They are
            `semantic` if neither is used.
        contrastive: (N, D) float, embeddings of the points for the contrastive loss. They are
            `semantic` if there is no other loss.
        pixels: (P, D) float, embeddings of the pairs' pixels for the spatial-temporal loss.
    """

    semantic: Tensor
    spatial: Tensor
    contrastive: Tensor
    pixels: Tensor


class Distiller(nn.Module):
    """A student, and the linear layers that only the losses need.

    In the paper each loss has linear layers of its own, on points and on pixels. The layer on
    pixels begins as the identity. A random layer would first have to find back to CLIP's space, in
    which Eq. (4) compares pixels with texts. The contrastive loss has no layer on pixels. Such a
    layer could turn CLIP's space in any way that separates its pixels, and then the points would
    not match the texts.

    Args:
        student: Student to train.
        losses: Losses in use. The semantic and the feature loss train the head that labels. Where
            there is neither, the first of the spatial-temporal and the contrastive loss does; the
            others have heads of their own. Heads that no loss uses are not trained, or weight decay
            would change them.
    """

    def __init__(self, student: Student, losses: LossesConfig) -> None:
        super().__init__()
        self.student = student
        size = student.semantic_head.out_features
        self.pixel_head = nn.Linear(size, size)
        nn.init.eye_(self.pixel_head.weight)
        nn.init.zeros_(self.pixel_head.bias)
        self.contrastive_head = nn.Linear(student.network.out_features, size)
        has_semantic = losses.semantic != "none" or losses.feature != "none"
        has_spatial = losses.spatial_temporal != "none"
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
            batch_index: (N,) int64, the cloud of each point.
            pixel_embeddings: (P, D) float32, the teacher's embeddings of the pairs' pixels.
        """
        features = self.student.point_features(points, batch_index)
        semantic = self.student.semantic_head(features)
        spatial = self.student.spatial_head(features) if self._spatial_is_apart else semantic
        contrastive = self.contrastive_head(features) if self._contrast_is_apart else semantic
        pixels = self.pixel_head(pixel_embeddings) if self._reads_pixels else pixel_embeddings
        return Embedded(semantic, spatial, contrastive, pixels)
