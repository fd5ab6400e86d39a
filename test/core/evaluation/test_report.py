"""Points counted apart by range, the calibration of scores, and all of it as JSON."""

import json

import numpy as np
import pytest
from PIL import Image
from random_student import save_random_student

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.evaluation import Calibration, Prediction, evaluate
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES, nuscenes_label_map
from clip2scene_ros.cli.main import main

NAMES = [scene_class.name for scene_class in NUSCENES_CLASSES]
TRUTH = nuscenes_label_map()[np.arange(48) % 32]
CAR = NAMES.index("car")
HAS_CLASS = TRUTH != IGNORE_LABEL


def labels(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint8)


def scores(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_every_point_counts_in_the_range_where_it_is(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)

    def predict(sample):
        """Right up to 12 m, nothing beyond."""
        range_m = np.linalg.norm(sample.keyframe.points[:, :3], axis=1)
        return Prediction(np.where(range_m < 12, TRUTH, IGNORE_LABEL))

    report = evaluate(predict, dataset, range_edges_m=(12, 25))
    assert [(part.from_m, part.to_m) for part in report.ranges] == [
        (0, 12), (12, 25), (25, np.inf)
    ]  # fmt: skip
    near, middle, far = (part.confusion for part in report.ranges)
    assert near.mean_iou() == 1.0
    assert middle.mean_iou() == far.mean_iou() == 0.0
    range_m = [
        np.linalg.norm(dataset[index].keyframe.points[:, :3], axis=1)[HAS_CLASS] for index in (0, 1)
    ]
    assert near.counts.sum() == (np.concatenate(range_m) < 12).sum() > 0
    np.testing.assert_array_equal(near.counts + middle.counts + far.counts, report.confusion.counts)
    assert "mean IoU at 0 to 12 m: 100.0 %" in report.format_report(NAMES)
    assert "mean IoU at 25 m and more: 0.0 %" in report.format_report(NAMES)


@pytest.mark.parametrize("edges", [(10, 10), (20, 10), (0, 10), (-5,), (float("nan"),)])
def test_range_edges_that_do_not_ascend_are_refused(tiny_nuscenes, edges):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
    with pytest.raises(ValueError, match="range edges must be metres above 0 in ascending order"):
        evaluate(lambda sample: Prediction(TRUTH), dataset, range_edges_m=edges)


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


def test_the_command_writes_what_it_measured(tiny_nuscenes, tmp_path, capsys):
    student, out = save_random_student(tmp_path), tmp_path / "report"
    arguments = ["evaluate", str(tiny_nuscenes), "--weights", str(student)]
    options = ["--modes", "lidar", "camera", "--range-edges", "12", "--report", str(out)]
    assert main([*arguments, *options]) == 0
    printed = capsys.readouterr().out
    written = json.loads((out / "evaluation.json").read_text())
    assert set(written["modes"]) == {"lidar", "camera"}
    assert written["classes"] == NAMES
    assert written["scenes"] == {"scene-a": "scene-0001"}
    lidar, camera = written["modes"]["lidar"], written["modes"]["camera"]
    assert len(lidar["ranges"]) == 2
    assert lidar["all"]["points"] == camera["all"]["points"]
    assert sum(lidar["calibration"]["points"]) == 2 * HAS_CLASS.sum()
    assert 0 < sum(camera["calibration"]["points"]) < 2 * HAS_CLASS.sum()
    assert camera["out_of_view"]["mean_iou"] == 0.0
    row = next(line for line in printed.splitlines() if line.startswith("mean at 12 m and more"))
    assert row.split()[-2:] == [
        f"{100 * mode['ranges'][1]['mean_iou']:.1f}" for mode in (lidar, camera)
    ]
    pictures = {path.name: np.asarray(Image.open(path)) for path in out.glob("*.png")}
    charts = {"iou_by_class.png", "iou_by_part.png", "calibration.png"}
    matrices = {"confusion_lidar.png", "confusion_camera.png"}
    assert set(pictures) >= charts | matrices | {"keyframe_worst.png"}
    assert all(len(np.unique(pixels.reshape(-1, 3), axis=0)) > 5 for pixels in pictures.values())
    assert all(str(out / name) in printed for name in pictures)
