"""The occupied voxels of each level, and tensors with one feature row per voxel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from clip2scene_core.sparse import packed_keys
from clip2scene_core.sparse.kernel_map import (
    KernelMap,
    downsample_map,
    neighbor_map,
    neighbor_table,
)


@dataclass(frozen=True, eq=False)
class VoxelLevel:
    """The occupied voxels at one stride. Its kernel maps are built on first use and kept.

    All tensors of one voxelisation share its levels, so each map is built once per forward pass.

    Attributes:
        keys: (M,) int64 packed keys, sorted and unique.
        stride: Edge of a voxel, in voxels of the finest level: 1, 2, 4, ...
    """

    keys: Tensor
    stride: int

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def coordinates(self) -> Tensor:
        """(M, 4) int32 [batch, x, y, z], in voxels of this level."""
        return packed_keys.unpack(self.keys)

    @cached_property
    def neighbors(self) -> KernelMap:
        """Map of the 3x3x3 submanifold convolution on this level."""
        return neighbor_map(self.keys)

    @cached_property
    def neighbor_table(self) -> Tensor:
        """(M, 27) int64 row of each neighbour, -1 if that voxel is empty."""
        return neighbor_table(self.neighbors)

    @cached_property
    def downsampling(self) -> Downsampling:
        """The next coarser level, with the map to it."""
        parents, parent_index, pairs = downsample_map(self.keys)
        return Downsampling(VoxelLevel(parents, 2 * self.stride), parent_index, pairs)


@dataclass(frozen=True, eq=False)
class Downsampling:
    """One step to a coarser level.

    Attributes:
        coarse: The level whose voxels have twice the edge.
        parent_index: (M,) int64 row in `coarse` of each voxel of the finer level.
        kernel_map: Map of the 2x2x2 convolution with stride 2.
    """

    coarse: VoxelLevel
    parent_index: Tensor
    kernel_map: KernelMap


@dataclass(frozen=True, eq=False)
class SparseTensor:
    """One feature row per occupied voxel.

    Attributes:
        level: The M voxels, with their kernel maps.
        features: (M, F) float, in the order of `level.keys`.
    """

    level: VoxelLevel
    features: Tensor

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.features.shape[0] != self.level.keys.shape[0]:
            raise ValueError(
                f"features must be ({len(self.level)}, F), one row per voxel, "
                f"got {tuple(self.features.shape)}"
            )

    @property
    def coordinates(self) -> Tensor:
        """(M, 4) int32 [batch, x, y, z], in voxels of this level."""
        return self.level.coordinates

    @property
    def stride(self) -> int:
        """Edge of a voxel, in voxels of the finest level."""
        return self.level.stride

    def replace_features(self, features: Tensor) -> SparseTensor:
        """Return other features on the same voxels."""
        return SparseTensor(self.level, features)
