"""What the cameras of a whole drive agree on, place by place in the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL

SHIFTS: Final = (0.25, 0.75)
"""Where the voxels of each grid begin along every axis, in voxels. One grid alone would cut the
ground, or what stands on it, wherever its faces happen to lie; a second, half a voxel off, is cut
elsewhere. Neither has a face at height 0, where the ground of a data set is likely to be."""


@dataclass(frozen=True)
class Consensus:
    """The voxels of one drive that some camera has seen, and what they looked like.

    Attributes:
        voxel_size_m: Edge of a voxel.
        origin: (3,) int64, the first voxel of either grid; a point's voxel in a grid is
            floor(point / voxel_size_m + shift).
        span: (3,) int64, voxels along each axis.
        keys: (M,) int64, ascending: ((grid * span_x + x) * span_y + y) * span_z + z, counted from
            the origin.
        cosines: (M, C) float16, between the voxels' pixels and the texts, on the mean.
        first_ns: (M,) int64, when a camera first saw the voxel.
        last_ns: (M,) int64, when one last did.
        is_movable: (C,) bool, which classes may leave.
        logit_scale: The teacher's inverse temperature, for confidences.
    """

    voxel_size_m: float
    origin: NDArray[np.int64]
    span: NDArray[np.int64]
    keys: NDArray[np.int64]
    cosines: NDArray[np.float16]
    first_ns: NDArray[np.int64]
    last_ns: NDArray[np.int64]
    is_movable: NDArray[np.bool_]
    logit_scale: float

    def label(
        self, points: NDArray[np.floating], stamp_ns: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Look points up: each is what its voxels look like on the mean.

        A place that looks like a thing that may leave is taken for it only between the first and
        the last time that it was seen: what passes by leaves no trail.

        Args:
            points: (N, 3) metres in the global frame.
            stamp_ns: When they were measured.

        Returns:
            Labels (N,) uint8, IGNORE_LABEL where there is none, and confidences (N,) float32 in
            [0, 1], 0 there.
        """
        cosines = np.zeros((len(points), len(self.is_movable)), dtype=np.float32)
        num_found = np.zeros(len(points), dtype=np.int64)
        is_then = np.zeros(len(points), dtype=np.bool_)
        for grid in range(len(SHIFTS)):
            rows, places = self._find(points, grid)
            cosines[rows] += self.cosines[places]
            num_found[rows] += 1
            is_then[rows] |= (self.first_ns[places] <= stamp_ns) & (
                stamp_ns <= self.last_ns[places]
            )
        found = np.flatnonzero(num_found)
        means = (cosines[found] / num_found[found, None]).astype(np.float32)
        best, sure = _decide(means, self.logit_scale)
        holds = is_then[found] | ~self.is_movable[best]
        labels = np.full(len(points), IGNORE_LABEL, dtype=np.uint8)
        confidences = np.zeros(len(points), dtype=np.float32)
        labels[found[holds]], confidences[found[holds]] = best[holds], sure[holds]
        return labels, confidences

    def _find(
        self, points: NDArray[np.floating], grid: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the points (N, 3) that lie in a known voxel: their rows, and the voxels'."""
        cells = find_cells(points, self.voxel_size_m, grid) - self.origin
        inside = np.flatnonzero(((cells >= 0) & (cells < self.span)).all(axis=1))
        keys = pack(cells[inside], grid, self.span)
        places = np.searchsorted(self.keys, keys)
        is_known = places < len(self.keys)
        is_known[is_known] = self.keys[places[is_known]] == keys[is_known]
        return inside[is_known], places[is_known]


def find_cells(points: NDArray[np.floating], voxel_size_m: float, grid: int) -> NDArray[np.int64]:
    """Find the voxels of points (P, 3) in one of the grids: (P, 3) int64."""
    cells: NDArray[np.int64] = np.floor(points / voxel_size_m + SHIFTS[grid]).astype(np.int64)
    return cells


def pack(cells: NDArray[np.int64], grid: int, span: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the voxels (P, 3) of a grid: (P,) int64, see `Consensus.keys`."""
    keys: NDArray[np.int64] = ((grid * span[0] + cells[:, 0]) * span[1] + cells[:, 1]) * span[
        2
    ] + cells[:, 2]
    return keys


def _decide(
    cosines: NDArray[np.float32], logit_scale: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Name rows (M, C) by their largest cosine: classes (M,) and their probabilities (M,)."""
    logits = logit_scale * (cosines - cosines.max(axis=1, keepdims=True))
    probabilities = (1 / np.exp(logits).sum(axis=1)).astype(np.float32)
    return cosines.argmax(axis=1).astype(np.uint8), probabilities


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
