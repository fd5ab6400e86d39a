"""What the cameras of a whole drive agree on, place by place in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL


@dataclass(frozen=True)
class Consensus:
    """The voxels of one drive that some camera has seen, and what they were taken for.

    Attributes:
        voxel_size_m: Edge of a voxel.
        origin: (3,) int64, the voxel of key 0; a point's voxel is floor(point / voxel_size_m).
        span: (3,) int64, voxels along each axis.
        keys: (M,) int64, ascending: ((x * span_y) + y) * span_z + z from the origin.
        labels: (M,) uint8.
        confidences: (M,) float32 in [0, 1].
        first_ns: (M,) int64, when a camera first saw the voxel.
        last_ns: (M,) int64, when one last did.
        is_movable: (C,) bool, which classes may leave.
    """

    voxel_size_m: float
    origin: NDArray[np.int64]
    span: NDArray[np.int64]
    keys: NDArray[np.int64]
    labels: NDArray[np.uint8]
    confidences: NDArray[np.float32]
    first_ns: NDArray[np.int64]
    last_ns: NDArray[np.int64]
    is_movable: NDArray[np.bool_]

    def label(
        self, points: NDArray[np.floating], stamp_ns: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Look points up.

        A place that was taken for a thing that may leave is taken for it only between the first and
        the last time that it was seen: what passes by leaves no trail.

        Args:
            points: (N, 3) metres in the global frame.
            stamp_ns: When they were measured.

        Returns:
            Labels (N,) uint8, IGNORE_LABEL where there is none, and confidences (N,) float32 in
            [0, 1], 0 there.
        """
        labels = np.full(len(points), IGNORE_LABEL, dtype=np.uint8)
        confidences = np.zeros(len(points), dtype=np.float32)
        cells = np.floor(points / self.voxel_size_m).astype(np.int64) - self.origin
        inside = np.flatnonzero(((cells >= 0) & (cells < self.span)).all(axis=1))
        keys = _pack(cells[inside], self.span)
        places = np.searchsorted(self.keys, keys)
        is_known = np.zeros(len(places), dtype=np.bool_)
        is_known[places < len(self.keys)] = True
        is_known[is_known] = self.keys[places[is_known]] == keys[is_known]
        rows, places = inside[is_known], places[is_known]
        is_then = (self.first_ns[places] <= stamp_ns) & (stamp_ns <= self.last_ns[places])
        holds = is_then | ~self.is_movable[self.labels[places]]
        rows, places = rows[holds], places[holds]
        labels[rows], confidences[rows] = self.labels[places], self.confidences[places]
        return labels, confidences


class Votes:
    """Gathers what the pixels of a drive say of its points.

    Every pair of a pixel and a point votes for its voxel with the cosines of all classes. Their
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
        self._cells: list[NDArray[np.int64]] = []
        self._cosines: list[NDArray[np.float32]] = []
        self._stamps: list[NDArray[np.int64]] = []

    def add(
        self, points: NDArray[np.floating], cosines: NDArray[np.float32], stamp_ns: int
    ) -> None:
        """Add the pairs of a keyframe.

        Args:
            points: (P, 3) metres in the global frame.
            cosines: (P, C) between the pairs' pixels and the texts.
            stamp_ns: When the points were measured.
        """
        self._cells.append(np.floor(points / self._voxel_size_m).astype(np.int64))
        self._cosines.append(cosines)
        self._stamps.append(np.full(len(points), stamp_ns, dtype=np.int64))

    def count(self) -> Consensus:
        """Decide every voxel by its mean cosines; there may be none."""
        cells = np.concatenate([np.zeros((0, 3), np.int64), *self._cells])
        num_classes = len(self._is_movable)
        cosines = np.concatenate([np.zeros((0, num_classes), np.float32), *self._cosines])
        stamps = np.concatenate([np.zeros(0, np.int64), *self._stamps])
        origin = cells.min(axis=0) if len(cells) else np.zeros(3, np.int64)
        span = (cells - origin).max(axis=0, initial=0) + 1
        unsorted = _pack(cells - origin, span)
        order = np.argsort(unsorted, kind="stable")
        keys, starts, counts = np.unique(unsorted[order], return_index=True, return_counts=True)
        means = np.add.reduceat(cosines[order], starts) / counts[:, None] if len(keys) else cosines
        logits = self._logit_scale * (means - means.max(axis=1, keepdims=True))
        stamps = stamps[order]
        return Consensus(
            voxel_size_m=self._voxel_size_m,
            origin=origin,
            span=span,
            keys=keys,
            labels=means.argmax(axis=1).astype(np.uint8),
            confidences=(1 / np.exp(logits).sum(axis=1)).astype(np.float32),
            first_ns=np.minimum.reduceat(stamps, starts) if len(keys) else stamps,
            last_ns=np.maximum.reduceat(stamps, starts) if len(keys) else stamps,
            is_movable=self._is_movable,
        )


def _pack(cells: NDArray[np.int64], span: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number voxels (P, 3) inside a box: (P,) int64."""
    keys: NDArray[np.int64] = (cells[:, 0] * span[1] + cells[:, 1]) * span[2] + cells[:, 2]
    return keys
