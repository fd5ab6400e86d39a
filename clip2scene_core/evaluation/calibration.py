"""Calibration of scores: of the points with score 0.8, 80 % should have the right label."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL

NUM_BINS: Final = 15
"""B, number of bins."""


class Calibration:
    """Labelled points counted by their score, in B bins of equal width over [0, 1].

    Points without a true or a predicted label are not counted.

    Attributes:
        num_points: (B,) int64, number of points in each bin.
        num_right: (B,) int64, number of points with the right label in each bin.
        sum_of_scores: (B,) float64, sum of the scores in each bin.
    """

    def __init__(self) -> None:
        self.num_points: NDArray[np.int64] = np.zeros(NUM_BINS, dtype=np.int64)
        self.num_right: NDArray[np.int64] = np.zeros(NUM_BINS, dtype=np.int64)
        self.sum_of_scores: NDArray[np.float64] = np.zeros(NUM_BINS)

    def add(
        self,
        ground_truth: NDArray[np.uint8],
        predicted: NDArray[np.uint8],
        scores: NDArray[np.float32],
    ) -> None:
        """Count points.

        Args:
            ground_truth: (N,) uint8 true labels; IGNORE_LABEL is not counted.
            predicted: (N,) uint8 predicted labels; IGNORE_LABEL is not counted.
            scores: (N,) float32 in [0, 1].

        Raises:
            ValueError: If the shapes differ, or the score of a counted point is not in [0, 1].
        """
        if not ground_truth.shape == predicted.shape == scores.shape:
            raise ValueError(
                f"ground truth, predicted labels and scores must all be (N,), got "
                f"{ground_truth.shape}, {predicted.shape} and {scores.shape}"
            )
        counted = (ground_truth != IGNORE_LABEL) & (predicted != IGNORE_LABEL)
        of_counted = scores[counted].astype(np.float64)
        wrong = of_counted[~((of_counted >= 0) & (of_counted <= 1 + 1e-6))]
        if len(wrong):
            raise ValueError(f"scores must be in [0, 1], got {wrong[0]}")
        bins = np.minimum((of_counted * NUM_BINS).astype(np.int64), NUM_BINS - 1)
        is_right = (ground_truth == predicted)[counted]
        self.num_points += np.bincount(bins, minlength=NUM_BINS)
        self.num_right += np.bincount(bins[is_right], minlength=NUM_BINS)
        self.sum_of_scores += np.bincount(bins, weights=of_counted, minlength=NUM_BINS)

    @property
    def edges(self) -> NDArray[np.float64]:
        """(B + 1,) float64, the scores at the edges of the bins."""
        edges: NDArray[np.float64] = np.linspace(0, 1, NUM_BINS + 1)
        return edges

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """(B,) float64, share of right labels in each bin; NaN in empty bins."""
        return _mean(self.num_right, self.num_points)

    @property
    def mean_score(self) -> NDArray[np.float64]:
        """(B,) float64, mean score in each bin; NaN in empty bins."""
        return _mean(self.sum_of_scores, self.num_points)

    def expected_error(self) -> float:
        """Expected calibration error: mean of |accuracy - mean score| of a point's bin.

        Returns:
            Mean over all points, in [0, 1]; NaN if there is no point.
        """
        total = self.num_points.sum()
        if not total:
            return float("nan")
        return float(np.abs(self.num_right - self.sum_of_scores).sum() / total)


def _mean(
    sums: NDArray[np.int64] | NDArray[np.float64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    means = np.full(len(counts), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
