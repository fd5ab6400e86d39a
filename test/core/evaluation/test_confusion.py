from __future__ import annotations

import numpy as np
import pytest

from clip2scene_core.evaluation import ConfusionMatrix
from clip2scene_core.labels import IGNORE_LABEL


def labels(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint8)


def test_iou_is_what_paper_and_pencil_give():
    confusion = ConfusionMatrix(3)
    confusion.add(labels(0, 0, 0, 1, 1), labels(0, 0, 1, 1, 0))
    # Class 0: 2 hits, 1 missed, 1 false. Class 1: 1 hit, 1 missed, 1 false. Class 2 is absent.
    np.testing.assert_allclose(confusion.iou(), [2 / 4, 1 / 3, np.nan])
    assert confusion.mean_iou() == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert confusion.points_per_class.tolist() == [3, 2, 0]


def test_counts_add_up_over_calls():
    confusion = ConfusionMatrix(2)
    confusion.add(labels(0, 1), labels(0, 0))
    confusion.add(labels(1), labels(1))
    confusion.add(labels(), labels())
    assert confusion.counts.tolist() == [[1, 0, 0], [1, 1, 0]]


def test_points_without_truth_never_count():
    confusion = ConfusionMatrix(2)
    confusion.add(labels(0, IGNORE_LABEL, IGNORE_LABEL), labels(0, 1, IGNORE_LABEL))
    np.testing.assert_allclose(confusion.iou(), [1.0, np.nan])


def test_no_label_is_a_miss_and_nobody_s_false_alarm():
    confusion = ConfusionMatrix(2)
    confusion.add(labels(0, 0, 1), labels(0, IGNORE_LABEL, 1))
    np.testing.assert_allclose(confusion.iou(), [0.5, 1.0])


def test_a_class_predicted_but_never_true_counts_as_zero():
    confusion = ConfusionMatrix(3)
    confusion.add(labels(0, 0), labels(0, 1))
    np.testing.assert_allclose(confusion.iou(), [0.5, 0.0, np.nan])
    assert confusion.mean_iou() == 0.25


@pytest.mark.parametrize("absent", ["skip", "one"])
def test_the_mean_of_nothing_is_not_a_number(absent):
    assert np.isnan(ConfusionMatrix(3).mean_iou(absent))
    assert np.isnan(ConfusionMatrix(3).accuracy())


def test_absent_classes_may_count_as_one_as_in_the_paper_s_code():
    confusion = ConfusionMatrix(4)
    confusion.add(labels(0, 0, 1, 1), labels(0, 0, 1, 2))
    # Class 0: 1. Class 1: 1/2. Class 2 is predicted but never true: 0. Class 3 is absent.
    assert confusion.mean_iou() == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert confusion.mean_iou("one") == pytest.approx((1 + 1 / 2 + 0 + 1) / 4)
    assert confusion.format_report("abcd", "one").splitlines()[-1].split() == [
        "mean", "IoU", "62.5", "4"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="one of skip, one, got 'zero'"):
        confusion.mean_iou("zero")


def test_accuracy_is_the_share_of_right_points():
    confusion = ConfusionMatrix(2)
    confusion.add(labels(0, 0, 1, 1, IGNORE_LABEL), labels(0, 1, 1, IGNORE_LABEL, 0))
    assert confusion.accuracy() == 2 / 4


@pytest.mark.parametrize(
    ("ground_truth", "predicted", "message"),
    [
        (labels(0, 1), labels(0), r"both be \(N,\), got \(2,\) and \(1,\)"),
        (labels(0, 2), labels(0, 0), "the ground truth holds label 2, but there are 2 classes"),
        (labels(0, 1), labels(0, 254), "the prediction holds label 254"),
    ],
)
def test_labels_that_do_not_fit_are_refused(ground_truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        ConfusionMatrix(2).add(ground_truth, predicted)


def test_the_table_names_every_class_its_iou_and_its_points():
    confusion = ConfusionMatrix(3)
    confusion.add(labels(0, 0, 1), labels(0, 1, 1))
    header, car, road, tree, mean = confusion.format_report(["car", "road", "tree"]).splitlines()
    assert header.split() == ["class", "IoU", "[%]", "points"]
    assert car.split() == ["car", "50.0", "2"]
    assert road.split() == ["road", "50.0", "1"]
    assert tree.split() == ["tree", "absent", "0"]
    assert mean.split() == ["mean", "IoU", "50.0", "3"]
    with pytest.raises(ValueError, match="2 names for 3 classes"):
        confusion.format_report(["car", "road"])
