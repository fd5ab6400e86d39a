"""Keyframes from above: ground truth, predictions of labellers, and their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.datasets import Sweep
from clip2scene_core.labels import IGNORE_COLOR, IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.visualization.clouds import (
    draw_bird_eye,
    draw_legend,
    forward_left_up,
    place_side_by_side,
    stack,
)

RIGHT: Final = (64, 200, 96)
WRONG: Final = (255, 64, 64)
NO_LABEL: Final = (240, 190, 40)

_SIZE_PX = 420
_REACH_M = 40.0


def draw_errors(
    keyframe: Sweep, predictions: Mapping[str, NDArray[np.uint8]], vocabulary: Vocabulary
) -> Image.Image:
    """Draw ground truth, predictions and errors of one keyframe.

    Args:
        keyframe: N points in nuScenes' LiDAR frame with their true labels.
        predictions: Labels (N,) uint8 by name of the labeller.
        vocabulary: Names and colours of the labels.

    Returns:
        RGB picture: ground truth and legend, then a row for each labeller.

    Raises:
        ValueError: If the keyframe has no labels.
    """
    ground_truth = keyframe.labels
    if ground_truth is None:
        raise ValueError("the keyframe has no labels; open the data set with_labels=True")
    points = forward_left_up(keyframe.points)

    def draw(colors: NDArray[np.uint8]) -> Image.Image:
        return draw_bird_eye(points, colors, _SIZE_PX, _REACH_M)

    legend = draw_legend(vocabulary, ground_truth, _SIZE_PX)
    ground_truth_map = draw(vocabulary.colorize(ground_truth))
    rows = [place_side_by_side([ground_truth_map, legend], ["ground truth", ""])]
    for name, predicted in predictions.items():
        errors = "right green, wrong red, no label yellow, no ground truth grey"
        pictures = [
            draw(vocabulary.colorize(predicted)),
            draw(color_errors(ground_truth, predicted)),
        ]
        rows.append(place_side_by_side(pictures, [name, errors]))
    return stack(rows)


def color_errors(
    ground_truth: NDArray[np.uint8], predicted: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Colour points by whether their label is right.

    Args:
        ground_truth: (N,) uint8 true labels.
        predicted: (N,) uint8 predicted labels.

    Returns:
        (N, 3) uint8 RGB: RIGHT, WRONG, NO_LABEL, and IGNORE_COLOR for points without ground truth.
    """
    colors = np.empty((len(ground_truth), 3), dtype=np.uint8)
    colors[:] = WRONG
    colors[ground_truth == predicted] = RIGHT
    colors[predicted == IGNORE_LABEL] = NO_LABEL
    colors[ground_truth == IGNORE_LABEL] = IGNORE_COLOR
    return colors


def choose_keyframes(accuracies: Sequence[float]) -> dict[str, int]:
    """Choose the keyframes with the worst, the best and the median accuracy.

    Args:
        accuracies: Share of right labels in each keyframe; NaN if it has no ground truth.

    Returns:
        Indices of keyframes by "worst", "best" and "median"; fewer if there are fewer keyframes.
    """
    order = [index for index in np.argsort(accuracies).tolist() if not np.isnan(accuracies[index])]
    chosen: dict[str, int] = {}
    for name, place in (("worst", 0), ("best", -1), ("median", len(order) // 2)):
        if order and order[place] not in chosen.values():
            chosen[name] = order[place]
    return chosen
