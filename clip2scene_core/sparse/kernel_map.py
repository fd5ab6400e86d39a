"""Kernel maps: the pairs of input and output voxels of a convolution, for each kernel offset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from clip2scene_core.sparse import packed_keys
from clip2scene_core.sparse.backend import compiled_for, compiled_module
from clip2scene_core.sparse.tiles import Tiles, find_tiles

NUM_NEIGHBORS = 27
CENTER_OFFSET = 13
# Half of the (dx, dy) columns around a voxel; the other half follows by symmetry.
_POSITIVE_COLUMNS = ((0, 1), (1, -1), (1, 0), (1, 1))
_COLUMN_STEPS = np.array([packed_keys.key_step(dx, dy, -1) for dx, dy in _POSITIVE_COLUMNS])
_PAST_ANY_KEY = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class KernelMap:
    """The pairs of one sparse convolution, grouped by kernel offset.

    Inputs and outputs of the pairs of one offset ascend.

    Attributes:
        input_index: (P,) int64 rows of the input features.
        output_index: (P,) int64 rows of the output features.
        num_pairs: K numbers of pairs, one for each offset; their sum is P.
        num_inputs: Number of input rows.
        num_outputs: Number of output rows.
        identity_offset: Index of the offset that maps every row to itself, if there is one.
    """

    input_index: Tensor
    output_index: Tensor
    num_pairs: tuple[int, ...]
    num_inputs: int
    num_outputs: int
    identity_offset: int | None = None

    @cached_property
    def pairs_by_output(self) -> tuple[Tensor, Tensor]:
        """Order of the pairs by output, (P,) int64, and the start of each output in it."""
        return order_by_output(self.output_index, self.num_outputs)

    @cached_property
    def tiles(self) -> Tiles:
        """The pairs of each tile of output rows, on the CPU, where compiled loops do the work."""
        return find_tiles(self.output_index.numpy(), self.num_pairs, self.num_outputs)

    def build(self) -> None:
        """Build all that convolutions look up, which else the first one of them does."""
        _ = self.pairs_by_output
        if compiled_module("sparse.compiled_conv") is not None:
            _ = self.tiles

    def split(self, pairs: Tensor) -> tuple[Tensor, ...]:
        """Split a tensor with one row per pair, (P, ...), into K tensors, one per offset."""
        return torch.split(pairs, list(self.num_pairs))

    @cached_property
    def transposed(self) -> KernelMap:
        """The same pairs with input and output swapped: the map of the transposed convolution."""
        return KernelMap(
            self.output_index,
            self.input_index,
            self.num_pairs,
            self.num_outputs,
            self.num_inputs,
            self.identity_offset,
        )


def order_by_output(output_index: Tensor, num_outputs: int) -> tuple[Tensor, Tensor]:
    """Sort pairs by output, stably.

    Args:
        output_index: (P,) int64 in [0, M), the output of each pair.
        num_outputs: M.

    Returns:
        Order of the pairs, (P,) int64, and the start of each output in it, (M,) int64.
    """
    compiled = compiled_for(output_index)
    if compiled is not None:
        arrays = compiled.order_by_output(output_index.numpy(), num_outputs)
        return torch.from_numpy(arrays[0]), torch.from_numpy(arrays[1])
    order = torch.argsort(output_index.int(), stable=True)  # twice as fast as int64
    counts = torch.bincount(output_index, minlength=num_outputs)
    return order, counts.cumsum(0) - counts


def neighbor_map(keys: Tensor) -> KernelMap:
    """Map every voxel to its occupied 3x3x3 neighbours; outputs are the inputs (submanifold).

    Neighbours along z are adjacent in the sorted keys. So one search finds the lowest neighbour of
    a column, and the other two follow it. Half of the columns follow by symmetry.

    Args:
        keys: (M,) int64 packed keys, sorted and unique.

    Returns:
        Map of 27 offsets. Offset (dx, dy, dz) has the index 9 (dx + 1) + 3 (dy + 1) + dz + 1. It
        pairs an output with the input at the output's coordinates plus the offset, as torch's
        conv3d does.
    """
    compiled = compiled_for(keys)
    if compiled is not None:
        inputs, outputs, counts = compiled.find_pairs(keys.numpy(), _COLUMN_STEPS)
        return KernelMap(
            torch.from_numpy(inputs),
            torch.from_numpy(outputs),
            tuple(counts.tolist()),
            len(keys),
            len(keys),
            CENTER_OFFSET,
        )
    positions, hit_mask = search_upper_neighbors(keys)
    own = torch.arange(len(keys), device=keys.device)
    upper_output = hit_mask.nonzero()[:, 1]
    upper_input = positions[hit_mask]
    upper_pairs: list[int] = hit_mask.sum(1).tolist()
    # Offsets 12 to 0 are the same pairs with input and output swapped.
    lower_output = torch.cat(torch.split(upper_input, upper_pairs)[::-1])
    lower_input = torch.cat(torch.split(upper_output, upper_pairs)[::-1])
    return KernelMap(
        torch.cat([lower_input, own, upper_input]),
        torch.cat([lower_output, own, upper_output]),
        (*upper_pairs[::-1], len(keys), *upper_pairs),
        len(keys),
        len(keys),
        CENTER_OFFSET,
    )


def search_upper_neighbors(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Find the neighbours at the offsets 14 to 26 by torch operations alone.

    Args:
        keys: (M,) int64 packed keys, sorted and unique.

    Returns:
        Rows (13, M) int64 where a neighbour would be, and (13, M) bool whether it is there.
    """
    padded = torch.cat([keys, keys.new_full((NUM_NEIGHBORS,), _PAST_ANY_KEY)])
    num_keys = keys.shape[0]  # len() would make a number of it, and a trace for one cloud alone
    own_column = torch.arange(1, num_keys + 1, device=keys.device)[None]
    wanted = keys + keys.new_tensor(_COLUMN_STEPS)[:, None]  # (4, M), of each column the lowest
    position = torch.searchsorted(keys, wanted)
    positions, hits = [], []
    for _ in range(3):
        hit = padded[position] == wanted
        positions.append(position)
        hits.append(hit)
        position, wanted = position + hit, wanted + 1
    return (
        torch.cat([own_column, torch.stack(positions, dim=1).flatten(0, 1)]),
        torch.cat([padded[own_column] == keys + 1, torch.stack(hits, dim=1).flatten(0, 1)]),
    )


def neighbor_table(neighbors: KernelMap) -> Tensor:
    """Turn a neighbour map into a table: (M, 27) int64 input rows, -1 if there is no voxel."""
    compiled = compiled_for(neighbors.input_index)
    if compiled is not None:
        inputs, outputs = neighbors.input_index.numpy(), neighbors.output_index.numpy()
        counts = np.array(neighbors.num_pairs)
        return torch.from_numpy(compiled.fill_table(inputs, outputs, counts, neighbors.num_outputs))
    table = neighbors.input_index.new_full((neighbors.num_outputs * NUM_NEIGHBORS,), -1)
    offsets = torch.arange(NUM_NEIGHBORS, device=table.device)
    num_pairs = torch.tensor(neighbors.num_pairs, device=table.device)
    offset = offsets.repeat_interleave(num_pairs)
    table[neighbors.output_index * NUM_NEIGHBORS + offset] = neighbors.input_index
    return table.view(-1, NUM_NEIGHBORS)


def downsample_map(keys: Tensor) -> tuple[Tensor, Tensor, KernelMap]:
    """Map the up to 2x2x2 voxels inside each voxel of the next coarser level to that voxel.

    Args:
        keys: (M,) int64 packed keys of the finer level, sorted and unique.

    Returns:
        Packed keys of the coarser level, sorted and unique; (M,) int64 row there of the parent of
        each voxel, whose x, y, z are halved (floor); and the map of 8 offsets. The index of an
        offset is 4 x + 2 y + z, with the lowest bit of each coordinate.
    """
    compiled = compiled_for(keys)
    if compiled is not None:
        arrays = compiled.find_parents(keys.numpy(), packed_keys.FIELD_BITS)
        parents, parent_index, order, counts = map(torch.from_numpy, arrays)
    else:
        coordinates = packed_keys.unpack(keys)
        x, y, z = (coordinates[:, 1:] & 1).unbind(1)
        coordinates[:, 1:] >>= 1
        parents, parent_index = torch.unique(packed_keys.pack(coordinates), return_inverse=True)
        slot = 4 * x + 2 * y + z
        order, counts = torch.argsort(slot, stable=True), torch.bincount(slot, minlength=8)
    num_pairs: list[int] = counts.tolist()
    pairs = KernelMap(order, parent_index[order], tuple(num_pairs), len(keys), len(parents))
    return parents, parent_index, pairs
