"""Means with their errors: over seeds of training and over scenes, and differences between two."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Statistic = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Confusion counts (..., C, C + 1) to one number each, in [0, 1]; NaN where no point is counted."""

READING: Final = """\
Numbers are percentages. "±" after a mean is the spread over the seeds of training; "±" after a
difference is its standard error, from seeds and scenes together (jackknife over the scenes, both
sides paired). A difference of less than two standard errors is "not resolved"."""
"""How a report explains what `Measurement.format` and `PairedDifference.format` write."""


@dataclass(frozen=True)
class SceneCounts:
    """Confusion counts of one labeller by scene.

    Attributes:
        counts: (K, S, C, C + 1) int64 confusion counts as in `evaluation.ConfusionMatrix`, for K
            seeds and S scenes. Equal positions of two labellers are the same seed and scene.
        is_seeded: True if the counts depend on the seed of a training. A fixed model or a rule has
            no seed: K = 1, and its error comes from the scenes alone.
    """

    counts: NDArray[np.int64]
    is_seeded: bool

    def __post_init__(self) -> None:
        shape = self.counts.shape
        if len(shape) != 4 or shape[3] != shape[2] + 1 or 0 in shape:
            raise ValueError(f"counts must be (K, S, C, C + 1) with K, S, C > 0, got {shape}")
        if shape[0] != 1 and not self.is_seeded:
            raise ValueError(f"a labeller without seeds has one set of counts, got {shape[0]}")

    @classmethod
    def of_seeds(cls, counts: Sequence[Any]) -> SceneCounts:
        """Stack the counts of K seeds, each (S, C, C + 1) as nested lists."""
        return cls(np.array(counts, dtype=np.int64), is_seeded=True)

    @classmethod
    def fixed(cls, counts: Any) -> SceneCounts:
        """Take counts without a seed, (S, C, C + 1) as nested lists."""
        return cls(np.array([counts], dtype=np.int64), is_seeded=False)


@dataclass(frozen=True)
class Measurement:
    """One number, measured once for each seed.

    Attributes:
        values: K values.
        scene_error: Standard error of the mean, from the choice of the scenes; NaN for one scene.
        is_seeded: True if the values differ by the seed of training.
    """

    values: tuple[float, ...]
    scene_error: float = math.nan
    is_seeded: bool = True

    @property
    def num_seeds(self) -> int:
        """Number of seeds; 0 for a labeller without seeds."""
        return len(self.values) if self.is_seeded else 0

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float:
        """Sample standard deviation over the seeds; NaN for fewer than two."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else math.nan

    @property
    def seed_error(self) -> float:
        """Standard error of the mean over the seeds; 0 without seeds, NaN for a single one."""
        return self.spread / math.sqrt(len(self.values)) if self.is_seeded else 0.0

    def format(self) -> str:
        """Write the mean in percent and, where there are seeds, the spread and their number."""
        if math.isnan(self.mean):
            return "absent"
        if not self.is_seeded:
            return f"{100 * self.mean:.1f}"
        if self.num_seeds == 1:
            return f"{100 * self.mean:.1f} (1 seed)"
        return f"{100 * self.mean:.1f} ± {100 * self.spread:.1f} ({self.num_seeds} seeds)"


@dataclass(frozen=True)
class PairedDifference:
    """One labeller minus another, on the same scenes and the same seeds.

    Attributes:
        difference: Mean difference.
        seed_error: Standard error from the seeds; 0 where neither side has any, NaN where a side
            was trained with a single seed.
        scene_error: Standard error from the scenes; NaN for a single scene.
    """

    difference: float
    seed_error: float
    scene_error: float

    @property
    def standard_error(self) -> float:
        """Standard error from seeds and scenes, taken as independent; NaN if one is unknown."""
        return math.hypot(self.seed_error, self.scene_error)

    @property
    def is_resolved(self) -> bool:
        """True if the difference is not 0 and at least two standard errors away from 0."""
        # The difference of a labeller from itself has the standard error 0.
        return self.difference != 0 and abs(self.difference) >= 2 * self.standard_error

    def format(self) -> str:
        """Write the difference in points of a percentage, or that it is not resolved."""
        if math.isnan(self.difference):
            return "absent"
        if self.difference == 0 and self.standard_error == 0:
            return "equal"
        difference = f"{100 * self.difference:+.1f}"
        if not math.isnan(self.standard_error):
            numbers = f"{difference} ± {100 * self.standard_error:.1f}"
            return numbers if self.is_resolved else f"not resolved ({numbers})"
        if math.isnan(self.scene_error):
            return f"not resolved ({difference}, one scene)"
        return f"not resolved ({difference}, one seed; ± {100 * self.scene_error:.1f} by scenes)"


def class_iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of every class.

    Args:
        counts: (..., C, C + 1) int64 confusion counts.

    Returns:
        (..., C) float64, NaN for a class that is in neither ground truth nor prediction.
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    union = counts.sum(axis=-1) + counts[..., :-1].sum(axis=-2) - hits
    return _divide(hits, union)


def mean_iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean IoU over the classes that are present; a `Statistic`."""
    return mean_of_present(class_iou(counts))


def balanced_accuracy(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean recall over the classes of the ground truth; a `Statistic`.

    Guessing scores one over the number of classes, whatever the shares of the classes.
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return mean_of_present(_divide(hits, counts.sum(axis=-1)))


def measure(scenes: SceneCounts, statistic: Statistic = mean_iou) -> Measurement:
    """Measure a labeller over all scenes together, once for each seed.

    Args:
        scenes: Counts of K seeds and S scenes.
        statistic: Number to compute from the sum of the counts of all scenes.
    """
    values = statistic(scenes.counts.sum(axis=1))
    error = _jackknife_error(_leave_one_out(scenes, statistic))
    return Measurement(tuple(values.tolist()), error, scenes.is_seeded)


def measure_classes(scenes: SceneCounts) -> tuple[Measurement, ...]:
    """Measure the IoU of each of the C classes."""

    def iou_of(label: int) -> Statistic:
        return lambda counts: np.asarray(class_iou(counts)[..., label])

    return tuple(measure(scenes, iou_of(label)) for label in range(scenes.counts.shape[2]))


def compare(
    one: SceneCounts, other: SceneCounts, statistic: Statistic = mean_iou
) -> PairedDifference:
    """Subtract the statistic of another labeller.

    Seeds are paired if both sides have seeds. The error from the scenes is that of the jackknife:
    the same scene is left out on both sides, so what makes a scene hard for both cancels.

    Args:
        one: Counts of K seeds and S scenes.
        other: Counts of the same scenes, of K seeds or without seeds.
        statistic: Number to compute from the sum of the counts of all scenes.

    Raises:
        ValueError: If the two have other scenes, classes or numbers of seeds.

    Source: Efron and Stein, The jackknife estimate of variance, Annals of Statistics 9 (1981).
    """
    if one.counts.shape[1:] != other.counts.shape[1:]:
        raise ValueError(
            f"both sides must count the same scenes and classes, "
            f"got {one.counts.shape} and {other.counts.shape}"
        )
    if one.is_seeded and other.is_seeded and len(one.counts) != len(other.counts):
        raise ValueError(
            f"seeds cannot be paired: {len(one.counts)} on one side, {len(other.counts)} on the "
            f"other; measure both with the same seeds"
        )
    differences = statistic(one.counts.sum(axis=1)) - statistic(other.counts.sum(axis=1))
    by_seed = Measurement(tuple(differences.tolist()), is_seeded=one.is_seeded or other.is_seeded)
    left_out = _leave_one_out(one, statistic) - _leave_one_out(other, statistic)
    return PairedDifference(by_seed.mean, by_seed.seed_error, _jackknife_error(left_out))


def _leave_one_out(scenes: SceneCounts, statistic: Statistic) -> NDArray[np.float64]:
    """Compute the statistic without each scene, mean over the seeds: (S,) float64."""
    others = scenes.counts.sum(axis=1, keepdims=True) - scenes.counts  # (K, S, C, C + 1)
    return np.asarray(statistic(others).mean(axis=0))


def _jackknife_error(left_out: NDArray[np.float64]) -> float:
    count = len(left_out)
    if count < 2:
        return math.nan
    return math.sqrt((count - 1) / count * float(((left_out - left_out.mean()) ** 2).sum()))


def mean_of_present(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis without NaN; NaN where all are."""
    present = ~np.isnan(values)
    return _divide(np.where(present, values, 0.0).sum(axis=-1), present.sum(axis=-1))


def _divide(above: NDArray[np.generic], below: NDArray[np.generic]) -> NDArray[np.float64]:
    quotient = np.full(np.shape(below), np.nan)
    np.divide(above, below, out=quotient, where=np.asarray(below) > 0)
    return quotient
