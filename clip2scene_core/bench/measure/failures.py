"""Pictures of the classes on which a student fails most."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.datasets import NuScenesDataset, Sample
from clip2scene_core.evaluation import ConfusionMatrix
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_COLOR, IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.visualization.clouds import (
    draw_bird_eye,
    forward_left_up,
    place_side_by_side,
)

_SIZE_PX = 300
_REACH_M = 30.0
_WRONG = (255, 64, 64)
_RIGHT = (64, 200, 96)


def draw_failures(weights: Path, test: Path, out: Path, num_classes: int = 4) -> list[Any]:
    """Draw the classes with the lowest IoU, each on the keyframe with most errors of the class.

    Args:
        weights: Checkpoint of the student.
        test: Root of the test split.
        out: Folder for the pictures.
        num_classes: Number of classes.

    Returns:
        For each picture, lowest IoU first: {"name", "iou", "keyframe", "file"}.
    """
    segmenter = Segmenter(
        load_checkpoint(weights), min_range_m=0.0, ego_radius_m=0.0, max_range_m=1e4
    )
    dataset = NuScenesDataset(test, with_labels=True, with_images=False)
    confusion = ConfusionMatrix(len(NUSCENES_CLASSES))
    worst: list[_Failure | None] = [None] * len(NUSCENES_CLASSES)
    for index in range(len(dataset)):
        sample = dataset[index]
        ground_truth = sample.keyframe.labels
        assert ground_truth is not None  # the data set was opened with labels
        predicted = segmenter.segment(sample.keyframe.points).labels
        confusion.add(ground_truth, predicted)
        for label in range(len(worst)):
            failure = _Failure(label, sample, ground_truth, predicted)
            best = worst[label]
            if best is None or failure.num_errors > best.num_errors:
                worst[label] = failure
    iou = confusion.iou()
    out.mkdir(parents=True, exist_ok=True)
    drawn = []
    for label in np.argsort(iou)[:num_classes].tolist():  # NaN, absent classes, come last
        failure = worst[label]
        if failure is None or np.isnan(iou[label]):
            continue
        name = NUSCENES_CLASSES[label].name
        file = f"{name.replace(' ', '_')}.png"
        with atomic_write(out / file) as draft:
            failure.draw(segmenter.vocabulary).save(draft)
        drawn.append(
            {"name": name, "iou": iou[label], "keyframe": failure.sample.token, "file": file}
        )
    return drawn


@dataclass(frozen=True)
class _Failure:
    """One class on one keyframe with N points.

    Attributes:
        label: Index of the class.
        sample: Keyframe.
        ground_truth: (N,) uint8 true labels.
        predicted: (N,) uint8 predicted labels.
    """

    label: int
    sample: Sample
    ground_truth: NDArray[np.uint8]
    predicted: NDArray[np.uint8]

    @property
    def is_wrong(self) -> NDArray[np.bool_]:
        """(N,) bool, True for points of the class with another label, and the reverse."""
        about = (self.ground_truth == self.label) | (self.predicted == self.label)
        wrong: NDArray[np.bool_] = (
            about & (self.ground_truth != self.predicted) & (self.ground_truth != IGNORE_LABEL)
        )
        return wrong

    @property
    def num_errors(self) -> int:
        """Number of points that are wrong about the class."""
        return int(self.is_wrong.sum())

    def draw(self, vocabulary: Vocabulary) -> Image.Image:
        """Draw ground truth, prediction and errors from above."""
        points = forward_left_up(self.sample.keyframe.points)
        gray = np.tile(np.array(IGNORE_COLOR, dtype=np.uint8), (len(points), 1))
        errors = draw_bird_eye(points, gray, _SIZE_PX, _REACH_M)
        is_right = (self.ground_truth == self.label) & ~self.is_wrong
        _mark(errors, points[is_right], _RIGHT)
        _mark(errors, points[self.is_wrong], _WRONG)
        true_picture, predicted_picture = (
            draw_bird_eye(points, vocabulary.colorize(labels), _SIZE_PX, _REACH_M)
            for labels in (self.ground_truth, self.predicted)
        )
        name = vocabulary.names[self.label]
        return place_side_by_side(
            [true_picture, predicted_picture, errors],
            ["ground truth", "student", f"{name}: right green, wrong red"],
        )


def _mark(picture: Image.Image, points: NDArray[np.floating], color: tuple[int, int, int]) -> None:
    """Draw points large: a few of them would not be visible among thousands."""
    draw = ImageDraw.Draw(picture)
    scale = _SIZE_PX / (2 * _REACH_M)
    for x_forward, y_left in points[:, :2].tolist():
        column, row = _SIZE_PX / 2 - y_left * scale, _SIZE_PX / 2 - x_forward * scale
        draw.ellipse([column - 2, row - 2, column + 2, row + 2], fill=color)
