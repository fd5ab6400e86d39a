"""A voxel grid in a fixed frame that gathers evidence from the last labelled sweeps."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL

_AXIS_BITS = 18
_AXIS_OFFSET = 1 << (_AXIS_BITS - 1)
_LABEL_BITS = 8


@dataclass(frozen=True)
class LabelledMap:
    """The occupied voxels of a grid, each with the label that has most evidence.

    Attributes:
        points: (V, 3) float32 voxel centres, metres, in the fixed frame.
        labels: (V,) uint8.
        scores: (V,) float32 in [0, 1], the winning label's share of the voxel's evidence.
        counts: (V,) int64, points that voted.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.uint8]
    scores: NDArray[np.float32]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class _Votes:
    """One sweep's evidence: a row for each pair of voxel and label that occurs in it."""

    keys: NDArray[np.int64]  # voxel key << 8 | label, ascending
    evidence: NDArray[np.float64]
    counts: NDArray[np.int64]


class LabelledGrid:
    """The last `num_sweeps` labelled sweeps as per-voxel, per-label evidence.

    A point votes for its label with its score, so many sure looks outweigh a glimpse. Old sweeps
    leave as a whole; a moving car does not leave a trail longer than the window. A sweep that lies
    beyond the reach of the others (26 km with voxels of 0.2 m) starts the grid anew.

    Args:
        voxel_size_m: Edge of a voxel in metres.
        num_sweeps: Sweeps that are kept.
    """

    def __init__(self, voxel_size_m: float, num_sweeps: int) -> None:
        if not voxel_size_m > 0 or num_sweeps < 1:
            raise ValueError(
                f"voxel_size_m must be positive and num_sweeps at least 1, "
                f"got {voxel_size_m} and {num_sweeps}"
            )
        self._voxel_size_m = voxel_size_m
        self._sweeps: deque[_Votes] = deque(maxlen=num_sweeps)
        self._anchor: NDArray[np.int64] = np.zeros(3, dtype=np.int64)

    def add(
        self,
        points_fixed: NDArray[np.float64],
        labels: NDArray[np.uint8],
        scores: NDArray[np.float32],
    ) -> None:
        """Add one labelled sweep.

        Args:
            points_fixed: (N, 3) float64, metres, fixed frame.
            labels: (N,) uint8; IGNORE_LABEL does not vote.
            scores: (N,) float32 in [0, 1].

        Raises:
            ValueError: If one sweep spans more than 18 bits of voxels along an axis.
        """
        voting = labels != IGNORE_LABEL
        cells = np.floor(points_fixed[voting] / self._voxel_size_m).astype(np.int64)
        # Keys count from an anchor near the sweeps: maps in UTM lie thousands of kilometres out.
        if not self._reaches(cells):
            self._sweeps.clear()
            self._anchor = np.median(cells, axis=0).astype(np.int64)
        if not self._reaches(cells):
            raise ValueError(
                f"one sweep spans {np.ptp(points_fixed[voting], axis=0).max():.0f} m, the grid "
                f"{2 * _AXIS_OFFSET * self._voxel_size_m:.0f} m; use larger voxels"
            )
        cells += _AXIS_OFFSET - self._anchor
        voxels = (cells[:, 0] << _AXIS_BITS | cells[:, 1]) << _AXIS_BITS | cells[:, 2]
        keys, inverse, counts = np.unique(
            voxels << _LABEL_BITS | labels[voting], return_inverse=True, return_counts=True
        )
        evidence: NDArray[np.float64] = np.zeros(len(keys))
        np.add.at(evidence, inverse, scores[voting])
        self._sweeps.append(_Votes(keys, evidence, counts.astype(np.int64)))

    def extract(self) -> LabelledMap:
        """Let the votes of all kept sweeps decide each voxel's label."""
        if not any(len(votes.keys) for votes in self._sweeps):
            empty = np.zeros(0)
            return LabelledMap(
                np.zeros((0, 3), np.float32),
                empty.astype(np.uint8),
                empty.astype(np.float32),
                empty.astype(np.int64),
            )
        keys, inverse = np.unique(
            np.concatenate([votes.keys for votes in self._sweeps]), return_inverse=True
        )
        evidence = np.bincount(
            inverse, weights=np.concatenate([votes.evidence for votes in self._sweeps])
        )
        counts = np.bincount(
            inverse, weights=np.concatenate([votes.counts for votes in self._sweeps])
        )
        voxels = keys >> _LABEL_BITS
        first_rows = np.flatnonzero(np.diff(voxels, prepend=-1))
        # Sorted by voxel, then evidence: the last row of each voxel is its winner.
        order = np.lexsort((evidence, voxels))
        winners = order[np.append(first_rows[1:], len(voxels)) - 1]
        total = np.add.reduceat(evidence, first_rows)
        return LabelledMap(
            self._centres(voxels[first_rows]),
            (keys[winners] & (1 << _LABEL_BITS) - 1).astype(np.uint8),
            (evidence[winners] / np.maximum(total, 1e-12)).astype(np.float32),
            np.add.reduceat(counts, first_rows).astype(np.int64),
        )

    def clear(self) -> None:
        """Forget all sweeps."""
        self._sweeps.clear()

    def _reaches(self, cells: NDArray[np.int64]) -> bool:
        """Tell whether all cells (N, 3) lie within the keys' 18 bits around the anchor."""
        return not cells.size or bool(np.abs(cells - self._anchor).max() < _AXIS_OFFSET)

    def _centres(self, voxels: NDArray[np.int64]) -> NDArray[np.float32]:
        mask = (1 << _AXIS_BITS) - 1
        cells = np.stack([voxels >> 2 * _AXIS_BITS, voxels >> _AXIS_BITS & mask, voxels & mask], 1)
        cells += self._anchor - _AXIS_OFFSET
        return ((cells + 0.5) * self._voxel_size_m).astype(np.float32)
