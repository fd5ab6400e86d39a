"""Tiles: output rows of a convolution that are computed together, and the pairs of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

TILE_ROWS: Final = 256
"""Rows that follow one another; all that they need stays in a processor's cache."""


@dataclass(frozen=True, eq=False)
class Tiles:
    """Where the pairs of each of T tiles begin.

    Attributes:
        starts: (T + 1, K) int64: of each offset, the pairs of a tile begin at its row and end at
            the next one.
        pairs_before: (T + 1,) int64, pairs of all tiles before each.
    """

    starts: NDArray[np.int64]
    pairs_before: NDArray[np.int64]

    def share(self, count: int) -> list[int]:
        """Take the tiles apart, so that each of `count` parts has about as many pairs.

        Returns:
            The first tile of each part, and T; ascending. Parts without a tile are left out.
        """
        last = len(self.starts) - 1
        if count == 1 or last < 2:
            return [0, last]
        wanted = self.pairs_before[-1] * np.arange(1, count) // count
        firsts = np.searchsorted(self.pairs_before, wanted)
        return sorted({0, *firsts.tolist(), last})


def find_tiles(
    output_index: NDArray[np.int64], num_pairs: Sequence[int], num_outputs: int
) -> Tiles:
    """Find the pairs of each tile.

    Args:
        output_index: (P,) int64 output of each pair, by offset, ascending in each.
        num_pairs: K numbers of pairs.
        num_outputs: Number of output rows.
    """
    firsts = np.arange(0, num_outputs + TILE_ROWS, TILE_ROWS)
    ends = np.cumsum(num_pairs)
    starts = np.empty((len(firsts), len(ends)), np.int64)
    for offset, (end, count) in enumerate(zip(ends, num_pairs, strict=True)):
        begin = end - count
        starts[:, offset] = begin + np.searchsorted(output_index[begin:end], firsts)
    return Tiles(starts, starts.sum(1) - starts[0].sum())
