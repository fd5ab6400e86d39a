"""From a sweep as it came to what a network is told, by torch operations alone."""

from __future__ import annotations

import torch
from torch import Tensor

from clip2scene_core.preprocessing.intensity import MAX_COMPARED


def move_points(points: Tensor, T_level_lidar: Tensor) -> Tensor:
    """Do what `level` does with a transform from `level_transform`.

    Args:
        points: (N, 4 or more) float32: x, y, z in metres in the LiDAR frame, and more.
        T_level_lidar: (4, 4) float32.

    Returns:
        The same points with z up, a new tensor.
    """
    moved = points[:, :3] @ T_level_lidar[:3, :3].T + T_level_lidar[:3, 3]
    return torch.cat([moved, points[:, 3:]], dim=1)


def tell_intensity(intensity: Tensor, how: str) -> Tensor:
    """Compute what `normalize_intensity` computes: (N,) float32 -> (N,) float32."""
    is_known = intensity.isfinite()
    if how == "raw":
        return torch.where(is_known, intensity, 0.0)
    if how == "none":
        return torch.full_like(intensity, 0.5)
    intensity = intensity.contiguous()
    # Every so many-th known value is compared with, an odd number; see `normalize_intensity`.
    numbers = is_known.cumsum(0) - 1
    step = (is_known.sum() + MAX_COMPARED - 1) // MAX_COMPARED | 1
    compared = torch.sort(intensity[is_known & (numbers % step == 0)]).values
    below = torch.searchsorted(compared, intensity)
    not_above = torch.searchsorted(compared, intensity, right=True)
    ranks = (below + not_above).double() / (2 * compared.shape[0])
    return torch.where(is_known, ranks, 0.5).float()
