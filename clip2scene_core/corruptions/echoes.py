"""What a corrupted LiDAR reports, and which of the true points each report stems from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Echoes:
    """The points of a corrupted sweep beside those of the original one, N.

    Attributes:
        points: (M, 4) float32 as in Sweep.
        beam: (M,) int64, index of the original point that the same laser pulse gave.
        is_false: (M,) bool; such a point is no longer on the thing that the original point was on.
    """

    points: NDArray[np.float32]
    beam: NDArray[np.int64]
    is_false: NDArray[np.bool_]

    def carry(self, values: NDArray[np.integer], false_value: int) -> NDArray[np.integer]:
        """Take what is known of the original points along.

        Args:
            values: (N,), one for each original point, for example labels.
            false_value: Stands where a point is false.

        Returns:
            (M,), of the type of `values`.
        """
        carried = values[self.beam]
        carried[self.is_false] = false_value
        return carried


def all_true(points: NDArray[np.float32]) -> Echoes:
    """Every point survived, wherever it moved.

    Args:
        points: (N, 4) float32.
    """
    return Echoes(points, np.arange(len(points)), np.zeros(len(points), dtype=np.bool_))
