"""The first graph: from points to the tensors that the network needs."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.export.blocked_conv import BLOCK_ROWS
from clip2scene_core.export.layout import STRIDES, TensorSpec
from clip2scene_core.export.point_input import move_points, tell_intensity
from clip2scene_core.network.point_features import describe_points
from clip2scene_core.sparse import packed_keys
from clip2scene_core.sparse.kernel_map import CENTER_OFFSET, search_upper_neighbors
from clip2scene_core.sparse.tensor import VoxelLevel
from clip2scene_core.sparse.voxelize import Voxels, find_corners, place_points

MAX_POINTS: Final = 1 << 26
"""The graph refuses more. A compiled graph compares sizes of tensors with what they can be at most,
and multiples of a number without bound are more than it can write down."""

_NUM_CHILDREN: Final = 8


class MapBuilder(nn.Module):
    """Voxels, kernel maps and interpolation weights of one sweep, by torch operations alone.

    It finds what `preprocess`, `voxelize`, `VoxelLevel` and `Voxels.points_on` find, without a
    number that only Python sees, so that `torch.export` can trace it for sweeps of any size.

    Args:
        config: Of the network.
        intensity: What becomes of intensities, see `InputConfig`.
        tensors: What to return, from `list_tensors`.
    """

    def __init__(
        self, config: NetworkConfig, intensity: str, tensors: tuple[TensorSpec, ...]
    ) -> None:
        super().__init__()
        self._config = config
        self._intensity = intensity
        self._names = tuple(spec.name for spec in tensors)

    def forward(self, points: Tensor, T_level_lidar: Tensor) -> tuple[Tensor, ...]:
        """Build the maps of one sweep.

        Args:
            points: (N, 4) float32, the usable points of a sweep: x, y, z in metres in the LiDAR
                frame, intensity as the student knows it, where one that is not finite is not
                known; or (N, 7), with colors. N is at least 1.
            T_level_lidar: (4, 4) float32, from `level_transform`; the identity if the student does
                not level.

        Returns:
            The tensors, in their order.

        Raises:
            RuntimeError: If a coordinate is not finite or too far away.
        """
        points = move_points(points, T_level_lidar)
        intensity = tell_intensity(points[:, 3], self._intensity)
        points = torch.cat([points[:, :3], intensity[:, None], points[:, 4:]], dim=1)
        config = self._config
        positions = place_points(points[:, :3], config.voxel_size_m, config.voxels.coordinates)
        _refuse_far(positions)
        cells = positions.floor()
        if config.voxels.origin == "minimum":
            lowest = cells.amin(dim=0)
            positions, cells = positions - lowest, cells - lowest
        keys, voxel_index = _unique(packed_keys.pack(_with_batch(cells.long())))
        found: dict[str, Tensor] = {}
        for stride in STRIDES:
            coordinates = packed_keys.unpack(keys)
            table = _neighbor_table(keys)
            found[f"keys_{stride}"] = keys
            found |= _pairs(table, stride)
            if f"voxel_index_{stride}" in self._names:
                found[f"voxel_index_{stride}"] = voxel_index
                found[f"num_points_{stride}"] = _count(voxel_index, keys)
            if f"corner_index_{stride}" in self._names:
                found[f"corner_index_{stride}"], found[f"corner_weight_{stride}"] = find_corners(
                    positions, coordinates, voxel_index, table.T, stride, config.voxels.weights
                )
            if stride < STRIDES[-1]:
                parents = _with_batch(coordinates[:, 1:] >> 1)
                parent_keys, parent_index = _unique(packed_keys.pack(parents))
                found |= _children(coordinates, parent_index, parent_keys, stride)
                keys, voxel_index = parent_keys, parent_index.index_select(0, voxel_index)
        level = VoxelLevel(found["keys_1"], 1)
        voxels = Voxels(level, found["voxel_index_1"], positions, config.voxel_size_m)
        found["features"] = describe_points(
            points, voxels, config.features, config.intensity_scale, config.intensity_offset
        )
        return tuple(found[name] for name in self._names)


def _refuse_far(positions: Tensor) -> None:
    """Stop a graph whose keys would say something else than the points; see `voxelize`."""
    is_placed = positions.abs() < packed_keys.MAX_COORDINATE  # false of what is not finite
    torch._assert_async(
        is_placed.all(), "a coordinate of a point is not finite or too far away for its voxel size"
    )


def _with_batch(cells: Tensor) -> Tensor:
    """(M, 3) integers x, y, z -> (M, 4) of the batch 0."""
    return torch.cat([torch.zeros_like(cells[:, :1]), cells], dim=1)


def _unique(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted unique keys (M,), and for each of the K >= M keys its row in them, (K,) int64."""
    keys, order = torch.sort(keys)
    is_first = torch.cat([torch.ones_like(keys[:1], dtype=torch.bool), keys[1:] != keys[:-1]])
    rows = is_first.cumsum(0) - 1
    index = torch.empty_like(rows).scatter(0, order, rows)
    keys = keys[is_first]
    _bound(keys)
    return keys, index


def _neighbor_table(keys: Tensor) -> Tensor:
    """(27, M) int64 row of the neighbour of each voxel at each offset, -1 where there is none."""
    num_voxels = keys.shape[0]
    positions, is_there = search_upper_neighbors(keys)
    own = torch.arange(num_voxels, device=keys.device).expand_as(positions)
    upper = torch.where(is_there, positions, -1)
    # The neighbour at the offset 14 + k has this voxel at the offset 12 - k. Where there is none,
    # a spare column takes what is written.
    columns = torch.where(is_there, positions, num_voxels)
    lower = positions.new_full((CENTER_OFFSET, num_voxels + 1), -1)
    lower = lower.scatter(1, columns, own)[:, :num_voxels].flip(0)
    return torch.cat([lower, own[:1], upper])


def _pairs(table: Tensor, stride: int) -> dict[str, Tensor]:
    """Map of the 3x3x3 convolution, from the neighbours (27, M)."""
    is_there = table >= 0
    places, offsets = _place_in_blocks(is_there)
    pairs = is_there.view(-1).nonzero()[:, 0]
    rows, own_places = (of.view(-1).index_select(0, pairs) for of in (table, places))
    num_neighbors = is_there.sum(dim=0)
    return {
        f"pair_rows_{stride}": _fill_blocks(offsets, own_places, rows),
        f"pair_offsets_{stride}": offsets,
        f"pair_order_{stride}": places.T[is_there.T],
        f"pair_starts_{stride}": num_neighbors.cumsum(0) - num_neighbors,
    }


def _children(
    coordinates: Tensor, parent_index: Tensor, parent_keys: Tensor, stride: int
) -> dict[str, Tensor]:
    """Map of the 2x2x2 convolution with stride 2 and of its transpose; see `downsample_map`."""
    x, y, z = (coordinates[:, 1:] & 1).unbind(1)
    offset = (4 * x + 2 * y + z).long()
    all_offsets = torch.arange(_NUM_CHILDREN, device=offset.device)
    places, offsets = _place_in_blocks(offset == all_offsets[:, None])
    places = places.gather(0, offset[None])[0]  # (M,), of the one pair of each voxel
    rows = torch.arange(places.shape[0], device=places.device)
    num_children = _count(parent_index, parent_keys)
    return {
        f"down_rows_{stride}": _fill_blocks(offsets, places, rows),
        f"down_offsets_{stride}": offsets,
        f"down_order_{stride}": places[torch.argsort(parent_index, stable=True)],
        f"down_starts_{stride}": num_children.cumsum(0) - num_children,
        f"up_rows_{stride}": _fill_blocks(offsets, places, parent_index),
        f"up_order_{stride}": places,
    }


def _place_in_blocks(is_pair: Tensor) -> tuple[Tensor, Tensor]:
    """Lay pairs into blocks; see `BlockedMap`.

    Args:
        is_pair: (K, M) bool, whether an offset has a pair of an output.

    Returns:
        Place of each pair, (K, M) int64, and the offset of each block, (Q,) int64.
    """
    num_blocks = (is_pair.sum(dim=1) + BLOCK_ROWS - 1) // BLOCK_ROWS
    first_block = num_blocks.cumsum(0) - num_blocks
    places = BLOCK_ROWS * first_block[:, None] + is_pair.cumsum(dim=1) - 1
    offsets = torch.repeat_interleave(num_blocks)
    _bound(offsets)
    return places, offsets


def _fill_blocks(offsets: Tensor, places: Tensor, rows: Tensor) -> Tensor:
    """Write rows (P,) to their places in Q blocks: (Q, BLOCK_ROWS)."""
    blocks = rows.new_zeros(BLOCK_ROWS * offsets.shape[0])
    return blocks.scatter(0, places, rows).view(-1, BLOCK_ROWS)


def _bound(found: Tensor) -> None:
    """Tell a trace that something whose size the data tell is no larger than a cloud may be."""
    torch._check(found.shape[0] <= MAX_POINTS)  # type: ignore[no-untyped-call]


def _count(index: Tensor, counted: Tensor) -> Tensor:
    """How often each row of `counted` (M, ...) is in an index (K,): (M,) int64."""
    return index.new_zeros(counted.shape[0]).index_add(0, index, torch.ones_like(index))
