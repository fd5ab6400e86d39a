"""Tiles: output rows of a convolution that are computed together, and the pairs of each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.sparse.backend import compiled_module

TILE_ROWS: Final = 256
"""Rows that follow one another; all that they need stays in a processor's cache."""


@dataclass(frozen=True, eq=False)
class Tiles:
    """Where the pairs of each of T tiles begin.

    Attributes:
        starts: (T + 1, K) int64: of each offset, the pairs of a tile begin at its row and end at
            the next one.
        pairs_before: T + 1 numbers, pairs of all tiles before each.
    """

    starts: NDArray[np.int64]
    pairs_before: tuple[int, ...]

    def share(self, count: int) -> list[int]:
        """Take the tiles apart, so that each of `count` parts has about as many pairs.

        Returns:
            The first tile of each part, and T; ascending. Parts without a tile are left out.
        """
        last = len(self.starts) - 1
        if count == 1 or last < 2:
            return [0, last]
        num_pairs = self.pairs_before[-1]
        firsts = (bisect_left(self.pairs_before, num_pairs * i // count) for i in range(1, count))
        return sorted({0, *firsts, last})


def find_tiles(
    output_index: NDArray[np.int64], num_pairs: Sequence[int], num_outputs: int
) -> Tiles:
    """Find the pairs of each tile, by the compiled loop of those who use them.

    Args:
        output_index: (P,) int64 output of each pair, by offset, ascending in each.
        num_pairs: K numbers of pairs.
        num_outputs: Number of output rows.
    """
    compiled = compiled_module("sparse.compiled_conv")
    assert compiled is not None
    starts = compiled.find_starts(output_index, np.asarray(num_pairs), num_outputs)
    return Tiles(starts, tuple((starts.sum(1) - starts[0].sum()).tolist()))
