"""Sparse convolutions as one batched matrix product each, which a graph of any cloud can hold.

`sparse_convolution` takes one product for each kernel offset. How many rows each has differs from
cloud to cloud, and Python needs these numbers. Here pairs lie in blocks of BLOCK_ROWS, and all
pairs of a block have the same offset: that is one product of equal matrices, however many there
are. The last block of an offset has spare rows, whose products nobody reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip2scene_core.sparse.conv import (
    DownsampleConv3d,
    Finish,
    SubmanifoldConv3d,
    UpsampleConv3d,
)
from clip2scene_core.sparse.tensor import SparseTensor, VoxelLevel

BLOCK_ROWS: Final = 64
"""Fewer rows make slower products, more rows leave more of them spare."""

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class BlockedMap:
    """The pairs of one sparse convolution, P in Q blocks.

    Attributes:
        rows: (Q, BLOCK_ROWS) int64 rows of the input features; 0 where a row is spare.
        offsets: (Q,) int64 kernel offset of each block.
        order: (P,) int64 places of the pairs in the blocks, sorted by output.
        starts: (M,) int64 where the pairs of each output begin in `order`.
    """

    rows: Tensor
    offsets: Tensor
    order: Tensor
    starts: Tensor

    def convolve(self, features: Tensor, weight: Tensor) -> Tensor:
        """Compute what `sparse_convolution` computes.

        Args:
            features: (M_in, C_in) float, at least one row.
            weight: (K, C_in, C_out), same dtype.

        Returns:
            (M, C_out), same dtype.
        """
        gathered = features.index_select(0, self.rows.reshape(-1))
        gathered = gathered.view(-1, BLOCK_ROWS, weight.shape[1])
        products = torch.bmm(gathered, weight.index_select(0, self.offsets))
        products = products.view(-1, weight.shape[2])
        return F.embedding_bag(self.order, products, self.starts, mode="sum")


@dataclass(frozen=True, eq=False)
class MappedLevel(VoxelLevel):
    """Voxels whose maps were built before.

    Attributes:
        same: Map of the 3x3x3 convolution on this level.
        down: Map of the 2x2x2 convolution to the next coarser level; None on the coarsest.
        up: Map of its transpose.
        coarse: The next coarser level.
    """

    same: BlockedMap
    down: BlockedMap | None = None
    up: BlockedMap | None = None
    coarse: MappedLevel | None = None


class _BlockedConv(nn.Module):
    """The weight of a convolution; subclasses choose the map.

    Args:
        weight: (K, C_in, C_out).
    """

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach())

    def _convolve(self, features: Tensor, pairs: BlockedMap, finish: Finish | None) -> Tensor:
        convolved = pairs.convolve(features, self.weight)
        return convolved if finish is None else finish.apply(convolved)


class _BlockedSubmanifold(_BlockedConv):
    def forward(self, tensor: SparseTensor, *, finish: Finish | None = None) -> SparseTensor:
        same = _mapped(tensor.level).same
        return tensor.replace_features(self._convolve(tensor.features, same, finish))


class _BlockedDownsample(_BlockedConv):
    def forward(self, tensor: SparseTensor, *, finish: Finish | None = None) -> SparseTensor:
        level = _mapped(tensor.level)
        assert level.down is not None
        assert level.coarse is not None
        return SparseTensor(level.coarse, self._convolve(tensor.features, level.down, finish))


class _BlockedUpsample(_BlockedConv):
    def forward(
        self, tensor: SparseTensor, fine: VoxelLevel, *, finish: Finish | None = None
    ) -> SparseTensor:
        up = _mapped(fine).up
        assert up is not None
        return SparseTensor(fine, self._convolve(tensor.features, up, finish))


_BLOCKED: Final = {
    SubmanifoldConv3d: _BlockedSubmanifold,
    DownsampleConv3d: _BlockedDownsample,
    UpsampleConv3d: _BlockedUpsample,
}


def block_convolutions(network: _Module) -> _Module:
    """Replace all sparse convolutions of a network, in place, by blocked ones.

    Afterwards it runs on a MappedLevel alone, and its `state_dict` is no checkpoint.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            for kind, blocked in _BLOCKED.items():
                if isinstance(child, kind):
                    setattr(parent, name, blocked(child.weight))
    return network


def _mapped(level: VoxelLevel) -> MappedLevel:
    assert isinstance(level, MappedLevel), "a blocked network needs levels with their maps"
    return level
