"""MinkUNet: a U-Net on sparse voxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from clip2scene_core.network.blocks import (
    DownStage,
    SubmanifoldBlock,
    UpStage,
    average_input,
    scale_planes,
)
from clip2scene_core.sparse.voxelize import Voxels

_STEM_PLANES = 32


@dataclass(frozen=True)
class MinkUNetPlan:
    """The sizes of a MinkUNet, for the four stages down and then the four stages up.

    Attributes:
        planes: Features after each of the eight stages, at width 1.
        num_blocks: Residual blocks in each of the eight stages.
    """

    planes: tuple[int, ...]
    num_blocks: tuple[int, ...]


MINKUNET_PLANS: Final[Mapping[str, MinkUNetPlan]] = {
    "minkunet14": MinkUNetPlan((32, 64, 128, 256, 128, 128, 96, 96), (1,) * 8),
    "minkunet18": MinkUNetPlan((32, 64, 128, 256, 128, 128, 96, 96), (2,) * 8),
    "minkunet34": MinkUNetPlan((32, 64, 128, 256, 256, 128, 96, 96), (2, 3, 4, 6, 2, 2, 2, 2)),
}
"""By their name in the configuration: the field's 14A, 18A and 34C."""


class MinkUNet(nn.Module):
    """Point features from voxels at five strides.

    The voxels see the points' features averaged, and all points of a voxel get its features: unlike
    SPVCNN, it does not tell them apart.

    Args:
        in_features: Features of a point.
        plan: Sizes; see MINKUNET_PLANS.
        width: Factor on the number of features everywhere.

    Attributes:
        out_features: Features of a point in the output; 96 at width 1 for the plans above.

    Source: 4D Spatio-Temporal ConvNets (CVPR 2019), section 5. The first convolution is 3x3x3, as
    in CLIP2Scene and SLidR (CVPR 2022), not 5x5x5.
    """

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

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

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
        tensor = self.stem(average_input(point_features, voxels, self.in_features, self._dtype))
        skips = []
        for stage in self.down:
            skips.append(tensor)
            tensor = stage(tensor)
        for stage, skip in zip(self.up, reversed(skips), strict=True):
            tensor = stage(tensor, skip)
        point_output: Tensor = tensor.features.index_select(0, voxels.point_to_voxel)
        return point_output
