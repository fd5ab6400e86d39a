"""What a segmenter gives for one sweep, and how it comes from the usable points."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.config.sections import InputConfig
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.preprocessing.ground import Ground
from clip2scene_core.preprocessing.network_input import preprocess
from clip2scene_core.preprocessing.reach import is_usable
from clip2scene_core.preprocessing.statistics import kind_of_note, list_left_out, list_oddities
from clip2scene_core.prompts.vocabulary import classify
from clip2scene_core.sample import are_points

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Segmentation:
    """Labels of one sweep of N points, in the order of the points.

    Attributes:
        labels: (N,) uint8, indices into the segmenter's `class_names`; IGNORE_LABEL (255) where a
            point is not finite, out of range or on the robot itself, or its score is below the
            segmenter's `min_confidence`.
        scores: (N,) float32 in [0, 1], probability of the label; 0 where there is none.
        ground: The ground that levelled the points; None if there was none, or the segmenter does
            not level.
        notes: What lies far from the training, or out of reach, in a few words each.

    Example:
        >>> import numpy as np
        >>> result = Segmentation(np.array([1, 255], np.uint8), np.array([0.8, 0.0], np.float32))
        >>> ("car", "road")[result.labels[0]]
        'road'
    """

    labels: NDArray[np.uint8]
    scores: NDArray[np.float32]
    ground: Ground | None = None
    notes: tuple[str, ...] = ()


class NoteLog:
    """Logs each kind of note once, so that a caller who reads no notes learns of it, too."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def update(self, notes: tuple[str, ...]) -> None:
        """Take the notes of the next sweep."""
        for note in notes:
            if kind_of_note(note) not in self._said:
                self._said.add(kind_of_note(note))
                _LOGGER.warning(note)


def label_usable(
    points: NDArray[np.float32],
    reach: tuple[float, float, float],
    config: InputConfig,
    T_base_lidar: NDArray[np.float64] | None,
    compare: Callable[[NDArray[np.float32]], tuple[Tensor, Tensor]],
    min_score: float = 0.0,
) -> Segmentation:
    """Label the points within reach; the others get no label.

    Args:
        points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity; or (N, 7) with red,
            green, blue in [0, 1].
        reach: Nearest range, radius of the robot's circle and farthest range, metres; see
            `is_usable`.
        config: What the network is told of the points.
        T_base_lidar: (4, 4) float64, see `preprocess` and `is_usable`; None if it is not known.
        compare: Takes what the network is told of M points. Gives the probabilities (M, C) that
            labels come from, and those that scores come from.
        min_score: Points with a lower score get no label.

    Raises:
        ValueError: If points has another shape, or `T_base_lidar` holds no rotation.
    """
    if not are_points(points):
        raise ValueError(
            f"points must be (N, 4) x, y, z, intensity, or (N, 7) with red, green, blue, got "
            f"{points.shape}"
        )
    usable = is_usable(points, *reach, T_base_lidar=T_base_lidar)
    labels = np.full(len(points), IGNORE_LABEL, dtype=np.uint8)
    scores = np.zeros(len(points), dtype=np.float32)
    told = preprocess(points[usable], config, T_base_lidar)
    probabilities, scored = compare(told.points)
    labels[usable], scores[usable] = classify(probabilities, min_score, scored)
    scores[labels == IGNORE_LABEL] = 0.0
    notes = list_left_out(points, reach, T_base_lidar)
    notes += list_oddities(points[usable], config, told.ground)
    return Segmentation(labels, scores, told.ground, notes)
