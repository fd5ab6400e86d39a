from __future__ import annotations

import numpy as np
import pytest

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.evaluation import (
    ConfusionMatrix,
    EvaluationError,
    Prediction,
    evaluate,
    evaluate_together,
)
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES, nuscenes_label_map
from clip2scene_core.world.dataset.writer import WorldOptions, write_world

NAMES = [scene_class.name for scene_class in NUSCENES_CLASSES]
# The raw labels of the hand-written data set count up: 0 to 31, then 0 to 15.
TRUTH = nuscenes_label_map()[np.arange(48) % 32]


def labels(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint8)


def right(sample) -> Prediction:
    return Prediction(TRUTH)


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
        (labels(0, 2), labels(0, 0), "the truth holds label 2, but there are 2 classes"),
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


def test_perfect_predictions_score_one(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
    done = []
    report = evaluate(right, dataset, progress=lambda *step: done.append(step))
    assert report.confusion.mean_iou() == 1.0
    assert report.num_keyframes == 2
    assert done == [(1, 2), (2, 2)]
    np.testing.assert_array_equal(
        report.confusion.points_per_class,
        2 * np.bincount(TRUTH[TRUTH != IGNORE_LABEL], minlength=16),
    )
    assert "2 keyframes" in report.format_report(NAMES)


def test_points_in_view_and_out_of_view_are_scored_apart(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)

    def right_in_front_of_the_car_only(sample):
        # Points 45 degrees and more to the side are in view of neither camera of this data set.
        x, y = sample.keyframe.points[:, 0], sample.keyframe.points[:, 1]
        return Prediction(np.where(np.abs(x) < 0.95 * np.abs(y), TRUTH, IGNORE_LABEL))

    report = evaluate(right_in_front_of_the_car_only, dataset)
    num_labelled = report.confusion.points_per_class.sum()
    num_seen, num_unseen = report.seen.counts.sum(), report.unseen.counts.sum()
    assert num_seen > 10
    assert num_unseen > 10
    assert num_seen + num_unseen == num_labelled
    assert report.unseen.mean_iou() < report.confusion.mean_iou() < report.seen.mean_iou() == 1.0
    assert "in view of a camera: 100.0 %" in report.format_report(NAMES)


def test_without_pictures_nothing_is_said_about_views(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    report = evaluate(right, dataset)
    assert report.confusion.mean_iou() == 1.0
    assert not report.seen.counts.any()
    assert "view" not in report.format_report(NAMES)


def test_what_predicts_never_gets_the_truth(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, num_sweeps=2)
    given = []

    def predict(sample):
        given.extend(sweep.labels for sweep in sample.sweeps)
        return right(sample)

    evaluate(predict, dataset)
    assert len(given) == 3  # the first keyframe has no sweep before it
    assert given == [None, None, None]


def test_a_data_set_without_labels_is_refused(tiny_nuscenes):
    with pytest.raises(EvaluationError, match="opened without labels"):
        evaluate(right, NuScenesDataset(tiny_nuscenes))


def test_scenes_of_the_training_are_refused_before_anything_is_predicted(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
    asked = []
    with pytest.raises(EvaluationError, match=r"trained on 1 of these scenes, .* scene-0001"):
        evaluate(asked.append, dataset, trained_on_scene_tokens=["scene-x", "scene-a"])
    assert asked == []
    assert evaluate(right, dataset, trained_on_scene_tokens=["x"]).confusion.mean_iou() == 1.0


def test_an_empty_data_set_is_refused(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, scenes=[], with_labels=True)
    with pytest.raises(EvaluationError, match="no keyframe"):
        evaluate(right, dataset)


def test_a_prediction_that_does_not_fit_the_points_is_refused(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
    with pytest.raises(ValueError, match=r"got \(48,\) and \(47,\)"):
        evaluate(lambda sample: Prediction(TRUTH[:47]), dataset)


def test_labellers_that_share_a_pass_get_the_reports_they_would_get_alone(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
    wrong = np.roll(TRUTH, 1)
    reports = evaluate_together(
        lambda sample: {"right": Prediction(TRUTH), "wrong": Prediction(wrong)}, dataset
    )
    assert reports["right"].confusion.mean_iou() == 1.0
    alone = evaluate(lambda sample: Prediction(wrong), dataset)
    np.testing.assert_array_equal(reports["wrong"].confusion.counts, alone.confusion.counts)
    np.testing.assert_array_equal(reports["wrong"].seen.counts, alone.seen.counts)


def test_scenes_are_also_reported_one_by_one(tmp_path):
    options = WorldOptions(
        num_scenes=2, seed=3, seconds=0.5, image_size=(32, 56), lidar_columns=90,
        is_every_frame=False,
    )  # fmt: skip
    write_world(tmp_path / "world", options)
    dataset = NuScenesDataset(tmp_path / "world", with_labels=True)
    report = evaluate(
        lambda sample: Prediction(np.full(len(sample.keyframe.points), 10, np.uint8)), dataset
    )
    assert list(report.scenes) == [scene.token for scene in dataset.scenes]
    for part in ("confusion", "seen", "unseen"):
        alone = [getattr(scene, part).counts for scene in report.scenes.values()]
        assert all(counts.any() for counts in alone)
        np.testing.assert_array_equal(sum(alone), getattr(report, part).counts)
    assert [scene.num_keyframes for scene in report.scenes.values()] == [1, 1]
