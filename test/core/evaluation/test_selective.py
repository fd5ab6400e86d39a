import numpy as np
import pytest

from clip2scene_core.evaluation.selective import RiskCoverage, auroc, risk_coverage


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    generator = np.random.default_rng(0)
    known = generator.integers(3, 9, 40) / 10  # many ties
    unknown = generator.integers(0, 7, 30) / 10
    pairs = known[:, None] - unknown[None]
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert auroc(known, unknown) == pytest.approx(expected)
    assert auroc(unknown, known) == pytest.approx(1 - expected)


def test_auroc_of_no_points_is_no_number():
    assert np.isnan(auroc(np.array([0.5]), np.zeros(0)))


def test_risk_and_coverage_are_what_paper_and_pencil_give():
    scores = np.array([0.6, 0.9, 0.8, 0.7, 0.1])
    is_error = np.array([False, False, False, True, True])
    # Risks of the best one, two, ... points: 0, 0, 1/3, 1/4, 2/5.
    assert risk_coverage(scores, is_error) == RiskCoverage(
        pytest.approx((1 / 3 + 1 / 4 + 2 / 5) / 5), 0.4, 0.4
    )


def test_the_largest_coverage_counts_though_risk_was_too_high_before():
    # The first point is wrong; of 20 that is 5 %.
    curve = risk_coverage(np.linspace(1, 0, 25), np.arange(25) % 24 == 0)
    assert curve.coverage_at_5 == pytest.approx(24 / 25)
    assert curve.coverage_at_10 == 1.0


def test_equal_scores_are_labelled_together():
    curve = risk_coverage(np.full(4, 0.5), np.array([True, False, False, False]))
    assert curve == RiskCoverage(pytest.approx(0.25), 0.0, 0.0)


def test_points_that_do_not_fit_are_refused_and_none_have_no_risk():
    with pytest.raises(ValueError, match=r"got \(2,\) and \(1,\)"):
        risk_coverage(np.zeros(2), np.zeros(1, bool))
    assert np.isnan(risk_coverage(np.zeros(0), np.zeros(0, bool)).area)
