"""The map of the segmenter: evidence of many sweeps, free space, and words for both."""

from __future__ import annotations

import threading

import numpy as np
import torch
from numpy.typing import NDArray

from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.mapping.evidence import Evidence
from clip2scene_core.mapping.free_space import seen_through
from clip2scene_core.mapping.labelled_map import LabelledMap
from clip2scene_core.mapping.voxel_grid import EvidenceGrid
from clip2scene_core.prompts.vocabulary import Vocabulary, classify


class SemanticMap:
    """Where evidence of sweeps is gathered, and any words are given to it at any time.

    Each method may be called from another thread while another one runs.

    Args:
        grid: Where the evidence lives.
        is_carved: Drop voxels that three later sweeps see through: a car that drove on leaves no
            trail where the LiDAR still looks.
    """

    def __init__(self, grid: EvidenceGrid, is_carved: bool) -> None:
        self._grid = grid
        self._is_carved = is_carved
        self._lock = threading.Lock()
        self._kept: tuple[float, float] | None = None

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
            evidence: Of the same N points; weight 0 where there is none, which still shows that
                the space before the point is free.
            T_fixed_lidar: (4, 4) float64.
            stamp_ns: The sweep's.
        """
        origin_fixed = T_fixed_lidar[:3, 3]
        points_fixed = transform_points(T_fixed_lidar, points)
        with self._lock:
            if self._kept is not None:
                self._grid.keep(*self._kept)
            self._grid.add(points_fixed, evidence.vectors, evidence.weights, origin_fixed, stamp_ns)
            offsets = self._grid.offsets(origin_fixed)
            is_passed = None
            if self._is_carved:
                centers = (T_fixed_lidar[:3, :3].T.astype(np.float32) @ offsets.T).T
                is_passed = seen_through(points, centers, self._grid.voxel_size_m)
            self._grid.prune(offsets, stamp_ns, is_passed)

    def label(self, vocabulary: Vocabulary, min_score: float = 0.0) -> LabelledMap:
        """Give every voxel the word that fits it best.

        Args:
            vocabulary: C words, new ones or those that the sweeps were labelled with.
            min_score: Voxels with a lower score are left out.
        """
        with self._lock:
            logits = self._grid.logits(vocabulary.embeddings)
            points, counts = self._grid.centers(), self._grid.counts()
        labels, scores = classify(vocabulary.merge(torch.softmax(logits, dim=1)), min_score)
        kept = labels != IGNORE_LABEL
        return LabelledMap(points[kept], labels[kept], scores[kept], counts[kept], vocabulary)

    def keep(self, radius_m: float, decay_s: float) -> None:
        """Say from the next sweep on how far voxels stay and for how long; see `EvidenceGrid.keep`.

        Does not wait while another thread adds a sweep or labels the map.

        Raises:
            ValueError: As `EvidenceGrid.check_keep`; nothing changes then.
        """
        self._grid.check_keep(radius_m, decay_s)
        self._kept = (radius_m, decay_s)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._grid.clear()
