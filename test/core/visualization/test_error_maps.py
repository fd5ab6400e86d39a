import numpy as np
import pytest
import torch

from clip2scene_core.datasets import Sweep
from clip2scene_core.labels import IGNORE_COLOR, IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.visualization.error_maps import (
    NO_LABEL,
    RIGHT,
    WRONG,
    choose_keyframes,
    color_errors,
    draw_errors,
)

WORDS = make_vocabulary(["car", "road"], torch.zeros(2, 0))
TRUTH = np.array([0, 1, 0, IGNORE_LABEL, IGNORE_LABEL], np.uint8)
PREDICTED = np.array([0, 0, IGNORE_LABEL, 1, IGNORE_LABEL], np.uint8)


def test_points_are_right_wrong_without_label_or_do_not_count():
    colors = [tuple(color) for color in color_errors(TRUTH, PREDICTED).tolist()]
    assert colors == [RIGHT, WRONG, NO_LABEL, IGNORE_COLOR, IGNORE_COLOR]


def test_errors_are_drawn_where_they_are():
    # Right, wrong and unlabelled: 10 m to the right, ahead and to the left, in nuScenes' frame.
    points = np.zeros((5, 4), np.float32)
    points[:3, :2] = [[10, 0], [0, 10], [-10, 0]]
    points[3:, 1] = -10
    sweep = Sweep(points, np.eye(4), 0, TRUTH)
    pixels = np.asarray(draw_errors(sweep, {"lidar": PREDICTED}, WORDS))
    height, width = pixels.shape[0] // 2, 430  # one row below the truth; the second map
    errors = pixels[height:, width:]

    def find(color):
        return np.argwhere((errors == color).all(axis=2)).mean(axis=0)

    assert find(RIGHT)[1] > find(WRONG)[1] > find(NO_LABEL)[1]
    assert find(WRONG)[0] < find(RIGHT)[0] == find(NO_LABEL)[0]


def test_a_keyframe_without_truth_is_refused():
    sweep = Sweep(np.zeros((5, 4), np.float32), np.eye(4), 0, None)
    with pytest.raises(ValueError, match="no labels"):
        draw_errors(sweep, {"lidar": PREDICTED}, WORDS)


@pytest.mark.parametrize(
    ("accuracies", "chosen"),
    [
        ([0.3, 0.9, 0.1, 0.5, float("nan")], {"worst": 2, "median": 3, "best": 1}),
        ([0.3, 0.2], {"worst": 1, "best": 0}),
        ([0.3], {"worst": 0}),
        ([float("nan")], {}),
    ],
)
def test_the_worst_the_median_and_the_best_keyframe_are_chosen(accuracies, chosen):
    assert choose_keyframes(accuracies) == chosen
