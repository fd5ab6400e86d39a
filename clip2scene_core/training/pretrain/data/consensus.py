"""Consensus of the cameras: the pixels of a whole sequence vote on the class of each voxel.

`Votes` gathers the votes of a sequence and averages them to a `Consensus`, which labels points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL

GRID_SHIFTS: Final = (0.25, 0.75)
"""Offset of each voxel grid along every axis, in voxels. The faces of one grid would cut the ground
and objects at arbitrary places. The second grid is half a voxel off, so its faces are elsewhere.
Neither grid has a face at height 0, where the ground of a data set is likely to be."""


class Votes:
    """Gathers the votes of a sequence.

    Each pixel-point pair votes for the voxels of its point, with the cosines between its pixel and
    the texts of all classes. The mean of these cosines is the cosine of the mean embedding, up to
    its length. So embeddings vote, but the votes take only C numbers each.

    Args:
        voxel_size_m: Edge of a voxel in metres.
        is_movable: (C,) bool, the classes of objects that can move.
        logit_scale: Inverse temperature of the teacher, for confidences.
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
            points: (P, 3) float, metres, global frame.
            cosines: (P, C) float32, between the pixels of the pairs and the texts.
            stamp_ns: Stamp of the points in nanoseconds.
        """
        self._points.append(np.asarray(points, dtype=np.float64))
        self._cosines.append(cosines)
        self._stamps.append(np.full(len(points), stamp_ns, dtype=np.int64))

    def count(self) -> Consensus:
        """Average the votes of every voxel. There may be no voxel."""
        points, cosines = np.concatenate(self._points), np.concatenate(self._cosines)
        stamps = np.concatenate(self._stamps)
        grids = range(len(GRID_SHIFTS))
        voxels = np.stack([find_voxels(points, self._voxel_size_m, grid) for grid in grids])
        origin = voxels.min(axis=(0, 1)) if len(points) else np.zeros(3, dtype=np.int64)
        span = (voxels - origin).max(axis=(0, 1), initial=0) + 1
        pair_keys = np.concatenate([voxel_keys(voxels[g] - origin, g, span) for g in grids])
        keys, rows, counts = np.unique(pair_keys, return_inverse=True, return_counts=True)
        sums = np.zeros((len(keys), cosines.shape[1]), dtype=np.float32)
        first_ns = np.full(len(keys), np.iinfo(np.int64).max)
        last_ns = np.full(len(keys), np.iinfo(np.int64).min)
        for grid_rows in np.split(rows, len(GRID_SHIFTS)):
            np.add.at(sums, grid_rows, cosines)
            np.minimum.at(first_ns, grid_rows, stamps)
            np.maximum.at(last_ns, grid_rows, stamps)
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


@dataclass(frozen=True)
class Consensus:
    """The M voxels of a sequence that some camera has seen, with their mean votes.

    Attributes:
        voxel_size_m: Edge of a voxel in metres.
        origin: (3,) int64, the first voxel of both grids along each axis. The voxel of a point in a
            grid is floor(point / voxel_size_m + shift).
        span: (3,) int64, number of voxels along each axis.
        keys: (M,) int64, ascending: ((grid * span_x + x) * span_y + y) * span_z + z, where x, y, z
            are counted from the origin.
        cosines: (M, C) float16, mean cosines between the pixels of a voxel and the texts.
        first_ns: (M,) int64, first stamp at which a camera saw the voxel, in nanoseconds.
        last_ns: (M,) int64, last stamp at which a camera saw the voxel, in nanoseconds.
        is_movable: (C,) bool, the classes of objects that can move.
        logit_scale: Inverse temperature of the teacher, for confidences.
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

    def among(self, is_allowed: NDArray[np.bool_]) -> Consensus:
        """Make a consensus that names the allowed classes alone; (C,) bool, at least one."""
        forbidden = np.where(is_allowed, 0, -np.inf).astype(np.float16)
        return replace(self, cosines=self.cosines + forbidden)

    def label(
        self,
        points: NDArray[np.floating],
        stamp_ns: int,
        agree: Callable[[NDArray[np.floating], NDArray[np.float32]], NDArray[np.float32]]
        | None = None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Label points by the mean of the votes of their voxels in both grids.

        A point gets the class of a movable object only between the first and the last stamp at
        which its voxel was seen. So an object that passes by leaves no trail of labels.

        Args:
            points: (N, 3) float, metres, global frame.
            stamp_ns: Stamp of the points in nanoseconds.
            agree: Given the points with votes (F, 3) and their mean cosines (F, C), returns those
                that decide; see `agree_in_objects`.

        Returns:
            Labels (N,) uint8, IGNORE_LABEL where there is none, and confidences (N,) float32 in
            [0, 1], 0 where there is none.
        """
        cosines = np.zeros((len(points), len(self.is_movable)), dtype=np.float32)
        num_voxels = np.zeros(len(points), dtype=np.int64)
        is_then = np.zeros(len(points), dtype=np.bool_)
        for grid in range(len(GRID_SHIFTS)):
            rows, voxels = self._find(points, grid)
            cosines[rows] += self.cosines[voxels]
            num_voxels[rows] += 1
            is_then[rows] |= (self.first_ns[voxels] <= stamp_ns) & (
                stamp_ns <= self.last_ns[voxels]
            )
        found = np.flatnonzero(num_voxels)
        means = (cosines[found] / num_voxels[found, None]).astype(np.float32)
        if agree is not None:
            means = agree(points[found], means)
        classes, probabilities = _classify(means, self.logit_scale)
        is_valid = is_then[found] | ~self.is_movable[classes]
        labels = np.full(len(points), IGNORE_LABEL, dtype=np.uint8)
        confidences = np.zeros(len(points), dtype=np.float32)
        labels[found[is_valid]] = classes[is_valid]
        confidences[found[is_valid]] = probabilities[is_valid]
        return labels, confidences

    def _find(
        self, points: NDArray[np.floating], grid: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the points (N, 3) that lie in a known voxel of a grid.

        Returns:
            Rows of F points (F,) int64, and rows of their voxels (F,) int64.
        """
        voxels = find_voxels(points, self.voxel_size_m, grid) - self.origin
        inside = np.flatnonzero(((voxels >= 0) & (voxels < self.span)).all(axis=1))
        keys = voxel_keys(voxels[inside], grid, self.span)
        rows = np.searchsorted(self.keys, keys)
        is_known = rows < len(self.keys)
        is_known[is_known] = self.keys[rows[is_known]] == keys[is_known]
        return inside[is_known], rows[is_known]


def find_voxels(points: NDArray[np.floating], voxel_size_m: float, grid: int) -> NDArray[np.int64]:
    """Find the voxels [x, y, z] of points (P, 3), in metres, in one of the grids: (P, 3) int64."""
    voxels: NDArray[np.int64] = np.floor(points / voxel_size_m + GRID_SHIFTS[grid]).astype(np.int64)
    return voxels


def voxel_keys(voxels: NDArray[np.int64], grid: int, span: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the voxels (P, 3) int64 of a grid: (P,) int64, see `Consensus.keys`."""
    x, y, z = voxels.T
    keys: NDArray[np.int64] = ((grid * span[0] + x) * span[1] + y) * span[2] + z
    return keys


def _classify(
    cosines: NDArray[np.float32], logit_scale: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Find the class of the largest cosine in rows (M, C).

    Returns:
        Classes (M,) uint8 and their probabilities (M,) float32.
    """
    logits = logit_scale * (cosines - cosines.max(axis=1, keepdims=True))
    probabilities = (1 / np.exp(logits).sum(axis=1)).astype(np.float32)
    return cosines.argmax(axis=1).astype(np.uint8), probabilities
