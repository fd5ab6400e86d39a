from __future__ import annotations

import numpy as np
import pytest

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.evaluation import EvaluationError, Prediction, evaluate, evaluate_together
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES, nuscenes_label_map
from clip2scene_core.world.dataset.writer import WorldOptions, write_world

NAMES = [scene_class.name for scene_class in NUSCENES_CLASSES]
# The raw labels of the hand-written data set count up: 0 to 31, then 0 to 15.
TRUTH = nuscenes_label_map()[np.arange(48) % 32]
HAS_CLASS = TRUTH != IGNORE_LABEL


def right(sample) -> Prediction:
    return Prediction(TRUTH)


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


def test_the_classes_are_the_data_set_s(tiny_nuscenes):
    class TwoMoreClasses(NuScenesDataset):
        classes = (*NUSCENES_CLASSES, *NUSCENES_CLASSES[:2])

    report = evaluate(right, TwoMoreClasses(tiny_nuscenes, with_labels=True))
    assert report.confusion.counts.shape[0] == 18
    assert report.scenes["scene-a"].confusion.counts.shape[0] == 18
