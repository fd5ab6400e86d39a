from __future__ import annotations

import numpy as np
import pytest

from clip2scene_core.evaluation import Calibration
from clip2scene_core.labels import IGNORE_LABEL


def labels(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint8)


def scores(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_calibration_is_what_paper_and_pencil_give():
    calibration = Calibration()
    # 0.9 and 0.92 share a bin of a fifteenth: one of two is right, each 0.41 too sure. 0.5 is
    # alone in its bin and right.
    calibration.add(labels(0, 0, 1), labels(0, 1, 1), scores(0.9, 0.92, 0.5))
    assert calibration.expected_error() == pytest.approx((0.41 * 2 + 0.5) / 3)
    assert calibration.num_points.tolist() == [0] * 7 + [1] + [0] * 5 + [2, 0]
    assert calibration.accuracy[13] == 0.5
    assert calibration.mean_score[13] == pytest.approx(0.91)
    assert np.isnan(calibration.accuracy[0])


def test_scores_that_come_true_have_no_calibration_error():
    calibration = Calibration()
    ground_truth = np.zeros(100, np.uint8)
    for score, num_right in ((0.3, 30), (0.7, 70), (1.0, 100)):
        predicted = (np.arange(100) >= num_right).astype(np.uint8)
        calibration.add(ground_truth, predicted, np.full(100, score, np.float32))
    assert calibration.expected_error() == pytest.approx(0, abs=1e-6)


def test_points_without_a_true_or_a_given_label_say_nothing_about_scores():
    calibration = Calibration()
    calibration.add(labels(IGNORE_LABEL, 0), labels(0, IGNORE_LABEL), scores(0.9, np.nan))
    assert not calibration.num_points.any()
    assert np.isnan(calibration.expected_error())


@pytest.mark.parametrize("score", [np.nan, 1.1, -0.1])
def test_a_score_that_is_none_is_refused(score):
    with pytest.raises(ValueError, match=r"scores must be in \[0, 1\]"):
        Calibration().add(labels(0), labels(0), scores(score))


def test_scores_that_do_not_fit_the_points_are_refused():
    with pytest.raises(ValueError, match=r"\(2,\), \(2,\) and \(1,\)"):
        Calibration().add(labels(0, 1), labels(0, 1), scores(0.5))
