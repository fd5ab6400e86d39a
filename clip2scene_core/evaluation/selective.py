"""What scores are worth for keeping silent: points that are better left unlabelled score lower."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Scores = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True)
class RiskCoverage:
    """Coverage is the share of points that get a label, risk the share of wrong ones among them.

    A threshold on the score gives both. All numbers are in [0, 1].

    Attributes:
        area: Mean risk over all coverages; 0 is perfect.
        coverage_at_5: Largest coverage with a risk of at most 5 %; 0 if no threshold gives it.
        coverage_at_10: The same for 10 %.
    """

    area: float
    coverage_at_5: float
    coverage_at_10: float


def auroc(scores_of_known: _Scores, scores_of_unknown: _Scores) -> float:
    """Area under the ROC curve: how often a known point scores higher than an unknown one.

    Args:
        scores_of_known: (N,) float.
        scores_of_unknown: (M,) float.

    Returns:
        Share of the N x M pairs, ties counting half; NaN if N or M is 0.
    """
    num_known, num_unknown = len(scores_of_known), len(scores_of_unknown)
    if not num_known or not num_unknown:
        return float("nan")
    scores = np.concatenate([scores_of_known, scores_of_unknown])
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2  # of equal scores the mean of their ranks
    above = rank[place[:num_known]].sum() - num_known * (num_known + 1) / 2
    return float(above / (num_known * num_unknown))


def risk_coverage(scores: _Scores, is_error: NDArray[np.bool_]) -> RiskCoverage:
    """Compute risk and coverage at every threshold.

    Args:
        scores: (N,) float. Equal scores are labelled together or not at all.
        is_error: (N,) bool, whether labelling the point is an error.

    Returns:
        The curve in numbers; NaN without points.

    Raises:
        ValueError: If the shapes differ.
    """
    if scores.shape != is_error.shape:
        raise ValueError(
            f"scores and errors must both be (N,), got {scores.shape} and {is_error.shape}"
        )
    if not len(scores):
        return RiskCoverage(float("nan"), float("nan"), float("nan"))
    _, place, count = np.unique(-scores, return_inverse=True, return_counts=True)
    labelled = np.cumsum(count)
    risk = np.cumsum(np.bincount(place, weights=is_error)) / labelled
    coverage = labelled / len(scores)

    def coverage_at(most: float) -> float:
        return float(coverage[risk <= most].max(initial=0.0))

    area = float((risk * count).sum() / len(scores))
    return RiskCoverage(area, coverage_at(0.05), coverage_at(0.1))
