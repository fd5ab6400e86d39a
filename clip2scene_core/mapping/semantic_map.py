"""The semantic map: evidence of many sweeps, without free voxels, labelled on demand."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.mapping.evidence import Evidence
from clip2scene_core.mapping.free_space import seen_through
from clip2scene_core.mapping.labelled_map import LabelledMap
from clip2scene_core.mapping.voxel_grid import EvidenceGrid
from clip2scene_core.network.span import EmbeddingSpan
from clip2scene_core.prompts.scoring import Scoring
from clip2scene_core.prompts.vocabulary import Vocabulary, classify


class SemanticMap:
    """Gathers the evidence of sweeps and labels it with any prompts at any time.

    Methods may be called from several threads at the same time.

    Args:
        grid: Voxel grid that holds the evidence.
        is_carved: Whether to drop voxels that three later sweeps see through, so that a car that
            moved away leaves no trail.
        span: Span of the student's embeddings, if the evidence is in its coordinates; None if the
            evidence is in CLIP's.
    """

    def __init__(
        self, grid: EvidenceGrid, is_carved: bool, span: EmbeddingSpan | None = None
    ) -> None:
        self._grid = grid
        self._is_carved = is_carved
        self._span = span
        self._lock = threading.Lock()
        self._kept: tuple[float, float] | None = None
        # Of each slot of the grid, as the last call of `label` found them, and with what.
        self._labels: NDArray[np.uint8] = np.zeros(grid.max_voxels, np.uint8)
        self._scores: NDArray[np.float32] = np.zeros(grid.max_voxels, np.float32)
        self._labelled_with: tuple[Vocabulary, Scoring] | None = None

    def add(
        self,
        points: NDArray[np.float32],
        evidence: Evidence,
        T_fixed_lidar: NDArray[np.float64],
        stamp_ns: int,
    ) -> None:
        """Add one sweep.

        Args:
            points: (N, 3) float32, metres, LiDAR frame, finite.
            evidence: Evidence of the same N points. A point with weight 0 still shows that the
                space before it is free.
            T_fixed_lidar: (4, 4) float64, pose of the LiDAR at the stamp.
            stamp_ns: Time of the sweep, nanoseconds.
        """
        origin_fixed = T_fixed_lidar[:3, 3]
        points_fixed = transform_points(T_fixed_lidar, points)
        with self._lock:
            if self._kept is not None:
                self._grid.keep(*self._kept)
            self._grid.add(points_fixed, evidence, origin_fixed, stamp_ns)
            offsets = self._grid.offsets(origin_fixed)
            is_passed = None
            if self._is_carved:
                centers = (T_fixed_lidar[:3, :3].T.astype(np.float32) @ offsets.T).T
                is_passed = seen_through(points, centers, self._grid.voxel_size_m)
            self._grid.prune(offsets, stamp_ns, is_passed)

    def label(
        self, vocabulary: Vocabulary, min_score: float = 0.0, scoring: Scoring | None = None
    ) -> LabelledMap:
        """Label every voxel with the prompt that fits it best.

        With the vocabulary and scoring of the last call, only voxels that evidence came to since
        are compared with the texts.

        Args:
            vocabulary: C prompts; they can differ from those of the sweeps.
            min_score: Voxels with a lower score are left out.
            scoring: What the labels compete with in the scores; by default with each other alone.
        """
        with self._lock:
            self._label_changed(vocabulary, scoring or Scoring(vocabulary.embeddings[:0]))
            slots = self._grid.slots
            labels, scores = self._labels[slots], self._scores[slots]
            points, counts = self._grid.centers(), self._grid.counts()
        kept = ~(scores < min_score)
        return LabelledMap(points[kept], labels[kept], scores[kept], counts[kept], vocabulary)

    def _label_changed(self, vocabulary: Vocabulary, scoring: Scoring) -> None:
        rows = self._grid.take_changed()
        before = self._labelled_with
        if before is None or before[0] is not vocabulary or before[1] is not scoring:
            rows = np.arange(len(self._grid))
        self._labelled_with = None  # until all is well: an error here leaves voxels behind
        texts = scoring.texts(vocabulary)
        if self._span is not None:
            texts = self._span.reduce(texts).cpu()
        by_text, scored = scoring.judge(self._grid.logits(texts, rows), vocabulary)
        labels, scores = classify(vocabulary.merge(by_text), 0.0, scored)
        slots = self._grid.slots[rows]
        self._labels[slots], self._scores[slots] = labels, scores
        self._labelled_with = (vocabulary, scoring)

    def keep(self, radius_m: float, decay_s: float) -> None:
        """Set the radius and the decay of the map from the next sweep on; see `EvidenceGrid.keep`.

        It does not wait for another thread that adds a sweep or labels the map.

        Raises:
            ValueError: As in `EvidenceGrid.check_keep`; the old values stay valid.
        """
        self._grid.check_keep(radius_m, decay_s)
        self._kept = (radius_m, decay_s)

    def clear(self) -> None:
        """Drop all voxels."""
        with self._lock:
            self._grid.clear()
