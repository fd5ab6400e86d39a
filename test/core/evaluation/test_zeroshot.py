import numpy as np
import pytest

from clip2scene_core.evaluation import ConfusionMatrix, score_zeroshot, stack_scores
from clip2scene_core.evaluation.zeroshot import harmonic_iou
from clip2scene_core.zeroshot_splits import ZeroShotSplit

NAMES = ("car", "road", "cone", "flat")
SPLIT = ZeroShotSplit(("cone",), ignored=("flat",))


def confusion_of(*pairs: tuple[int, int]) -> ConfusionMatrix:
    confusion = ConfusionMatrix(4)
    ground_truth, predicted = np.array(pairs, dtype=np.uint8).T
    confusion.add(ground_truth, predicted)
    return confusion


# Car: 2 hits, 1 taken for a cone, 1 for flat. Road: 1 hit, 1 for a car. Cone: 1 hit, 1 for a road.
# Two points are flat: they do not count.
COUNTED = confusion_of(
    (0, 0), (0, 0), (0, 2), (0, 3), (1, 1), (1, 0), (2, 2), (2, 1), (3, 0), (3, 3),
)  # fmt: skip


def test_scores_are_what_paper_and_pencil_give():
    scores = score_zeroshot(COUNTED, NAMES, SPLIT)
    car, road, cone = 2 / (4 + 1), 1 / (2 + 1), 1 / (2 + 1)
    assert scores.seen == pytest.approx((car + road) / 2)
    assert scores.unseen == pytest.approx(cone)
    assert scores.all == pytest.approx((car + road + cone) / 3)
    assert scores.harmonic == pytest.approx(2 * scores.seen * cone / (scores.seen + cone))


def test_masking_the_ground_truth_forgives_what_the_other_group_did():
    scores = score_zeroshot(COUNTED, NAMES, SPLIT, masks_ground_truth=True)
    # The seen points: a cone called road is not among them. The unseen: no car is called a cone.
    assert scores.seen == pytest.approx((2 / (4 + 1) + 1 / 2) / 2)
    assert scores.unseen == pytest.approx(1 / 2)
    assert scores.all == score_zeroshot(COUNTED, NAMES, SPLIT).all


def test_without_ignored_classes_all_is_the_mean_iou():
    split = ZeroShotSplit(("cone", "flat"))
    scores = score_zeroshot(COUNTED, NAMES, split)
    assert scores.all == pytest.approx(COUNTED.mean_iou())
    iou = COUNTED.iou()
    assert (scores.seen, scores.unseen) == pytest.approx((iou[:2].mean(), iou[2:].mean()))


def test_absent_classes_are_left_out_or_one():
    confusion = confusion_of((0, 0), (2, 0))
    skipped = score_zeroshot(confusion, NAMES, SPLIT)
    assert (skipped.seen, skipped.unseen, skipped.harmonic) == (0.5, 0.0, 0.0)
    assert score_zeroshot(confusion, NAMES, SPLIT, absent="one").seen == 0.75  # the road counts
    nothing = score_zeroshot(ConfusionMatrix(4), NAMES, SPLIT)
    assert np.isnan([nothing.seen, nothing.unseen, nothing.all, nothing.harmonic]).all()
    assert set(nothing.to_dict().values()) == {None}
    with pytest.raises(ValueError, match="absent must be one of"):
        score_zeroshot(confusion, NAMES, SPLIT, absent="zero")


def test_the_harmonic_mean_needs_both():
    assert harmonic_iou(0.414, 0.108) == pytest.approx(0.171, abs=5e-4)  # as 3DGenZ's table has it
    assert harmonic_iou(0.5, 0.0) == harmonic_iou(0.0, 0.0) == 0.0


def test_stacking_subtracts_from_the_seen_classes_alone():
    probabilities = np.array([[0.5, 0.2, 0.3], [0.9, 0.05, 0.05]], dtype=np.float32)
    is_seen = np.array([True, True, False])
    for penalty, expected in ((0.0, [0, 0]), (0.21, [2, 0]), (1.0, [2, 2])):
        labels, scores = stack_scores(probabilities, is_seen, penalty)
        assert labels.dtype == np.uint8
        assert labels.tolist() == expected
        np.testing.assert_array_equal(scores, probabilities[[0, 1], expected])
    with pytest.raises(ValueError, match="0 to 1"):
        stack_scores(probabilities, is_seen, 1.5)
    with pytest.raises(ValueError, match=r"is_seen \(C,\)"):
        stack_scores(probabilities, is_seen[:2], 0.5)
