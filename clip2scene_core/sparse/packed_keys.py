"""Packed keys: voxel coordinates as one sortable int64; batch, x, y, z from high to low bits."""

from __future__ import annotations

import torch
from torch import Tensor

FIELD_BITS = 18
MAX_BATCHES = 1 << (63 - 3 * FIELD_BITS)
_BIAS = 1 << (FIELD_BITS - 1)
_FIELD_MASK = (1 << FIELD_BITS) - 1

# One less than a field holds, so that the key of a neighbour does not change the next field.
MAX_COORDINATE = _BIAS - 2


def pack(coordinates: Tensor) -> Tensor:
    """Pack coordinates into keys that sort by batch, x, y, z.

    A key plus `key_step(dx, dy, dz)` is the key of the neighbour at that offset.

    Args:
        coordinates: (M, 4) integer [batch, x, y, z]; |x|, |y|, |z| <= MAX_COORDINATE and
            0 <= batch < MAX_BATCHES; the caller checks this.

    Returns:
        (M,) int64, not negative.
    """
    batch, x, y, z = coordinates.long().unbind(1)
    column = (batch << FIELD_BITS | x + _BIAS) << FIELD_BITS | y + _BIAS
    return column << FIELD_BITS | z + _BIAS


def unpack(keys: Tensor) -> Tensor:
    """Invert `pack`: (M,) int64 -> (M, 4) int32 [batch, x, y, z]."""
    fields = [(keys >> shift * FIELD_BITS & _FIELD_MASK) - _BIAS for shift in (2, 1, 0)]
    return torch.stack([keys >> 3 * FIELD_BITS, *fields], dim=1).int()


def key_step(dx: int, dy: int, dz: int) -> int:
    """Difference between the key of a neighbour at this offset and the key of a voxel."""
    return (dx << 2 * FIELD_BITS) + (dy << FIELD_BITS) + dz
