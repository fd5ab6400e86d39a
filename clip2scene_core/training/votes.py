"""The votes from which the consensus of a drive is counted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.training.consensus import SHIFTS, Consensus, find_cells, pack


class Votes:
    """Gathers what the pixels of a drive say of its points.

    Every pair of a pixel and a point votes for its voxels with the cosines of all classes. Their
    mean is the cosine of the mean embedding, but for its length, so this is a vote of embeddings
    that takes the memory of a vote of classes.

    Args:
        voxel_size_m: Edge of a voxel.
        is_movable: (C,) bool, which classes may leave.
        logit_scale: The teacher's inverse temperature, for confidences.
    """

    def __init__(
        self, voxel_size_m: float, is_movable: NDArray[np.bool_], logit_scale: float
    ) -> None:
        self._voxel_size_m, self._logit_scale = voxel_size_m, logit_scale
        self._is_movable = is_movable
        self._points = [np.zeros((0, 3))]
        self._cosines = [np.zeros((0, len(is_movable)), dtype=np.float32)]
        self._stamps = [np.zeros(0, dtype=np.int64)]

    def add(
        self, points: NDArray[np.floating], cosines: NDArray[np.float32], stamp_ns: int
    ) -> None:
        """Add the pairs of a keyframe.

        Args:
            points: (P, 3) metres in the global frame.
            cosines: (P, C) between the pairs' pixels and the texts.
            stamp_ns: When the points were measured.
        """
        self._points.append(np.asarray(points, dtype=np.float64))
        self._cosines.append(cosines)
        self._stamps.append(np.full(len(points), stamp_ns, dtype=np.int64))

    def count(self) -> Consensus:
        """Average the votes of every voxel; there may be none."""
        points, cosines = np.concatenate(self._points), np.concatenate(self._cosines)
        stamps = np.concatenate(self._stamps)
        grids = range(len(SHIFTS))
        cells = np.stack([find_cells(points, self._voxel_size_m, grid) for grid in grids])
        origin = cells.min(axis=(0, 1)) if len(points) else np.zeros(3, dtype=np.int64)
        span = (cells - origin).max(axis=(0, 1), initial=0) + 1
        of_pairs = np.concatenate([pack(cells[grid] - origin, grid, span) for grid in grids])
        keys, voxels, counts = np.unique(of_pairs, return_inverse=True, return_counts=True)
        sums = np.zeros((len(keys), cosines.shape[1]), dtype=np.float32)
        first_ns = np.full(len(keys), np.iinfo(np.int64).max)
        last_ns = np.full(len(keys), np.iinfo(np.int64).min)
        for rows in np.split(voxels, len(SHIFTS)):
            np.add.at(sums, rows, cosines)
            np.minimum.at(first_ns, rows, stamps)
            np.maximum.at(last_ns, rows, stamps)
        return Consensus(
            voxel_size_m=self._voxel_size_m,
            origin=origin,
            span=span,
            keys=keys,
            cosines=(sums / counts[:, None]).astype(np.float16),
            first_ns=first_ns,
            last_ns=last_ns,
            is_movable=self._is_movable,
            logit_scale=self._logit_scale,
        )
