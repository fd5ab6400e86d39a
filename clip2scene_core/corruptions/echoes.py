"""The points of a corrupted sweep, with the original point of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Echoes:
    """The M points of a corrupted sweep, with their indices in the N original points.

    Attributes:
        points: (M, 4) float32 as in Sweep.
        beam: (M,) int64, index of the original point of the same laser pulse.
        is_false: (M,) bool, whether the point is no longer on the surface of the original point.
    """

    points: NDArray[np.float32]
    beam: NDArray[np.int64]
    is_false: NDArray[np.bool_]

    def carry(self, values: NDArray[np.integer], false_value: int) -> NDArray[np.integer]:
        """Move values of the original points to the corrupted points.

        Args:
            values: (N,) integers, one for each original point, for example labels.
            false_value: Value of a false point.

        Returns:
            (M,), with the dtype of `values`.
        """
        carried = values[self.beam]
        carried[self.is_false] = false_value
        return carried


def all_true(points: NDArray[np.float32]) -> Echoes:
    """Make the record of a sweep without lost and false points; points may have moved.

    Args:
        points: (N, 4) float32 as in Sweep, in the original order.
    """
    return Echoes(points, np.arange(len(points)), np.zeros(len(points), dtype=np.bool_))
