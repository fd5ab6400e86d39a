"""How well predicted labels agree with the truth: confusion, IoU per class, and their mean."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets import Sample, SceneRecord
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.projection import pair_pixels_with_points


class EvaluationError(ValueError):
    """A data set that must not or cannot be evaluated on."""


class LabelledDataset(Protocol):
    """What evaluation needs of a data set; NuScenesDataset has it."""

    @property
    def with_labels(self) -> bool:
        """Whether keyframes carry labels."""
        ...

    @property
    def scenes(self) -> tuple[SceneRecord, ...]:
        """The open scenes."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class ConfusionMatrix:
    """Counts of points by true and by predicted label.

    Args:
        num_classes: C.

    Attributes:
        counts: (C, C + 1) int64; row = true label, column = predicted label, the last column =
            no label predicted.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.counts: NDArray[np.int64] = np.zeros((num_classes, num_classes + 1), dtype=np.int64)

    def add(self, truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> None:
        """Count points. Those whose truth is IGNORE_LABEL never count, whatever was predicted.

        Args:
            truth: (N,) uint8.
            predicted: (N,) uint8; IGNORE_LABEL (no label) is a miss of the true class.

        Raises:
            ValueError: If the shapes differ or a label is no class.
        """
        if truth.ndim != 1 or truth.shape != predicted.shape:
            raise ValueError(
                f"truth and predicted labels must both be (N,), "
                f"got {truth.shape} and {predicted.shape}"
            )
        for name, labels in (("truth", truth), ("prediction", predicted)):
            wrong = labels[(labels >= self.num_classes) & (labels != IGNORE_LABEL)]
            if len(wrong):
                raise ValueError(
                    f"the {name} holds label {wrong[0]}, but there are {self.num_classes} classes"
                )
        counted = truth != IGNORE_LABEL
        rows = truth[counted].astype(np.int64)
        columns = np.minimum(predicted[counted], self.num_classes).astype(np.int64)
        flat = rows * (self.num_classes + 1) + columns
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)

    @property
    def points_per_class(self) -> NDArray[np.int64]:
        """(C,) int64, points by true label."""
        points: NDArray[np.int64] = self.counts.sum(axis=1)
        return points

    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of every class.

        Returns:
            (C,) float64; NaN for an absent class: one that neither truth nor prediction holds. A
            class that is predicted but never true has 0.
        """
        hits = self.counts.diagonal()
        predicted = self.counts[:, : self.num_classes].sum(axis=0)
        union = self.points_per_class + predicted - hits
        iou = np.full(self.num_classes, np.nan)
        np.divide(hits, union, out=iou, where=union > 0)
        return iou

    def mean_iou(self) -> float:
        """Mean IoU over the classes that are present; NaN where none is.

        Absent classes are left out. CLIP2Scene's code counts each of them as 1 instead, which
        raises the mean on small data sets.
        """
        iou = self.iou()
        present = iou[~np.isnan(iou)]
        return float(present.mean()) if len(present) else float("nan")

    def format_report(self, class_names: Sequence[str]) -> str:
        """Write a table: class, IoU in percent, points; the mean is the last line."""
        if len(class_names) != self.num_classes:
            raise ValueError(f"got {len(class_names)} names for {self.num_classes} classes")
        width = max(len("mean IoU"), *(len(name) for name in class_names))
        lines = [f"{'class':<{width}}  IoU [%]  points"]
        rows = zip(class_names, self.iou(), self.points_per_class, strict=True)
        lines += [f"{name:<{width}}  {_percent(iou)}  {points}" for name, iou, points in rows]
        total = int(self.points_per_class.sum())
        lines.append(f"{'mean IoU':<{width}}  {_percent(self.mean_iou())}  {total}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """The outcome of one evaluation.

    Attributes:
        confusion: All labelled points.
        seen: Those in view of a camera; empty where the samples carry no cameras.
        unseen: Those that no camera has in view; empty where the samples carry no cameras.
        num_keyframes: How many keyframes were evaluated.
        scenes: The same for each scene alone, by its token; empty in the report of one scene.
    """

    confusion: ConfusionMatrix
    seen: ConfusionMatrix
    unseen: ConfusionMatrix
    num_keyframes: int
    scenes: Mapping[str, Report] = field(default_factory=dict)

    @property
    def mean_iou(self) -> float:
        """Mean IoU over all labelled points, in [0, 1]."""
        return self.confusion.mean_iou()

    @property
    def iou(self) -> NDArray[np.float64]:
        """(C,) float64, NaN for absent classes."""
        return self.confusion.iou()

    @property
    def points_per_class(self) -> NDArray[np.int64]:
        """(C,) int64, points by true label."""
        return self.confusion.points_per_class

    def format_report(self, class_names: Sequence[str]) -> str:
        """Write the table of all points, and the means by camera view where there were cameras."""
        lines = [self.confusion.format_report(class_names)]
        for title, part in (("in view of a camera", self.seen), ("in no view", self.unseen)):
            if part.counts.any():
                total = int(part.points_per_class.sum())
                lines.append(f"mean IoU {title}: {_percent(part.mean_iou()).strip()} % ({total})")
        return "\n".join([*lines, f"{self.num_keyframes} keyframes"])


def evaluate(
    predict: Callable[[Sample], NDArray[np.uint8]],
    dataset: LabelledDataset,
    progress: Callable[[int, int], None] | None = None,
    trained_on_scene_tokens: Collection[str] = (),
) -> Report:
    """Compare predictions with the labels of every keyframe, over the 16 nuScenes classes.

    Args:
        predict: Gives labels (N,) uint8 for the N points of a sample's keyframe.
        dataset: Opened with labels.
        progress: Called after each keyframe with how many are done and how many there are.
        trained_on_scene_tokens: Scenes that the model has seen in training.

    Raises:
        EvaluationError: If the data set is empty, was opened without labels, or shares a scene
            with the training.
        ValueError: If a prediction does not fit its points.
    """
    reports = evaluate_together(
        lambda sample: {"": predict(sample)}, dataset, progress, trained_on_scene_tokens
    )
    return reports[""]


def evaluate_together(
    predict: Callable[[Sample], Mapping[str, NDArray[np.uint8]]],
    dataset: LabelledDataset,
    progress: Callable[[int, int], None] | None = None,
    trained_on_scene_tokens: Collection[str] = (),
) -> dict[str, Report]:
    """Evaluate several labellers in one pass, so that they can share what is dear.

    Args:
        predict: Gives labels (N,) uint8 of each labeller by its name; the same names every time.
        dataset: See `evaluate`.
        progress: See `evaluate`.
        trained_on_scene_tokens: See `evaluate`.

    Returns:
        The report of each labeller, by its name.

    Raises:
        EvaluationError: See `evaluate`.
        ValueError: See `evaluate`.
    """
    _check_dataset(dataset, trained_on_scene_tokens)
    reports: dict[str, Report] = {}
    for index in range(len(dataset)):
        sample = dataset[index]
        truth = sample.keyframe.labels
        if truth is None:
            raise EvaluationError(f"keyframe {sample.token} has no labels; open the labelled part")
        is_seen = np.zeros(len(truth), dtype=np.bool_)
        is_seen[pair_pixels_with_points([sample.keyframe], sample.cameras).point_index] = True
        # The truth stays here: what is predicted cannot depend on it.
        for name, predicted in predict(_without_labels(sample)).items():
            report = reports.setdefault(name, _empty_report(dataset))
            for counted in (report, report.scenes[sample.scene_token]):
                counted.confusion.add(truth, predicted)
                if sample.cameras:
                    counted.seen.add(truth[is_seen], predicted[is_seen])
                    counted.unseen.add(truth[~is_seen], predicted[~is_seen])
        if progress is not None:
            progress(index + 1, len(dataset))
    return reports


def _empty_report(dataset: LabelledDataset) -> Report:
    def make(num_keyframes: int) -> Report:
        confusion, seen, unseen = (ConfusionMatrix(len(NUSCENES_CLASSES)) for _ in range(3))
        return Report(confusion, seen, unseen, num_keyframes)

    scenes = {scene.token: make(scene.num_keyframes) for scene in dataset.scenes}
    return replace(make(len(dataset)), scenes=scenes)


def _check_dataset(dataset: LabelledDataset, trained_on_scene_tokens: Collection[str]) -> None:
    if not dataset.with_labels:
        raise EvaluationError("the data set was opened without labels; open it with_labels=True")
    if not len(dataset):
        raise EvaluationError("the data set has no keyframe to evaluate on; check the scene names")
    trained_on = set(trained_on_scene_tokens)
    shared = [scene.name for scene in dataset.scenes if scene.token in trained_on]
    if shared:
        raise EvaluationError(
            f"the model was trained on {len(shared)} of these scenes, for example {shared[0]}; "
            f"evaluate on other scenes"
        )


def _without_labels(sample: Sample) -> Sample:
    return replace(sample, sweeps=tuple(replace(sweep, labels=None) for sweep in sample.sweeps))


def _percent(iou: float) -> str:
    return f"{'absent':>7}" if np.isnan(iou) else f"{100 * iou:7.1f}"
