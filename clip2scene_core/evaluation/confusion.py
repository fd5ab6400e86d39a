"""Counts of points by true and predicted label, and the IoU of every class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL

ABSENT_POLICIES: Final = ("skip", "one")
"""Treatments of absent classes in the mean IoU; see `ConfusionMatrix.mean_iou`."""


class ConfusionMatrix:
    """Counts of points by true and by predicted label.

    Args:
        num_classes: C, number of classes.

    Attributes:
        num_classes: C, number of classes.
        counts: (C, C + 1) int64; row = true label, column = predicted label, last column = no
            predicted label.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.counts: NDArray[np.int64] = np.zeros((num_classes, num_classes + 1), dtype=np.int64)

    def add(self, ground_truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> None:
        """Count points. Points whose ground truth is IGNORE_LABEL do not count.

        Args:
            ground_truth: (N,) uint8 true labels.
            predicted: (N,) uint8 predicted labels; IGNORE_LABEL is a miss of the true class.

        Raises:
            ValueError: If the shapes differ, or a label is neither a class nor IGNORE_LABEL.
        """
        if ground_truth.ndim != 1 or ground_truth.shape != predicted.shape:
            raise ValueError(
                f"ground truth and predicted labels must both be (N,), "
                f"got {ground_truth.shape} and {predicted.shape}"
            )
        for name, labels in (("ground truth", ground_truth), ("prediction", predicted)):
            wrong = labels[(labels >= self.num_classes) & (labels != IGNORE_LABEL)]
            if len(wrong):
                raise ValueError(
                    f"the {name} holds label {wrong[0]}, but there are {self.num_classes} classes"
                )
        counted = ground_truth != IGNORE_LABEL
        rows = ground_truth[counted].astype(np.int64)
        columns = np.minimum(predicted[counted], self.num_classes).astype(np.int64)
        flat = rows * (self.num_classes + 1) + columns
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)

    @property
    def points_per_class(self) -> NDArray[np.int64]:
        """(C,) int64, number of points of each true label."""
        points: NDArray[np.int64] = self.counts.sum(axis=1)
        return points

    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of every class.

        Returns:
            (C,) float64; NaN for an absent class, which is in neither ground truth nor prediction.
            A class that is only in the prediction has 0.
        """
        hits = self.counts.diagonal()
        predicted = self.counts[:, : self.num_classes].sum(axis=0)
        union = self.points_per_class + predicted - hits
        iou = np.full(self.num_classes, np.nan)
        np.divide(hits, union, out=iou, where=union > 0)
        return iou

    def mean_iou(self, absent: str = "skip") -> float:
        """Mean IoU over the classes; NaN if no point was counted.

        Args:
            absent: "skip" leaves absent classes out of the mean. "one" counts each of them as 1, as
                CLIP2Scene's code does. This raises the mean on small data sets; use it only to
                compare with its numbers.

        Raises:
            ValueError: If `absent` is neither.
        """
        if absent not in ABSENT_POLICIES:
            raise ValueError(f"absent must be one of {', '.join(ABSENT_POLICIES)}, got {absent!r}")
        iou = self.iou()
        is_absent = np.isnan(iou)
        if is_absent.all():
            return float("nan")
        return float(
            iou[~is_absent].mean() if absent == "skip" else np.nan_to_num(iou, nan=1).mean()
        )

    def accuracy(self) -> float:
        """Share of points with the right label; NaN if no point was counted."""
        total = int(self.counts.sum())
        return float(self.counts.diagonal().sum() / total) if total else float("nan")

    def format_report(self, class_names: Sequence[str], absent: str = "skip") -> str:
        """Format a table: class, IoU in percent, points; the mean is the last line.

        Args:
            class_names: C names.
            absent: See `mean_iou`.

        Raises:
            ValueError: If the number of names is not C.
        """
        if len(class_names) != self.num_classes:
            raise ValueError(f"got {len(class_names)} names for {self.num_classes} classes")
        width = max(len("mean IoU"), *(len(name) for name in class_names))
        lines = [f"{'class':<{width}}  IoU [%]  points"]
        rows = zip(class_names, self.iou(), self.points_per_class, strict=True)
        lines += [f"{name:<{width}}  {format_iou(iou)}  {points}" for name, iou, points in rows]
        total = int(self.points_per_class.sum())
        lines.append(f"{'mean IoU':<{width}}  {format_iou(self.mean_iou(absent))}  {total}")
        return "\n".join(lines)


def format_iou(iou: float) -> str:
    """Format a share in percent, or "absent" for NaN, seven characters wide."""
    return f"{'absent':>7}" if np.isnan(iou) else f"{100 * iou:7.1f}"
