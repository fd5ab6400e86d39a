"""The parts of SPVCNN and MinkUNet, and the interface of both."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip2scene_core.network.folding import RowShift
from clip2scene_core.network.row_batch_norm import RowBatchNorm
from clip2scene_core.sparse.conv import (
    DownsampleConv3d,
    Finish,
    SubmanifoldConv3d,
    UpsampleConv3d,
)
from clip2scene_core.sparse.tensor import SparseTensor, VoxelLevel
from clip2scene_core.sparse.voxelize import Voxels, voxel_mean


def scale_planes(planes: tuple[int, ...], width: float) -> list[int]:
    """Multiply numbers of features by the width of a network; round down.

    Raises:
        ValueError: If one of them becomes 0.
    """
    scaled = [int(width * plane) for plane in planes]
    if min(scaled) < 1:
        raise ValueError(f"width {width} leaves no features; use at least 1/{min(planes)}")
    return scaled


class PointNetwork(nn.Module, ABC):
    """A network from point features to point features, computed on the voxels of the points.

    Attributes:
        in_features: Number of input features of a point.
        out_features: Number of output features of a point.
        is_per_voxel: Whether all points of a voxel get the same features.
    """

    in_features: int
    out_features: int
    is_per_voxel: bool = False

    def forward(self, voxels: Voxels, point_features: Tensor) -> Tensor:
        """Compute features for every point.

        Args:
            voxels: Voxels of the N points; N may be 0.
            point_features: (N, in_features) float; cast to the dtype of the weights.

        Returns:
            (N, out_features) in the dtype of the weights, or of autocast.

        Raises:
            ValueError: If point_features does not fit the points or the network.
        """
        expected = (voxels.point_to_voxel.shape[0], self.in_features)
        if point_features.shape != expected:
            raise ValueError(
                f"point_features must be {expected} for these voxels and this network, "
                f"got {tuple(point_features.shape)}"
            )
        tensor = voxel_mean(point_features, voxels)
        dtype = next(self.parameters()).dtype
        return self._run(tensor.replace_features(tensor.features.to(dtype)), voxels)

    @abstractmethod
    def _run(self, tensor: SparseTensor, voxels: Voxels) -> Tensor:
        """Voxel means of the input (M, in_features) -> point features (N, out_features)."""


class SubmanifoldBlock(nn.Module):
    """Submanifold convolution, normalization, ReLU."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.conv = SubmanifoldConv3d(in_features, out_features)
        self.norm = RowBatchNorm(out_features)

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """(M, in_features) -> (M, out_features)."""
        return _activate(self.conv, self.norm, tensor)


class ResidualBlock(nn.Module):
    """Two submanifold convolutions with a shortcut connection."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.first = SubmanifoldBlock(in_features, out_features)
        self.conv = SubmanifoldConv3d(out_features, out_features)
        self.norm = RowBatchNorm(out_features)
        self.shortcut: nn.Module = nn.Identity()
        if in_features != out_features:
            self.shortcut = nn.Sequential(
                nn.Linear(in_features, out_features, bias=False), RowBatchNorm(out_features)
            )

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """(M, in_features) -> (M, out_features)."""
        shortcut = self.shortcut(tensor.features)
        return _activate(self.conv, self.norm, self.first(tensor), residual=shortcut)


class DownStage(nn.Module):
    """Downsampling to the next coarser level, then residual blocks."""

    def __init__(self, in_features: int, out_features: int, num_blocks: int) -> None:
        super().__init__()
        self.conv = DownsampleConv3d(in_features, in_features)
        self.norm = RowBatchNorm(in_features)
        self.blocks = _residual_blocks(in_features, out_features, num_blocks)

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """(M, in_features) -> (M_coarse, out_features)."""
        tensor = _activate(self.conv, self.norm, tensor)
        for block in self.blocks:
            tensor = block(tensor)
        return tensor


class UpStage(nn.Module):
    """Upsampling to the next finer level, concatenation with its skip features, residual blocks."""

    def __init__(
        self, in_features: int, skip_features: int, out_features: int, num_blocks: int
    ) -> None:
        super().__init__()
        self.conv = UpsampleConv3d(in_features, out_features)
        self.norm = RowBatchNorm(out_features)
        self.blocks = _residual_blocks(out_features + skip_features, out_features, num_blocks)

    def forward(self, tensor: SparseTensor, skip: SparseTensor) -> SparseTensor:
        """(M, in_features) and (M_fine, skip_features) -> (M_fine, out_features)."""
        tensor = _activate(self.conv, self.norm, tensor, skip.level)
        tensor = tensor.replace_features(torch.cat([tensor.features, skip.features], dim=1))
        for block in self.blocks:
            tensor = block(tensor)
        return tensor


def _residual_blocks(in_features: int, out_features: int, num_blocks: int) -> nn.ModuleList:
    """Residual blocks in a row; the first one changes the number of features."""
    widths = [in_features, *[out_features] * (num_blocks - 1)]
    return nn.ModuleList(ResidualBlock(width, out_features) for width in widths)


def _activate(
    conv: nn.Module,
    norm: nn.Module,
    tensor: SparseTensor,
    *to: VoxelLevel,
    residual: Tensor | None = None,
) -> SparseTensor:
    """Convolution, normalization, shortcut, ReLU; a folded norm is left to the convolution."""
    activated: SparseTensor
    if isinstance(norm, RowShift):
        activated = conv(tensor, *to, finish=Finish(norm.shift, residual))
        return activated
    activated = conv(tensor, *to)
    features = norm(activated.features)
    if residual is not None:
        features += residual
    return activated.replace_features(F.relu(features, inplace=True))
