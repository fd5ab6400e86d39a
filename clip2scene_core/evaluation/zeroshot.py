"""Zero-shot scores: mean IoU of seen, unseen and all classes, and calibrated stacking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.evaluation.confusion import ABSENT_POLICIES, ConfusionMatrix, format_iou
from clip2scene_core.zeroshot_splits import ZeroShotSplit


@dataclass(frozen=True)
class ZeroShotScores:
    """Mean IoU of groups of classes, each in [0, 1]; NaN for a group without points.

    Attributes:
        seen: Mean over the seen classes.
        unseen: Mean over the unseen classes.
        all: Mean over the classes of both groups.
    """

    seen: float
    unseen: float
    all: float

    @property
    def harmonic(self) -> float:
        """hIoU, the harmonic mean of seen and unseen; see `harmonic_iou`."""
        return harmonic_iou(self.seen, self.unseen)

    def format_line(self) -> str:
        """Format the four numbers in percent."""
        named = (
            ("seen", self.seen),
            ("unseen", self.unseen),
            ("all", self.all),
            ("hIoU", self.harmonic),
        )
        return ", ".join(f"{name} {format_iou(value).strip()}" for name, value in named)

    def to_dict(self) -> dict[str, float | None]:
        """The four numbers by name, with None for NaN."""
        values = {
            "seen": self.seen,
            "unseen": self.unseen,
            "all": self.all,
            "harmonic": self.harmonic,
        }
        return {name: None if np.isnan(value) else value for name, value in values.items()}


def harmonic_iou(seen: float, unseen: float) -> float:
    """Compute hIoU = 2 s u / (s + u); 0 if both are 0, NaN if one is NaN."""
    return 2 * seen * unseen / (seen + unseen) if seen + unseen != 0 else 0.0


def score_zeroshot(
    confusion: ConfusionMatrix,
    class_names: Sequence[str],
    split: ZeroShotSplit,
    absent: str = "skip",
    masks_ground_truth: bool = False,
) -> ZeroShotScores:
    """Score seen and unseen classes apart. All classes compete for every point.

    Points of ignored classes do not count, and an ignored class as a prediction is a miss.

    Args:
        confusion: Counts over C classes.
        class_names: C names.
        split: Unseen and ignored classes.
        absent: See `ConfusionMatrix.mean_iou`.
        masks_ground_truth: Whether a group is scored on the points of its own classes alone, as
            3DGenZ's evaluator does. A seen point that is taken for an unseen class then costs the
            seen class only, so both means are higher. Otherwise each IoU counts all points.

    Raises:
        ValueError: If the split does not fit the names, or `absent` is no policy.
    """
    split.check(class_names)
    if absent not in ABSENT_POLICIES:
        raise ValueError(f"absent must be one of {', '.join(ABSENT_POLICIES)}, got {absent!r}")
    is_ignored = np.isin(class_names, split.ignored)
    is_unseen = np.isin(class_names, split.unseen)
    is_seen = ~is_ignored & ~is_unseen
    counts = confusion.counts.copy()
    counts[:, -1] += counts[:, :-1][:, is_ignored].sum(axis=1)
    counts[:, :-1][:, is_ignored] = 0
    counts[is_ignored] = 0

    def mean(group: NDArray[np.bool_]) -> float:
        rows = counts * group[:, None] if masks_ground_truth else counts
        part = ConfusionMatrix(len(class_names))
        part.counts = rows
        iou = part.iou()[group]
        if absent == "one" and counts.any():
            return float(np.nan_to_num(iou, nan=1).mean()) if len(iou) else float("nan")
        return float(np.nanmean(iou)) if not np.isnan(iou).all() else float("nan")

    return ZeroShotScores(mean(is_seen), mean(is_unseen), mean(is_seen | is_unseen))


def stack_scores(
    probabilities: NDArray[np.float32], is_seen: NDArray[np.bool_], penalty: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Label points by calibrated stacking: seen classes win only by more than a constant.

    Args:
        probabilities: (N, C) float32, rows that sum to one.
        is_seen: (C,) bool, the seen classes.
        penalty: Subtracted from the probabilities of the seen classes before the largest is taken;
            0 changes nothing, 1 leaves no point to a seen class. Choose it on scenes to tune on.

    Returns:
        Labels (N,) uint8, and their probabilities (N,) float32, from which nothing was subtracted.

    Raises:
        ValueError: If shapes do not fit, or the penalty is not in [0, 1].

    Source: Chao et al., An Empirical Study and Analysis of Generalized Zero-Shot Learning (ECCV
    2016), Eq. (3).
    """
    if probabilities.ndim != 2 or is_seen.shape != probabilities.shape[1:]:
        raise ValueError(
            f"probabilities must be (N, C) and is_seen (C,), got {probabilities.shape} and "
            f"{is_seen.shape}"
        )
    if not 0 <= penalty <= 1:
        raise ValueError(f"the penalty is subtracted from probabilities: 0 to 1, got {penalty}")
    labels = (probabilities - np.float32(penalty) * is_seen).argmax(axis=1)
    scores = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    return labels.astype(np.uint8), scores
