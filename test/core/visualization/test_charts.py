import numpy as np
import pytest

from clip2scene_core.evaluation import Calibration, ConfusionMatrix
from clip2scene_core.visualization.charts import draw_bars, draw_confusion, draw_reliability

BLUE, ORANGE, GREEN = (90, 160, 250), (250, 160, 60), (100, 200, 110)


def count(picture, color) -> int:
    return int((np.asarray(picture) == color).all(axis=2).sum())


def test_bars_are_as_long_as_their_shares():
    picture = draw_bars("IoU", ["car", "road"], {"lidar": [0.5, 0.25], "camera": [1.0, 0.25]})
    pixels = np.asarray(picture)
    blue = (pixels == BLUE).all(axis=2).sum(axis=1)
    orange = (pixels == ORANGE).all(axis=2).sum(axis=1)
    # Under title and key; full scale is 400 pixels, and both ends of a bar are drawn.
    assert set(blue[46:]) == {0, 101, 201}
    assert set(orange[46:]) == {0, 101, 401}


def test_an_absent_class_has_no_bar_but_says_so():
    empty = draw_bars("IoU", ["car"], {"lidar": [0.0]})
    absent = draw_bars("IoU", ["car"], {"lidar": [float("nan")]})
    key = 11 * 11
    assert count(absent, BLUE) < key + 20
    assert (np.asarray(empty) != np.asarray(absent)).any()


def test_all_names_of_series_fit():
    series = {f"a rather long name of a series {number}": [0.0] for number in range(5)}
    pixels = np.asarray(draw_bars("time", ["all"], series))
    last = (pixels == (230, 90, 110)).all(axis=2)[:46]
    assert last.sum() == 11 * 11
    assert last[:, -100:].sum() == 0  # room for the name


def test_a_bar_may_have_no_place_and_a_spread():
    two = {"ours": [0.5, 0.5], "theirs": [0.5, None]}
    picture = np.asarray(draw_bars("IoU", ["car", "road"], two, {"ours": [0.1, float("nan")]}))
    blue = (picture == BLUE).all(axis=2).sum(axis=1)[46:]
    orange = (picture == ORANGE).all(axis=2).sum(axis=1)[46:]
    assert (orange > 100).sum() == (blue > 100).sum() / 2
    # Half of the spread's line lies over the bar.
    assert sorted(set(blue)) == [0, 201 - 41, 201]


def test_the_matrix_marks_what_is_right_and_what_is_taken_for_it():
    names = ["car", "road"]
    right, wrong = ConfusionMatrix(2), ConfusionMatrix(2)
    ground_truth = np.array([0, 0, 1, 1], np.uint8)
    right.add(ground_truth, ground_truth)
    wrong.add(ground_truth, 1 - ground_truth)
    hue = {}
    for name, confusion in (("right", right), ("wrong", wrong)):
        pixels = np.asarray(draw_confusion(name, confusion, names)).astype(int)
        bright = pixels[pixels.max(axis=2) - pixels.min(axis=2) > 60]
        hue[name] = bright.mean(axis=0).argmax()
    assert hue == {"right": 1, "wrong": 0}  # green, orange


def test_the_matrix_shows_points_without_a_label_in_a_column_of_their_own():
    missed = ConfusionMatrix(2)
    missed.add(np.array([0, 1], np.uint8), np.array([255, 255], np.uint8))
    pixels = np.asarray(draw_confusion("", missed, ["car", "road"])).astype(int)
    columns = np.flatnonzero((pixels.max(axis=2) - pixels.min(axis=2) > 60).any(axis=0))
    assert columns.min() > pixels.shape[1] - 60


@pytest.mark.parametrize("score", [0.35, 0.95])
def test_the_reliability_bar_stands_at_its_score_as_high_as_the_accuracy(score):
    calibration = Calibration()
    ground_truth = np.zeros(4, np.uint8)
    predicted = np.array([0, 0, 1, 1], np.uint8)
    calibration.add(ground_truth, predicted, np.full(4, score, np.float32))
    pixels = np.asarray(draw_reliability("lidar", calibration))[:300]
    rows, columns = np.nonzero((pixels == BLUE).all(axis=2))
    assert (columns.mean() - 40) / 260 == pytest.approx(score, abs=0.04)
    assert (rows.max() - rows.min()) / 260 == pytest.approx(0.5, abs=0.01)


def test_without_scores_the_diagram_says_so():
    picture = draw_reliability("rule", Calibration())
    assert count(picture, BLUE) == 11 * 11  # the key alone
