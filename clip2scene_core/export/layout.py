"""The tensors between the two graphs: what the map builder gives and the network takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from clip2scene_core.export.blocked_conv import BLOCK_ROWS

STRIDES: Final = (1, 2, 4, 8, 16)
"""Of the levels of both networks."""
POINTS: Final = "points"


@dataclass(frozen=True)
class TensorSpec:
    """One tensor.

    Attributes:
        name: Such as "keys_1", of the level with stride 1.
        dims: Its sizes: numbers, or names of sizes that differ from cloud to cloud.
        dtype: Of its numbers.
    """

    name: str
    dims: tuple[int | str, ...]
    dtype: torch.dtype


def list_tensors(num_features: int, point_strides: tuple[int, ...]) -> tuple[TensorSpec, ...]:
    """List the tensors in the order in which the map builder returns them.

    Of a level with the stride s there are the packed keys of its voxels and the map of its 3x3x3
    convolution (`pair_...`), see `BlockedMap`; from it to the next one the map of a 2x2x2
    convolution (`down_...`) and of its transpose (`up_...`), whose blocks have the same offsets. Of
    the points there are the voxel that holds each one, the number of points of each voxel, and
    where the network interpolates the eight voxels around each one with their weights.

    Args:
        num_features: F, input features of a point.
        point_strides: Strides at which the network interpolates at the points.
    """
    specs = [TensorSpec("features", (POINTS, num_features), torch.float32)]

    def add(name: str, dtype: torch.dtype, *dims: int | str) -> None:
        specs.append(TensorSpec(name, dims, dtype))

    for stride in STRIDES:
        voxels, pairs, blocks = f"voxels_{stride}", f"pairs_{stride}", f"pair_blocks_{stride}"
        add(f"keys_{stride}", torch.int64, voxels)
        add(f"pair_rows_{stride}", torch.int64, blocks, BLOCK_ROWS)
        add(f"pair_offsets_{stride}", torch.int64, blocks)
        add(f"pair_order_{stride}", torch.int64, pairs)
        add(f"pair_starts_{stride}", torch.int64, voxels)
    for stride in STRIDES[:-1]:
        voxels, coarse, blocks = f"voxels_{stride}", f"voxels_{2 * stride}", f"down_blocks_{stride}"
        add(f"down_rows_{stride}", torch.int64, blocks, BLOCK_ROWS)
        add(f"down_offsets_{stride}", torch.int64, blocks)
        add(f"down_order_{stride}", torch.int64, voxels)
        add(f"down_starts_{stride}", torch.int64, coarse)
        add(f"up_rows_{stride}", torch.int64, blocks, BLOCK_ROWS)
        add(f"up_order_{stride}", torch.int64, voxels)
    for stride in point_strides or STRIDES[:1]:
        add(f"voxel_index_{stride}", torch.int64, POINTS)
        add(f"num_points_{stride}", torch.int64, f"voxels_{stride}")
    for stride in point_strides:
        add(f"corner_index_{stride}", torch.int64, POINTS, 8)
        add(f"corner_weight_{stride}", torch.float32, POINTS, 8)
    return tuple(specs)
