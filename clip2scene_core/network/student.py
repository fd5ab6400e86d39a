"""The student: from points to one embedding in CLIP's space for every point."""

from __future__ import annotations

from torch import Tensor, nn

from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.network.blocks import PointNetwork
from clip2scene_core.network.minkunet import MINKUNET_PLANS, MinkUNet
from clip2scene_core.network.point_features import count_point_features, describe_points
from clip2scene_core.network.spvcnn import SPVCNN
from clip2scene_core.sparse.voxelize import Voxels, voxelize


class Student(nn.Module):
    """A 3D network (the trunk) with the two heads of the paper.

    Labels come from the semantic head alone; the spatial head is for the spatial-temporal loss.

    Args:
        config: The network, its sizes and its input features.
        embedding_size: D, size of the embeddings of the CLIP teacher.

    Attributes:
        config: Configuration of the trunk.
        network: The trunk, from points to (N, F) features.
        semantic_head: Linear layer, (N, F) -> (N, D).
        spatial_head: Linear layer, (N, F) -> (N, D).

    Source: CLIP2Scene (arXiv 2301.04926v1), section 3.2.3: the two losses work together only if
    each has a linear layer of its own.
    """

    def __init__(self, config: NetworkConfig, embedding_size: int) -> None:
        super().__init__()
        self.config = config
        self.network = build_network(config)
        self.semantic_head = nn.Linear(self.network.out_features, embedding_size)
        self.spatial_head = nn.Linear(self.network.out_features, embedding_size)

    def forward(self, points: Tensor, batch_index: Tensor) -> tuple[Tensor, Tensor]:
        """Embed every point.

        Args:
            points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity in [0, 1];
                finite.
            batch_index: (N,) int64 index of the sweep of each point.

        Returns:
            Semantic and spatial embeddings, (N, D) each, not normalized.
        """
        features = self.point_features(points, batch_index)
        return self.semantic_head(features), self.spatial_head(features)

    def embed_semantics(self, points: Tensor, batch_index: Tensor) -> Tensor:
        """Compute only the semantic embeddings (N, D), for inference; see `forward`."""
        embeddings: Tensor = self.semantic_head(self.point_features(points, batch_index))
        return embeddings

    def point_features(self, points: Tensor, batch_index: Tensor) -> Tensor:
        """Run the trunk: (N, 4) points -> (N, F) features of every point."""
        return run_network(self.network, self.config, points, batch_index)

    @property
    def shares_rows(self) -> bool:
        """Whether all points of a voxel get the same features."""
        return self.network.is_per_voxel or self.config.voxels.points == "voxels"


def build_network(config: NetworkConfig) -> PointNetwork:
    """Build the network that a configuration names, with random weights."""
    in_features = count_point_features(config.features)
    if config.name == "spvcnn":
        return SPVCNN(in_features, config.width)
    return MinkUNet(in_features, MINKUNET_PLANS[config.name], config.width)


def run_network(
    network: PointNetwork, config: NetworkConfig, points: Tensor, batch_index: Tensor
) -> Tensor:
    """Voxelise points and run a network: (N, 4) -> (N, F) features; see `Student.forward`."""
    return run_on_voxels(network, config, points, find_voxels(config, points, batch_index))


def find_voxels(config: NetworkConfig, points: Tensor, batch_index: Tensor) -> Voxels:
    """Voxelise points as a network wants them; see `run_network`."""
    grid = config.voxels
    return voxelize(
        points[:, :3],
        batch_index,
        config.voxel_size_m,
        coordinates=grid.coordinates,
        origin=grid.origin,
        weights=grid.weights,
    )


def run_on_voxels(
    network: PointNetwork, config: NetworkConfig, points: Tensor, voxels: Voxels
) -> Tensor:
    """Run a network on points (N, 4) and the voxels that `find_voxels` found: (N, F) features."""
    if config.voxels.points == "all":
        features: Tensor = network(voxels, _describe(config, points, voxels))
        return features
    rows = run_on_rows(network, config, points, voxels)
    return rows.index_select(0, voxels.point_to_voxel)


def run_on_rows(
    network: PointNetwork, config: NetworkConfig, points: Tensor, voxels: Voxels
) -> Tensor:
    """Run a network on one point in place of all of a voxel: (V, F), a row for each voxel.

    A network that tells points of a voxel apart meets their mean, one that was trained on voxels
    (`VoxelsConfig.points`) what it met there.
    """
    means = voxels.means(_describe(config, points, voxels))
    features: Tensor = network(points_of_voxels(config, voxels), means)
    return features


def points_of_voxels(config: NetworkConfig, voxels: Voxels) -> Voxels:
    """The points that `run_on_rows` runs on."""
    return voxels.as_points("corner" if config.voxels.points == "voxels" else "mean")


def _describe(config: NetworkConfig, points: Tensor, voxels: Voxels) -> Tensor:
    described = describe_points(
        points, voxels, config.features, config.intensity_scale, config.intensity_offset
    )
    if config.voxels.value == "first":
        return described.index_select(0, voxels.first_points()[voxels.point_to_voxel])
    return described
