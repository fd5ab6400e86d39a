"""MinkUNet: a U-Net on sparse voxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from torch import Tensor, nn

from clip2scene_core.network.blocks import (
    DownStage,
    PointNetwork,
    SubmanifoldBlock,
    UpStage,
    scale_planes,
)
from clip2scene_core.sparse.tensor import SparseTensor
from clip2scene_core.sparse.voxelize import Voxels

_STEM_PLANES = 32


@dataclass(frozen=True)
class MinkUNetPlan:
    """The sizes of a MinkUNet: four stages down, then four stages up.

    Attributes:
        planes: Eight numbers of features, after each stage, at width 1.
        num_blocks: Eight numbers of residual blocks, in each stage.
    """

    planes: tuple[int, ...]
    num_blocks: tuple[int, ...]


MINKUNET_PLANS: Final[Mapping[str, MinkUNetPlan]] = {
    "minkunet14": MinkUNetPlan((32, 64, 128, 256, 128, 128, 96, 96), (1,) * 8),
    "minkunet18": MinkUNetPlan((32, 64, 128, 256, 128, 128, 96, 96), (2,) * 8),
    "minkunet34": MinkUNetPlan((32, 64, 128, 256, 256, 128, 96, 96), (2, 3, 4, 6, 2, 2, 2, 2)),
}
"""Plans by their name in the configuration; known as MinkUNet14A, 18A and 34C."""


class MinkUNet(PointNetwork):
    """Point features from voxels at five strides.

    The input of a voxel is the mean of its points. All points of a voxel get the same features;
    SPVCNN computes different ones.

    Args:
        in_features: Number of input features of a point.
        plan: Sizes of the network; see MINKUNET_PLANS.
        width: Factor on all numbers of features.

    Attributes:
        out_features: Number of output features of a point; 96 at width 1 for the plans above.

    Source: 4D Spatio-Temporal ConvNets (CVPR 2019), section 5. The first convolution is 3x3x3, as
    in CLIP2Scene and SLidR (CVPR 2022), not 5x5x5.
    """

    is_per_voxel = True

    def __init__(self, in_features: int, plan: MinkUNetPlan, width: float = 1.0) -> None:
        super().__init__()
        planes = scale_planes((_STEM_PLANES, *plan.planes), width)
        blocks = plan.num_blocks
        self.in_features = in_features
        self.out_features = planes[8]
        self.stem = SubmanifoldBlock(in_features, planes[0])
        self.down = nn.ModuleList(DownStage(planes[i], planes[i + 1], blocks[i]) for i in range(4))
        self.up = nn.ModuleList(
            UpStage(planes[4 + i], planes[3 - i], planes[5 + i], blocks[4 + i]) for i in range(4)
        )

    def _run(self, tensor: SparseTensor, voxels: Voxels) -> Tensor:
        tensor = self.stem(tensor)
        skips = []
        for stage in self.down:
            skips.append(tensor)
            tensor = stage(tensor)
        for stage, skip in zip(self.up, reversed(skips), strict=True):
            tensor = stage(tensor, skip)
        point_output: Tensor = tensor.features.index_select(0, voxels.point_to_voxel)
        return point_output
