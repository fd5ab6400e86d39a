"""SPVCNN: a U-Net on sparse voxels with a point branch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clip2scene_core.network.blocks import (
    DownStage,
    PointNetwork,
    SubmanifoldBlock,
    UpStage,
    scale_planes,
)
from clip2scene_core.network.row_batch_norm import RowBatchNorm
from clip2scene_core.sparse.tensor import SparseTensor
from clip2scene_core.sparse.voxelize import Voxels, devoxelize, voxel_mean

# Features after the stem, the four stages down, and the four stages up, at width 1.
_PLANES = (32, 32, 64, 128, 256, 256, 128, 96, 96)
# Residual blocks in each stage.
_NUM_BLOCKS = 2


class SPVCNN(PointNetwork):
    """Point features from voxels at five strides and from a point branch.

    The input of a voxel is the mean of its points. The branches meet after the stem, the fourth
    stage down, and the second and fourth stages up: voxel features are interpolated at the points
    and added to the point branch. After each meeting but the last, the voxels take the mean of the
    sum.

    Args:
        in_features: Number of input features of a point.
        width: Factor on all numbers of features; 1 is the paper's network.

    Attributes:
        out_features: Number of output features of a point; 480 at width 1.

    Source: SPVNAS (ECCV 2020), section 3; the sizes are those of CLIP2Scene (CVPR 2023). With one
    input feature it has 21,773,568 parameters, as in CLIP2Scene (21,718,880 + 54,688).
    """

    def __init__(self, in_features: int, width: float = 1.0) -> None:
        super().__init__()
        planes = scale_planes(_PLANES, width)
        self.in_features = in_features
        self.out_features = planes[4] + planes[6] + planes[8]
        self.stem = nn.ModuleList(
            [SubmanifoldBlock(in_features, planes[0]), SubmanifoldBlock(planes[0], planes[0])]
        )
        self.down = nn.ModuleList(
            DownStage(planes[i], planes[i + 1], _NUM_BLOCKS) for i in range(4)
        )
        self.up = nn.ModuleList(
            UpStage(planes[4 + i], planes[3 - i], planes[5 + i], _NUM_BLOCKS) for i in range(4)
        )
        self.point_layers = nn.ModuleList(
            PointLayer(planes[i], planes[j]) for i, j in ((0, 4), (4, 6), (6, 8))
        )

    def _run(self, tensor: SparseTensor, voxels: Voxels) -> Tensor:
        for block in self.stem:
            tensor = block(tensor)
        skips = [tensor]
        points_stem = devoxelize(tensor, voxels)
        tensor = voxel_mean(points_stem, voxels)

        for stage in self.down:
            tensor = stage(tensor)
            skips.append(tensor)
        points_bottom = self.point_layers[0](points_stem) + devoxelize(tensor, voxels)
        tensor = voxel_mean(points_bottom, voxels, tensor.stride)

        tensor = self.up[0](tensor, skips[3])
        tensor = self.up[1](tensor, skips[2])
        points_middle = self.point_layers[1](points_bottom) + devoxelize(tensor, voxels)
        tensor = voxel_mean(points_middle, voxels, tensor.stride)

        tensor = self.up[2](tensor, skips[1])
        tensor = self.up[3](tensor, skips[0])
        points_top = self.point_layers[2](points_middle) + devoxelize(tensor, voxels)
        return torch.cat([points_bottom, points_middle, points_top], dim=1)


class PointLayer(nn.Sequential):
    """Linear layer, normalization, ReLU on points: (N, in_features) -> (N, out_features)."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(
            nn.Linear(in_features, out_features), RowBatchNorm(out_features), nn.ReLU(inplace=True)
        )
