"""The input features of a network for every point."""

from __future__ import annotations

import torch
from torch import Tensor

from clip2scene_core.sparse.voxelize import Voxels

_NUM_COLUMNS = {"intensity": 1, "height": 1, "offsets": 3, "position": 3, "color": 3, "density": 1}
# Scales heights over the ground, and the depth of the ground under the sensor, to about 1.
_HEIGHT_SCALE_M = 4.0
# Scales the logarithms of 1 to some 50 points in a voxel to about 1.
_DENSITY_SCALE = 4.0


def count_point_features(features: tuple[str, ...]) -> int:
    """Count the columns that `describe_points` computes for these features."""
    return sum(_NUM_COLUMNS[name] for name in features)


def describe_points(
    points: Tensor,
    voxels: Voxels,
    features: tuple[str, ...],
    intensity_scale: float = 1.0,
    intensity_offset: float = 0.0,
) -> Tensor:
    """Compute the input of a network.

    Args:
        points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity in [0, 1]; or (N, 7)
            with red, green, blue in [0, 1].
        voxels: Voxels of these points.
        features: Names as in `NetworkConfig.features`; the columns follow their order.
        intensity_scale: Factor on intensities.
        intensity_offset: Added to them after that.

    Returns:
        (N, F) float32, most values about 1. "height": z over the
        sensor, in units of 4 m. "offsets": x, y, z from the centre of the voxel of the point, in
        units of the voxel's edge, in [-0.5, 0.5]. "position": x, y, z in metres, as they are.
        "color": red, green, blue, in [-1, 1]. "density": a quarter of the binary logarithm of the
        number of points in the voxel of the point.

    Raises:
        ValueError: If the features include colors and the points have none.
    """
    if "color" in features and points.shape[1] < 7:
        raise ValueError(
            "the network has the feature 'color', but the points have no color: give the cloud of "
            "a depth camera, (N, 7) with red, green, blue, or a network without that feature"
        )
    columns = {
        "intensity": points[:, 3:4] * intensity_scale + intensity_offset,
        "height": points[:, 2:3] / _HEIGHT_SCALE_M,
        "offsets": _offsets(points[:, :3], voxels.voxel_size),
        "position": points[:, :3],
        "color": 2 * points[:, 4:7] - 1,
    }
    if "density" in features:
        columns["density"] = _densities(voxels)
    return torch.cat([columns[name] for name in features], dim=1)


def _densities(voxels: Voxels) -> Tensor:
    """(N, 1) float32, from the number of points that are in the voxel of each point."""
    index = voxels.point_to_voxel
    ones = torch.ones(index.shape, device=index.device)
    counts = ones.new_zeros(voxels.level.keys.shape[0]).index_add(0, index, ones)
    return counts.index_select(0, index)[:, None].log2() / _DENSITY_SCALE


def _offsets(positions_m: Tensor, voxel_size_m: float) -> Tensor:
    """(N, 3) metres -> (N, 3) voxels from the nearest centre."""
    from_a_center = positions_m / voxel_size_m - 0.5
    return from_a_center - torch.round(from_a_center)
