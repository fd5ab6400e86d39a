"""Which input voxel meets which output voxel under which kernel offset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from clip2scene_core.sparse.packed_keys import key_step

NUM_NEIGHBOURS = 27
CENTER_OFFSET = 13
# Half of the (dx, dy) columns around a voxel's own; the other half follows by symmetry.
_POSITIVE_COLUMNS = ((0, 1), (1, -1), (1, 0), (1, 1))
_PAST_ANY_KEY = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class KernelMap:
    """The pairs of one sparse convolution, grouped by kernel offset.

    Attributes:
        input_index: (P,) int64 row of the input features.
        output_index: (P,) int64 row of the output features.
        num_pairs: Pairs of each of the K offsets, in order; they sum to P.
        num_inputs: Rows of the input.
        num_outputs: Rows of the output.
        identity_offset: The offset that maps every row to itself, if there is one.
    """

    input_index: Tensor
    output_index: Tensor
    num_pairs: tuple[int, ...]
    num_inputs: int
    num_outputs: int
    identity_offset: int | None = None

    @cached_property
    def pairs_by_output(self) -> tuple[Tensor, Tensor]:
        """Pairs in the order of their output (P,), and where each output begins (num_outputs,)."""
        order = torch.argsort(self.output_index.int(), stable=True)  # twice as fast as int64
        counts = torch.bincount(self.output_index, minlength=self.num_outputs)
        return order, counts.cumsum(0) - counts

    def split(self, pairs: Tensor) -> tuple[Tensor, ...]:
        """Cut anything with one row per pair, (P, ...), into its K offsets."""
        return torch.split(pairs, list(self.num_pairs))

    def transpose(self) -> KernelMap:
        """Swap the roles of input and output: the map of the transposed convolution."""
        return KernelMap(
            self.output_index,
            self.input_index,
            self.num_pairs,
            self.num_outputs,
            self.num_inputs,
            self.identity_offset,
        )


def neighbor_map(keys: Tensor) -> KernelMap:
    """Map every voxel to its occupied 3x3x3 neighbours; outputs are the inputs (submanifold).

    Neighbours along z follow each other in the sorted keys. So one search finds a column's lowest
    neighbour, and the two above it lie just behind; half of the columns follow by symmetry.

    Args:
        keys: (M,) int64 packed keys, sorted and unique.

    Returns:
        Map of 27 offsets. Offset (dx, dy, dz), at index 9 (dx + 1) + 3 (dy + 1) + dz + 1, pairs
        an output with the input at its own coordinates plus the offset, as torch's conv3d does.
    """
    padded = torch.cat([keys, keys.new_full((NUM_NEIGHBOURS,), _PAST_ANY_KEY)])
    own = torch.arange(len(keys), device=keys.device)
    positions = [own + 1]
    hits = [padded[1 : len(keys) + 1] == keys + 1]
    for dx, dy in _POSITIVE_COLUMNS:
        wanted = keys + key_step(dx, dy, -1)
        position = torch.searchsorted(keys, wanted)
        for dz in (-1, 0, 1):
            hit = padded.index_select(0, position) == wanted
            positions.append(position)
            hits.append(hit)
            if dz < 1:
                position = position + hit
                wanted = wanted + 1
    hit_mask = torch.stack(hits)  # (13, M), offsets 14 to 26
    upper_output = hit_mask.nonzero()[:, 1]
    upper_input = torch.stack(positions)[hit_mask]
    upper_pairs: list[int] = hit_mask.sum(1).tolist()
    # Offsets 12 down to 0 are the same pairs, seen from the other end.
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


def neighbor_table(neighbors: KernelMap) -> Tensor:
    """Lay a neighbour map out for look-up: (M, 27) int64 input rows, -1 where there is no voxel."""
    table = neighbors.input_index.new_full((neighbors.num_outputs * NUM_NEIGHBOURS,), -1)
    offsets = torch.arange(NUM_NEIGHBOURS, device=table.device)
    num_pairs = torch.tensor(neighbors.num_pairs, device=table.device)
    offset = offsets.repeat_interleave(num_pairs)
    table[neighbors.output_index * NUM_NEIGHBOURS + offset] = neighbors.input_index
    return table.view(-1, NUM_NEIGHBOURS)


def downsample_map(coordinates: Tensor, parent_index: Tensor, num_parents: int) -> KernelMap:
    """Map the up to 2x2x2 voxels inside each voxel of the next coarser level to that voxel.

    Args:
        coordinates: (M, 4) int32 [batch, x, y, z] of the finer level.
        parent_index: (M,) int64 row of each one's parent, whose x, y, z are halved (floor).
        num_parents: Voxels of the coarser level.

    Returns:
        Map of 8 offsets: index 4 x + 2 y + z of the coordinates' lowest bits.
    """
    x, y, z = (coordinates[:, 1:] & 1).unbind(1)
    slot = 4 * x + 2 * y + z
    order = torch.argsort(slot, stable=True)
    num_pairs: list[int] = torch.bincount(slot, minlength=8).tolist()
    return KernelMap(order, parent_index[order], tuple(num_pairs), len(coordinates), num_parents)
