"""Confusion counts of students and of their teacher, with and without calibrated stacking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.measure.score import count_scenes, make_teacher
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.config.zeroshot import ZeroShotConfig
from clip2scene_core.datasets import Sample
from clip2scene_core.evaluation import class_of_label, stack_scores
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import Vocabulary

PENALTIES: Final = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
"""What is subtracted from the probabilities of seen classes; the best is chosen on `val`."""

_Look = Callable[[Sample], tuple[NDArray[np.float32], NDArray[np.bool_]]]
"""Takes N points. Returns probabilities (M, C) and which M of the points they are of (N,)."""


def score_student(
    weights: Path, parts: dict[str, Scenes], unseen: Sequence[str], device: str
) -> dict[str, Any]:
    """Count a student without cameras.

    Args:
        weights: Checkpoint.
        parts: Scenes with labels, by name.
        unseen: Names of the unseen classes.
        device: Device of the network.

    Returns:
        By part, then by penalty, written as `penalty_name` does: counts by scene, see
        `count_scenes`.
    """
    checkpoint = load_checkpoint(weights)
    segmenter, vocabulary = Segmenter(checkpoint, device), checkpoint.vocabulary

    def look(sample: Sample) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        points = sample.keyframe.points
        finite = np.asarray(np.isfinite(points[:, :3]).all(axis=1))
        probabilities = segmenter.probabilities(points[finite], vocabulary)
        return probabilities.float().cpu().numpy(), finite

    return _score(look, vocabulary, parts, unseen, checkpoint.scene_tokens)


def score_pseudo_labels(
    config: ZeroShotConfig, parts: dict[str, Scenes], device: str
) -> dict[str, Any]:
    """Count the projected teacher, asked for all classes; see `score_student`."""
    vocabulary, ask = make_teacher(config.student, device)

    def look(sample: Sample) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        probabilities, in_view = ask(sample)
        return probabilities.float().cpu().numpy()[in_view], in_view

    return _score(look, vocabulary, parts, config.named_split.unseen, ())


def penalty_name(penalty: float) -> str:
    """Name a penalty in the results of stages."""
    return f"{penalty:g}"


def _score(
    look: _Look,
    vocabulary: Vocabulary,
    parts: dict[str, Scenes],
    unseen: Sequence[str],
    trained_on: tuple[str, ...],
) -> dict[str, Any]:
    is_seen, classes = ~np.isin(vocabulary.names, unseen), class_of_label(vocabulary.names)

    def predict(sample: Sample) -> dict[str, NDArray[np.uint8]]:
        probabilities, is_known = look(sample)
        predicted = {}
        for penalty in PENALTIES:
            labels = np.full(len(is_known), IGNORE_LABEL, dtype=np.uint8)
            labels[is_known] = classes[stack_scores(probabilities, is_seen, penalty)[0]]
            predicted[penalty_name(penalty)] = labels
        return predicted

    return {
        name: count_scenes(predict, scenes.open(with_labels=True), trained_on)
        for name, scenes in parts.items()
    }
