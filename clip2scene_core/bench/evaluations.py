"""Evaluate students and references on the test split; what comes out is counts by scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.labeller import Labeller, mode_of
from clip2scene_core.bench.references import label_by_class_images, majority_class
from clip2scene_core.checkpoint import Checkpoint, load_checkpoint, untrained_checkpoint
from clip2scene_core.datasets import NuScenesDataset, Sample
from clip2scene_core.evaluation import LabelledDataset, Prediction, Report, evaluate_together
from clip2scene_core.segmenter import Segmenter
from clip2scene_core.world.truth import read_class_images

Counts = dict[str, Any]
"""For each labeller: "all" and "seen", lists of confusion counts (S, C, C + 1) by scene."""


def evaluate_students(weights: Sequence[Path], test: Path) -> Counts:
    """Count what students, their teacher and both together get right.

    Args:
        weights: Checkpoints of one configuration.
        test: Root of the test split.

    Returns:
        Counts of "camera", and of "lidar 0", "fused 0" and so on.
    """
    checkpoints = [load_checkpoint(path) for path in weights]
    labeller = Labeller(checkpoints, checkpoints[0].config.teacher.scales)
    return count(
        lambda sample: labeller.label(labeller.look(sample), labeller.vocabulary),
        _open(test),
        _scenes_of(checkpoints),
    )


def evaluate_networks(weights: Sequence[Path], test: Path) -> Counts:
    """Count what networks get right without cameras.

    Returns:
        Counts of "lidar 0" and so on.
    """
    checkpoints = [load_checkpoint(path) for path in weights]
    return count(_by_networks(checkpoints), _open(test), _scenes_of(checkpoints))


def evaluate_untrained(weights: Path, seeds: Sequence[int], test: Path) -> Counts:
    """Count what the network of a checkpoint gets right with random weights.

    Returns:
        Counts of "lidar 0" and so on, one for each seed.
    """
    trained = load_checkpoint(weights)
    return count(_by_networks([untrained_checkpoint(trained, seed) for seed in seeds]), _open(test))


def evaluate_rules(train: Path, test: Path) -> Counts:
    """Count what needs no learning.

    Args:
        train: Root of the training split; its labels say which class is most frequent.
        test: Root of the test split.

    Returns:
        Counts of "majority" and "perfect 2D".
    """
    majority = majority_class(NuScenesDataset(train, with_labels=True, with_images=False))

    def predict(sample: Sample) -> dict[str, NDArray[np.uint8]]:
        return {
            "majority": np.full(len(sample.keyframe.points), majority, dtype=np.uint8),
            "perfect 2D": label_by_class_images(sample, read_class_images(test, sample)),
        }

    return count(predict, _open(test))


def count(
    predict: Callable[[Sample], Mapping[str, NDArray[np.uint8]]],
    dataset: LabelledDataset,
    trained_on_scene_tokens: tuple[str, ...] = (),
) -> Counts:
    """Evaluate labellers together and keep the counts of each scene."""
    reports = evaluate_together(
        lambda sample: {name: Prediction(labels) for name, labels in predict(sample).items()},
        dataset,
        trained_on_scene_tokens=trained_on_scene_tokens,
    )
    return {name: _counts_by_scene(report) for name, report in reports.items()}


def _counts_by_scene(report: Report) -> dict[str, Any]:
    scenes = report.scenes.values()
    return {
        "all": [scene.confusion.counts.tolist() for scene in scenes],
        "seen": [scene.seen.counts.tolist() for scene in scenes],
    }


def _by_networks(
    checkpoints: Sequence[Checkpoint],
) -> Callable[[Sample], dict[str, NDArray[np.uint8]]]:
    segmenters = [Segmenter(checkpoint) for checkpoint in checkpoints]
    return lambda sample: {
        mode_of("lidar", number): segmenter.segment(sample.keyframe.points).labels
        for number, segmenter in enumerate(segmenters)
    }


def _scenes_of(checkpoints: Sequence[Checkpoint]) -> tuple[str, ...]:
    return tuple(token for checkpoint in checkpoints for token in checkpoint.scene_tokens)


def _open(test: Path) -> NuScenesDataset:
    return NuScenesDataset(test, with_labels=True)
