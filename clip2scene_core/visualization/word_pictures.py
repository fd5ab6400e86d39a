"""Where a student says a word, beside where its teacher does: one picture for each word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.sample import CameraView, Sample, Sweep
from clip2scene_core.visualization.clouds import draw_bird_eye, draw_overlay, place_side_by_side

CAPTIONS = ("teacher", "student")

_WIDTH_PX = 480
_MAP_PX = 480
_REACH_M = 40.0
_MARGIN_M = 0.5


@dataclass(frozen=True)
class _Keyframe:
    """What is drawn of a keyframe: labels (N,) uint8 by the teacher and by the student."""

    sweep: Sweep
    by_teacher: NDArray[np.uint8]
    by_student: NDArray[np.uint8]


class WordPictures:
    """Looks at one keyframe after another, and keeps for each word the view that shows most of it.

    Args:
        vocabulary: C words and their colors.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._most = np.zeros((len(vocabulary), 2), dtype=np.int64)
        self._views: dict[int, tuple[_Keyframe, CameraView]] = {}
        self._fullest: tuple[int, _Keyframe] | None = None

    def add(
        self, sample: Sample, by_teacher: NDArray[np.uint8], by_student: NDArray[np.uint8]
    ) -> None:
        """Look at a keyframe.

        Args:
            sample: N points and V cameras.
            by_teacher: (N,) uint8 labels, IGNORE_LABEL where it has none.
            by_student: (N,) uint8 labels.
        """
        keyframe = _Keyframe(sample.keyframe, by_teacher, by_student)
        for camera in sample.cameras:
            pairs = pair_pixels_with_points(
                [sample.keyframe], [camera], occlusion_margin_m=_MARGIN_M
            )
            counts = np.stack(
                [
                    np.bincount(labels[pairs.point_index], minlength=256)[: len(self._most)]
                    for labels in (by_teacher, by_student)
                ],
                axis=1,
            )
            # What the teacher says counts first: the student's own idea of a word is no example.
            for word in np.flatnonzero(counts.any(axis=1)).tolist():
                if tuple(counts[word]) > tuple(self._most[word]):
                    self._most[word] = counts[word]
                    self._views[word] = keyframe, camera
        num_labelled = int((by_teacher != IGNORE_LABEL).sum())
        if self._fullest is None or num_labelled > self._fullest[0]:
            self._fullest = num_labelled, keyframe

    def draw_word(self, word: int) -> Image.Image | None:
        """Draw the points that teacher and student call by a word, over the picture of a camera.

        Args:
            word: Index of the word.

        Returns:
            The teacher's on the left, the student's on the right; None if neither says it where a
            camera sees.
        """
        if word not in self._views:
            return None
        keyframe, camera = self._views[word]
        pictures = [
            draw_overlay(
                camera,
                keyframe.sweep,
                np.where(labels == word, labels, IGNORE_LABEL).astype(np.uint8),
                self._vocabulary,
                _WIDTH_PX,
            )
            for labels in (keyframe.by_teacher, keyframe.by_student)
        ]
        return place_side_by_side(pictures, CAPTIONS)

    def draw_map(self) -> Image.Image | None:
        """Draw the keyframe that the teacher labelled most of, from above; None without any."""
        if self._fullest is None:
            return None
        keyframe = self._fullest[1]
        maps = [
            draw_bird_eye(
                keyframe.sweep.points[:, :3],
                self._vocabulary.colorize(labels),
                _MAP_PX,
                _REACH_M,
            )
            for labels in (keyframe.by_teacher, keyframe.by_student)
        ]
        return place_side_by_side(maps, CAPTIONS)
