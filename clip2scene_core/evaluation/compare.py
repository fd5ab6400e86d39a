"""Predict labels for every keyframe of a data set and compare them with its ground truth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets import LabelledDataset, Sample
from clip2scene_core.evaluation.calibration import Calibration
from clip2scene_core.evaluation.confusion import ConfusionMatrix
from clip2scene_core.evaluation.report import RangeBin, Report
from clip2scene_core.geometry.projection import pair_pixels_with_points

DEFAULT_RANGE_EDGES_M: Final = (10.0, 20.0, 30.0, 50.0)
"""Distances from the LiDAR between the range bins, metres."""


class EvaluationError(ValueError):
    """A data set that cannot or must not be used for evaluation."""


@dataclass(frozen=True)
class Prediction:
    """Labels of N points from a labeller.

    Attributes:
        labels: (N,) uint8; IGNORE_LABEL for a point without a label.
        scores: (N,) float32 in [0, 1], probability of each label; None if there are no scores.
    """

    labels: NDArray[np.uint8]
    scores: NDArray[np.float32] | None = None


def evaluate(
    predict: Callable[[Sample], Prediction],
    dataset: LabelledDataset,
    progress: Callable[[int, int], None] | None = None,
    trained_on_scene_tokens: Collection[str] = (),
    range_edges_m: Sequence[float] = DEFAULT_RANGE_EDGES_M,
) -> Report:
    """Compare predictions with the labels of every keyframe, over the classes of the data set.

    Every point counts once. Points whose ground truth is IGNORE_LABEL do not count.

    Args:
        predict: Labels the N points of the keyframe of a sample.
        dataset: Data set with labels.
        progress: Called after each keyframe with the numbers of done and of all keyframes.
        trained_on_scene_tokens: Tokens of the scenes of the training.
        range_edges_m: Distances from the LiDAR between the range bins, metres, ascending. The first
            bin starts at 0 and the last one has no end.

    Raises:
        EvaluationError: If the data set is empty, was opened without labels, or shares a scene
            with the training.
        ValueError: If a prediction does not fit its points, or the edges do not ascend.
    """
    reports = evaluate_together(
        lambda sample: {"": predict(sample)},
        dataset,
        progress,
        trained_on_scene_tokens,
        range_edges_m,
    )
    return reports[""]


def evaluate_together(
    predict: Callable[[Sample], Mapping[str, Prediction]],
    dataset: LabelledDataset,
    progress: Callable[[int, int], None] | None = None,
    trained_on_scene_tokens: Collection[str] = (),
    range_edges_m: Sequence[float] = DEFAULT_RANGE_EDGES_M,
) -> dict[str, Report]:
    """Evaluate several labellers in one pass, so that they can share expensive computations.

    Args:
        predict: Gives the predictions by name of the labeller; always with the same names.
        dataset: See `evaluate`.
        progress: See `evaluate`.
        trained_on_scene_tokens: See `evaluate`.
        range_edges_m: See `evaluate`.

    Returns:
        Reports by name of the labeller.

    Raises:
        EvaluationError: See `evaluate`.
        ValueError: See `evaluate`.
    """
    _check_dataset(dataset, trained_on_scene_tokens)
    edges_m = _check_edges(range_edges_m)
    reports: dict[str, Report] = {}
    for index in range(len(dataset)):
        sample = dataset[index]
        ground_truth = sample.keyframe.labels
        if ground_truth is None:
            raise EvaluationError(f"keyframe {sample.token} has no labels; open the labelled part")
        places = _find_places(sample, edges_m)
        # `predict` gets no labels, so predictions cannot depend on the ground truth.
        for name, prediction in predict(_without_labels(sample)).items():
            report = reports.setdefault(name, _empty_report(dataset, edges_m))
            for counted in (report, report.scenes[sample.scene_token]):
                _count(counted, ground_truth, prediction, places)
            alone = ConfusionMatrix(len(dataset.classes))
            alone.add(ground_truth, prediction.labels)
            report.keyframe_accuracies.append(alone.accuracy())
        if progress is not None:
            progress(index + 1, len(dataset))
    return reports


@dataclass(frozen=True)
class _Places:
    """Positions of the N points of a keyframe.

    Attributes:
        is_seen: (N,) bool, whether a camera sees the point; None without cameras.
        range_bin: (N,) int64, index of the range bin.
    """

    is_seen: NDArray[np.bool_] | None
    range_bin: NDArray[np.int64]


def _find_places(sample: Sample, edges_m: tuple[float, ...]) -> _Places:
    points = sample.keyframe.points
    is_seen = None
    if sample.cameras:
        is_seen = np.zeros(len(points), dtype=np.bool_)
        is_seen[pair_pixels_with_points([sample.keyframe], sample.cameras).point_index] = True
    range_m = np.linalg.norm(points[:, :3], axis=1)
    return _Places(is_seen, np.searchsorted(edges_m, range_m, side="right"))


def _count(
    report: Report, ground_truth: NDArray[np.uint8], prediction: Prediction, places: _Places
) -> None:
    labels = prediction.labels
    report.confusion.add(ground_truth, labels)
    if places.is_seen is not None:
        report.seen.add(ground_truth[places.is_seen], labels[places.is_seen])
        report.unseen.add(ground_truth[~places.is_seen], labels[~places.is_seen])
    for number, part in enumerate(report.ranges):
        inside = places.range_bin == number
        part.confusion.add(ground_truth[inside], labels[inside])
    if prediction.scores is not None:
        report.calibration.add(ground_truth, labels, prediction.scores)


def _empty_report(dataset: LabelledDataset, edges_m: tuple[float, ...]) -> Report:
    def confusion() -> ConfusionMatrix:
        return ConfusionMatrix(len(dataset.classes))

    def report(num_keyframes: int) -> Report:
        limits_m = (0.0, *edges_m, float("inf"))
        ranges = (RangeBin(*limits, confusion()) for limits in pairwise(limits_m))
        return Report(
            confusion(), confusion(), confusion(), tuple(ranges), Calibration(), num_keyframes
        )

    scenes = {scene.token: report(scene.num_keyframes) for scene in dataset.scenes}
    return replace(report(len(dataset)), scenes=scenes)


def _check_edges(range_edges_m: Sequence[float]) -> tuple[float, ...]:
    edges_m = tuple(float(edge) for edge in range_edges_m)
    if not all(low < high for low, high in pairwise((0.0, *edges_m, float("inf")))):
        raise ValueError(
            f"range edges must be metres above 0 in ascending order, got {list(range_edges_m)}"
        )
    return edges_m


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
