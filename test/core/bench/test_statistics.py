import math

import numpy as np
import pytest

from clip2scene_core.bench.statistics import (
    Measurement,
    PairedDifference,
    SceneCounts,
    balanced_accuracy,
    class_iou,
    compare,
    mean_iou,
    measure,
)


def one_class(*hits: int, seeds: int = 1, is_seeded: bool = False) -> SceneCounts:
    """Scenes of 10 points of a single class; those that are no hits carry no label."""
    counts = np.array([[[[hit, 10 - hit]] for hit in hits]] * seeds, dtype=np.int64)
    return SceneCounts(counts, is_seeded)


def seeds_of(*hits: int) -> SceneCounts:
    """One scene pair for each seed: both scenes have the same hits of 10."""
    counts = np.array([[[[hit, 10 - hit]]] * 2 for hit in hits], dtype=np.int64)
    return SceneCounts(counts, is_seeded=True)


def test_spread_and_error_are_the_textbook_s():
    measured = Measurement((0.2, 0.4, 0.6))
    assert measured.mean == pytest.approx(0.4)
    assert measured.spread == pytest.approx(0.2)
    assert measured.seed_error == pytest.approx(0.2 / math.sqrt(3))
    assert measured.num_seeds == 3
    assert measured.format() == "40.0 ± 20.0 (3 seeds)"


def test_one_seed_has_no_spread_and_a_rule_has_no_seeds():
    single = Measurement((0.5,))
    assert math.isnan(single.spread)
    assert math.isnan(single.seed_error)
    assert single.format() == "50.0 (1 seed)"
    rule = Measurement((0.5,), is_seeded=False)
    assert rule.seed_error == 0.0
    assert rule.num_seeds == 0
    assert rule.format() == "50.0"
    assert Measurement((math.nan,), is_seeded=False).format() == "absent"


def test_iou_and_recall_are_what_paper_and_pencil_give():
    # Class 0: 2 hits, 1 missed, 1 false. Class 1: 1 hit, 1 false, 1 without a label.
    counts = np.array([[2, 1, 0], [1, 1, 1]])
    np.testing.assert_allclose(class_iou(counts), [2 / 4, 1 / 4])
    assert mean_iou(counts) == pytest.approx(3 / 8)
    assert balanced_accuracy(counts) == pytest.approx((2 / 3 + 1 / 3) / 2)


def test_absent_classes_are_left_out_of_the_means():
    counts = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 3, 1]])
    np.testing.assert_allclose(class_iou(counts), [1 / 2, np.nan, 3 / 4])
    assert mean_iou(counts) == pytest.approx(5 / 8)
    assert balanced_accuracy(counts) == pytest.approx(5 / 8)
    assert np.isnan(mean_iou(np.zeros((3, 4), dtype=np.int64)))


def test_scene_error_of_equal_scenes_is_that_of_their_mean():
    # With one class and nothing predicted wrongly, the IoU of all scenes is the mean over scenes,
    # and the jackknife of a mean is the standard deviation over the root of the count.
    hits = (1, 4, 5, 8)
    measured = measure(one_class(*hits))
    assert measured.mean == pytest.approx(0.45)
    assert measured.scene_error == pytest.approx(np.std(hits, ddof=1) / 10 / 2)
    assert math.isnan(measure(one_class(5)).scene_error)


def test_what_makes_scenes_hard_for_both_cancels_in_their_difference():
    one, other = one_class(2, 5, 8), one_class(1, 4, 7)
    assert measure(one).scene_error > 0.1
    difference = compare(one, other)
    assert difference.difference == pytest.approx(0.1)
    assert difference.scene_error == pytest.approx(0, abs=1e-12)
    assert difference.seed_error == 0
    assert difference.is_resolved


def test_seeds_are_paired():
    difference = compare(seeds_of(2, 4, 6), seeds_of(1, 3, 5))
    assert difference.difference == pytest.approx(0.1)
    assert difference.seed_error == pytest.approx(0, abs=1e-12)
    unpaired = compare(seeds_of(2, 4, 6), seeds_of(5, 1, 3))
    assert unpaired.difference == pytest.approx(0.1)
    assert unpaired.seed_error == pytest.approx(np.std([-3, 3, 3], ddof=1) / 10 / math.sqrt(3))
    assert not unpaired.is_resolved


def test_a_trained_model_against_a_rule_keeps_the_error_of_its_seeds():
    difference = compare(seeds_of(5, 6, 7), one_class(2, 2))
    assert difference.difference == pytest.approx(0.4)
    assert difference.seed_error == pytest.approx(0.1 / math.sqrt(3))
    assert difference.scene_error == 0
    assert difference.is_resolved


def test_a_single_seed_or_scene_resolves_nothing():
    difference = compare(seeds_of(9), one_class(1, 1))
    assert not difference.is_resolved
    assert difference.format() == "not resolved (+80.0, one seed; ± 0.0 by scenes)"
    difference = compare(one_class(9), one_class(1))
    assert difference.format() == "not resolved (+80.0, one scene)"


def test_two_standard_errors_are_the_border():
    assert PairedDifference(0.1, 0.03, 0.04).standard_error == pytest.approx(0.05)
    assert PairedDifference(0.101, 0.03, 0.04).is_resolved
    assert PairedDifference(-0.101, 0.03, 0.04).format() == "-10.1 ± 5.0"
    assert not PairedDifference(0.099, 0.03, 0.04).is_resolved
    assert PairedDifference(0.099, 0.03, 0.04).format() == "not resolved (+9.9 ± 5.0)"
    assert not PairedDifference(0.0, 0.0, 0.0).is_resolved
    assert PairedDifference(0.0, 0.0, 0.0).format() == "equal"
    assert PairedDifference(math.nan, 0.0, math.nan).format() == "absent"


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(ValueError, match="same scenes"):
        compare(one_class(1, 2), one_class(1, 2, 3))
    with pytest.raises(ValueError, match="2 on one side, 3 on the other"):
        compare(seeds_of(1, 2), seeds_of(1, 2, 3))
    with pytest.raises(ValueError, match=r"\(K, S, C, C \+ 1\)"):
        SceneCounts(np.zeros((1, 2, 3, 3), dtype=np.int64), is_seeded=False)
    with pytest.raises(ValueError, match="one set of counts, got 2"):
        one_class(1, 2, seeds=2)
