"""The student: points in, one CLIP-space embedding for every point out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clip2scene_core.network.heads import SemanticHead, SpatialHead
from clip2scene_core.network.spvcnn import SPVCNN
from clip2scene_core.sparse.voxelize import Voxels, voxelize

_IN_FEATURES = 5
_HEIGHT_SCALE_M = 4.0


class Student(nn.Module):
    """SPVCNN with the two heads of the paper.

    The heads are two different linear layers because the two losses need different features
    (CLIP2Scene, CVPR 2023, section 3.2.3); labels come from the semantic head alone.

    Args:
        width: Multiplies the channels of SPVCNN.
        voxel_size_m: Edge of a voxel, metres.
        embedding_size: D of the CLIP that teaches.
    """

    def __init__(self, width: float, voxel_size_m: float, embedding_size: int) -> None:
        super().__init__()
        self.voxel_size_m = voxel_size_m
        self.network = SPVCNN(_IN_FEATURES, width)
        self.semantic_head = SemanticHead(self.network.out_features, embedding_size)
        self.spatial_head = SpatialHead(self.network.out_features, embedding_size)

    def forward(self, points: Tensor, batch_index: Tensor) -> tuple[Tensor, Tensor]:
        """Embed every point.

        Args:
            points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity in [0, 1];
                finite.
            batch_index: (N,) int64, the sweep that each point belongs to.

        Returns:
            Semantic and spatial embeddings, (N, D) each, not normalised.
        """
        features = self.point_features(points, batch_index)
        return self.semantic_head(features), self.spatial_head(features)

    def embed_semantics(self, points: Tensor, batch_index: Tensor) -> Tensor:
        """Embed every point for the semantic head alone, as inference does; see `forward`."""
        embeddings: Tensor = self.semantic_head(self.point_features(points, batch_index))
        return embeddings

    def point_features(self, points: Tensor, batch_index: Tensor) -> Tensor:
        """Run the trunk: (N, 4) points -> (N, F) features of every point."""
        voxels = voxelize(points[:, :3], batch_index, self.voxel_size_m)
        features: Tensor = self.network(voxels, _describe_points(points, voxels))
        return features


def _describe_points(points: Tensor, voxels: Voxels) -> Tensor:
    """Intensity, height over the sensor, offset from the voxel's centre: (N, 5), each about 1."""
    offsets = points[:, :3] / voxels.voxel_size - 0.5
    offsets = offsets - torch.round(offsets)
    return torch.cat([points[:, 3:4], points[:, 2:3] / _HEIGHT_SCALE_M, offsets], dim=1)
