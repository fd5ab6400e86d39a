"""The report in words and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.evaluation import Prediction, evaluate
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES, nuscenes_label_map

NAMES = [scene_class.name for scene_class in NUSCENES_CLASSES]
TRUTH = nuscenes_label_map()[np.arange(48) % 32]
CAR = NAMES.index("car")
HAS_CLASS = TRUTH != IGNORE_LABEL


def test_the_report_of_scores_and_keyframes(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
    first = dataset[0].token

    def predict(sample):
        """All right in the first keyframe, all wrong in the second, always three quarters sure."""
        predicted = TRUTH if sample.token == first else np.where(HAS_CLASS, (TRUTH + 1) % 16, 0)
        return Prediction(predicted.astype(np.uint8), np.full(48, 0.75, np.float32))

    report = evaluate(predict, dataset)
    assert report.calibration.expected_error() == pytest.approx(0.25)
    assert report.keyframe_accuracies == [1.0, 0.0]
    assert report.confusion.accuracy() == 0.5
    text = report.format_report(NAMES)
    assert "expected calibration error of the scores: 25.0 %" in text


def test_the_report_is_strict_json(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    cars = np.full(48, CAR, np.uint8)
    report = evaluate(lambda sample: Prediction(cars), dataset, range_edges_m=(1000,))
    written = json.loads(json.dumps(report.to_dict(NAMES, "one"), allow_nan=False))
    assert written["num_keyframes"] == 2
    num_cars = int((TRUTH == CAR).sum())
    of_cars = num_cars / int(HAS_CLASS.sum())
    assert written["all"]["iou"]["car"] == pytest.approx(of_cars)
    assert written["all"]["accuracy"] == pytest.approx(of_cars)
    assert written["all"]["points"]["car"] == 2 * num_cars
    assert np.sum(written["all"]["confusion"]) == 2 * HAS_CLASS.sum()
    assert written["in_view"]["mean_iou"] is None
    assert [part["to_m"] for part in written["ranges"]] == [1000, None]
    assert written["ranges"][1]["mean_iou"] is None
    assert written["calibration"]["expected_error"] is None
    assert written["scenes"]["scene-a"]["mean_iou"] == written["all"]["mean_iou"]
