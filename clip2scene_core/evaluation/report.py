"""The results of an evaluation, as a table for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clip2scene_core.evaluation.calibration import Calibration
from clip2scene_core.evaluation.confusion import ConfusionMatrix, format_iou


@dataclass(frozen=True)
class RangeBin:
    """Labelled points in an interval of distances from the LiDAR.

    Attributes:
        from_m: Start of the interval, inclusive, metres.
        to_m: End of the interval, exclusive, metres; infinite in the last bin.
        confusion: Confusion matrix of the points.
    """

    from_m: float
    to_m: float
    confusion: ConfusionMatrix

    def format_title(self) -> str:
        """Format the interval, such as "10 to 20 m"."""
        if self.to_m == float("inf"):
            return f"{self.from_m:g} m and more"
        return f"{self.from_m:g} to {self.to_m:g} m"


@dataclass(frozen=True)
class Report:
    """The results of an evaluation.

    Attributes:
        confusion: Confusion matrix of all labelled points.
        seen: Confusion matrix of the points that a camera sees; empty if samples have no cameras.
        unseen: Confusion matrix of the other points; empty if samples have no cameras.
        ranges: Labelled points by distance, nearest first.
        calibration: Calibration of the scores; empty if predictions have no scores.
        num_keyframes: Number of evaluated keyframes.
        scenes: Report of each scene, by its token; empty in the report of a scene.
        keyframe_accuracies: Share of right labels in each keyframe, in the order of the data set;
            NaN if no point has a true label. Empty in the report of a scene.
    """

    confusion: ConfusionMatrix
    seen: ConfusionMatrix
    unseen: ConfusionMatrix
    ranges: tuple[RangeBin, ...]
    calibration: Calibration
    num_keyframes: int
    scenes: Mapping[str, Report] = field(default_factory=dict)
    keyframe_accuracies: list[float] = field(default_factory=list)

    def parts(self) -> list[tuple[str, ConfusionMatrix]]:
        """The confusion matrices of all parts that have points, with their titles."""
        parts = [("in view of a camera", self.seen), ("in no view", self.unseen)]
        parts += [(f"at {part.format_title()}", part.confusion) for part in self.ranges]
        return [(title, part) for title, part in parts if part.counts.any()]

    def format_report(self, class_names: Sequence[str], absent: str = "skip") -> str:
        """Format the table of all points, the mean IoU of each part, and the calibration.

        Args:
            class_names: C names.
            absent: See `ConfusionMatrix.mean_iou`.
        """
        lines = [self.confusion.format_report(class_names, absent)]
        for title, part in self.parts():
            total = int(part.points_per_class.sum())
            lines.append(
                f"mean IoU {title}: {format_iou(part.mean_iou(absent)).strip()} % ({total})"
            )
        if self.calibration.num_points.any():
            error = 100 * self.calibration.expected_error()
            lines.append(f"expected calibration error of the scores: {error:.1f} %")
        return "\n".join([*lines, f"{self.num_keyframes} keyframes"])

    def to_dict(self, class_names: Sequence[str], absent: str = "skip") -> dict[str, Any]:
        """Turn the report into dictionaries and lists that JSON can hold, with None for NaN.

        Args:
            class_names: C names.
            absent: See `ConfusionMatrix.mean_iou`.
        """

        def write(confusion: ConfusionMatrix) -> dict[str, Any]:
            return _confusion_to_dict(confusion, class_names, absent)

        return {
            "num_keyframes": self.num_keyframes,
            "all": write(self.confusion),
            "in_view": write(self.seen),
            "out_of_view": write(self.unseen),
            "ranges": [
                {
                    "from_m": part.from_m,
                    "to_m": None if part.to_m == float("inf") else part.to_m,
                    **write(part.confusion),
                }
                for part in self.ranges
            ],
            "calibration": _calibration_to_dict(self.calibration),
            "scenes": {
                token: {"num_keyframes": scene.num_keyframes, **write(scene.confusion)}
                for token, scene in self.scenes.items()
            },
        }


def _confusion_to_dict(
    confusion: ConfusionMatrix, class_names: Sequence[str], absent: str
) -> dict[str, Any]:
    iou, points = confusion.iou().tolist(), confusion.points_per_class.tolist()
    return {
        "mean_iou": _or_none(confusion.mean_iou(absent)),
        "accuracy": _or_none(confusion.accuracy()),
        "iou": {name: _or_none(value) for name, value in zip(class_names, iou, strict=True)},
        "points": dict(zip(class_names, points, strict=True)),
        "confusion": confusion.counts.tolist(),
    }


def _calibration_to_dict(calibration: Calibration) -> dict[str, Any]:
    return {
        "expected_error": _or_none(calibration.expected_error()),
        "score_edges": calibration.edges.tolist(),
        "points": calibration.num_points.tolist(),
        "mean_score": [_or_none(value) for value in calibration.mean_score.tolist()],
        "accuracy": [_or_none(value) for value in calibration.accuracy.tolist()],
    }


def _or_none(value: float) -> float | None:
    return None if value != value else value  # NaN is not equal to itself, and JSON has no NaN
