"""The student: points in, one CLIP-space embedding for every point out."""

from __future__ import annotations

from torch import Tensor, nn

from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.network.minkunet import MINKUNET_PLANS, MinkUNet
from clip2scene_core.network.point_features import count_point_features, describe_points
from clip2scene_core.network.spvcnn import SPVCNN
from clip2scene_core.sparse.voxelize import voxelize


class Student(nn.Module):
    """A 3D network with the two heads of the paper.

    The heads are two different linear layers because the two losses need different features
    (CLIP2Scene, CVPR 2023, section 3.2.3); labels come from the semantic head alone.

    Args:
        config: Names the network, its sizes and its input.
        embedding_size: D of the CLIP that teaches.
    """

    def __init__(self, config: NetworkConfig, embedding_size: int) -> None:
        super().__init__()
        self.config = config
        self.network = build_network(config)
        self.semantic_head = SemanticHead(self.network.out_features, embedding_size)
        self.spatial_head = SpatialHead(self.network.out_features, embedding_size)

    def forward(self, points: Tensor, batch_index: Tensor) -> tuple[Tensor, Tensor]:
        """Embed every point.

        Args:
            points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity in [0, 1];
                finite.
            batch_index: (N,) int64, the sweep that each point belongs to.

        Returns:
            Semantic and spatial embeddings, (N, D) each, not normalized.
        """
        features = self.point_features(points, batch_index)
        return self.semantic_head(features), self.spatial_head(features)

    def embed_semantics(self, points: Tensor, batch_index: Tensor) -> Tensor:
        """Embed every point for the semantic head alone, as inference does; see `forward`."""
        embeddings: Tensor = self.semantic_head(self.point_features(points, batch_index))
        return embeddings

    def point_features(self, points: Tensor, batch_index: Tensor) -> Tensor:
        """Run the trunk: (N, 4) points -> (N, F) features of every point."""
        return run_network(self.network, self.config, points, batch_index)


def run_network(
    network: SPVCNN | MinkUNet, config: NetworkConfig, points: Tensor, batch_index: Tensor
) -> Tensor:
    """Voxelise, describe and run: (N, 4) points -> (N, F) features; see `Student.forward`."""
    voxels = voxelize(points[:, :3], batch_index, config.voxel_size_m)
    described = describe_points(points, voxels, config.features)
    features: Tensor = network(voxels, described)
    return features


def build_network(config: NetworkConfig) -> SPVCNN | MinkUNet:
    """Make the network that a configuration names, with random weights."""
    in_features = count_point_features(config.features)
    if config.name == "spvcnn":
        return SPVCNN(in_features, config.width)
    return MinkUNet(in_features, MINKUNET_PLANS[config.name], config.width)


class SemanticHead(nn.Linear):
    """Point features (N, in_features) -> raw point embeddings (N, embedding_size).

    The embeddings are not normalized: the loss and the segmenter bring them to unit length.

    Source: CLIP2Scene (CVPR 2023), section 3.2.3: the two losses work together only if each has a
    linear layer of its own.
    """

    def __init__(self, in_features: int, embedding_size: int) -> None:
        super().__init__(in_features, embedding_size)


class SpatialHead(nn.Linear):
    """Point features (N, in_features) -> embeddings (N, embedding_size) to be fused over space.

    Source: CLIP2Scene (CVPR 2023), section 3.2.3.
    """

    def __init__(self, in_features: int, embedding_size: int) -> None:
        super().__init__(in_features, embedding_size)
