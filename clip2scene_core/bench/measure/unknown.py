"""Objects whose word is left out: do their points score lower than those of named classes?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.bench.json_dataclass import to_json
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.datasets import KeyframeDataset, NuScenesDataset
from clip2scene_core.evaluation import Calibration, EvaluationError, class_of_label
from clip2scene_core.evaluation.score_fit import fit_calibration
from clip2scene_core.evaluation.selective import RiskCoverage, auroc, risk_coverage
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL, SemanticClass
from clip2scene_core.prompts.scoring import ScoreCalibration
from clip2scene_core.prompts.vocabulary import Vocabulary, entropies_of

POINTS_PER_KEYFRAME: Final = 3000
"""Neighbors in a sweep are much alike, so more points would say little more."""

PROBABILITY: Final = "probability"
ENTROPY: Final = "entropy"
COSINE: Final = "cosine"
PROBABILITY_AND_BACKGROUND: Final = "probability, with background"
COSINE_AND_BACKGROUND: Final = "cosine, with background"
RULES: Final = (PROBABILITY, ENTROPY, COSINE, PROBABILITY_AND_BACKGROUND, COSINE_AND_BACKGROUND)
"""What may be a score: the probability of the label among the labels (as in training), how little
they are undecided, the largest cosine; and with the background, the score of the segmenter, and how
much nearer the nearest label is than the nearest text of the background."""


@dataclass(frozen=True)
class UnknownScore:
    """How well one rule knows the points of one class whose word was left out.

    Attributes:
        left_out: Name of the class.
        rule: One of RULES.
        num_left_out: Number of its points.
        auroc: See `auroc`: points of named classes against those of the class.
        risk_coverage: Every label of a left-out point is an error.
    """

    left_out: str
    rule: str
    num_left_out: int
    auroc: float
    risk_coverage: RiskCoverage


@dataclass(frozen=True)
class UnknownResult:
    """What a student's scores say about objects that no word names.

    Attributes:
        scores: For each class with points and each of RULES.
        calibration_error: Expected calibration error of the scores with all words, in [0, 1].
    """

    scores: tuple[UnknownScore, ...]
    calibration_error: float

    def mean_auroc(self, rule: str) -> float:
        """Mean over the classes, by one of RULES."""
        return float(np.mean([score.auroc for score in self.scores if score.rule == rule]))


@dataclass(frozen=True)
class EmbeddedPoints:
    """Labelled points of a data set, embedded.

    Attributes:
        embeddings: (N, D) float32 of unit length.
        labels: (N,) uint8, the true classes; none is IGNORE_LABEL.
        classes: The classes of the data set; a label is an index into them.
    """

    embeddings: Tensor
    labels: NDArray[np.uint8]
    classes: tuple[SemanticClass, ...]


def embed_points(segmenter: Segmenter, dataset: KeyframeDataset, seed: int = 0) -> EmbeddedPoints:
    """Embed up to POINTS_PER_KEYFRAME labelled points of every keyframe, chosen at random.

    Args:
        segmenter: The student, on the CPU.
        dataset: Opened with labels.
        seed: Of the choice.

    Raises:
        EvaluationError: If the student was trained on one of the scenes, or no point has a label.
    """
    seen = set(segmenter.checkpoint.scene_tokens)
    shared = [scene.name for scene in dataset.scenes if scene.token in seen]
    if shared:
        raise EvaluationError(
            f"the student was trained on {len(shared)} of these scenes, for example {shared[0]}; "
            f"take other scenes"
        )
    generator = np.random.default_rng(seed)
    embeddings, labels = [], []
    for index in range(len(dataset)):
        keyframe = dataset[index].keyframe
        if keyframe.labels is None:
            raise EvaluationError(
                "the data set was opened without labels; open it with_labels=True"
            )
        finite = np.flatnonzero(np.isfinite(keyframe.points[:, :3]).all(axis=1))
        labelled = np.flatnonzero(keyframe.labels[finite] != IGNORE_LABEL)
        chosen = np.sort(generator.permutation(labelled)[:POINTS_PER_KEYFRAME])
        embeddings.append(segmenter.embed(keyframe.points[finite])[chosen])
        labels.append(keyframe.labels[finite][chosen])
    if not sum(map(len, labels)):
        raise EvaluationError("no point of the data set has a label; check it and its scenes")
    return EmbeddedPoints(torch.cat(embeddings), np.concatenate(labels), tuple(dataset.classes))


def calibrate(segmenter: Segmenter, points: EmbeddedPoints) -> ScoreCalibration:
    """Fit the calibration of a student whose labels are classes of the data set.

    A class that the student has no label for does not count; of a label with several texts the
    nearest one does.

    Raises:
        ValueError: See `fit_calibration` and `class_of_label`.
    """
    own = segmenter.checkpoint.vocabulary
    label_of_class = np.full(256, IGNORE_LABEL, np.uint8)
    for label, class_index in enumerate(class_of_label(own.names, points.classes)[: len(own)]):
        label_of_class[class_index] = label
    label_of_class[IGNORE_LABEL] = IGNORE_LABEL
    labels = label_of_class[points.labels]
    known = torch.from_numpy(labels != IGNORE_LABEL)
    cosines = _nearest(points.embeddings[known], own)
    return fit_calibration(cosines, torch.from_numpy(labels).long()[known])


def calibration_error(segmenter: Segmenter, points: EmbeddedPoints) -> float:
    """Expected calibration error of the scores with the student's own prompts, in [0, 1]."""
    own = segmenter.checkpoint.vocabulary
    labels, by_rule = _score(segmenter, points, own)
    calibration = Calibration()
    predicted = class_of_label(own.names, points.classes)[labels]
    calibration.add(points.labels, predicted, by_rule[PROBABILITY_AND_BACKGROUND])
    return calibration.expected_error()


def score_unknown(weights: Path | str, test: Path) -> dict[str, Any]:
    """Leave each class out of the prompts in turn and score its points.

    Args:
        weights: Checkpoint of a student, or "small" or "large".
        test: Root of a labelled data set.

    Returns:
        An `UnknownResult` as JSON.
    """
    segmenter = Segmenter(load_checkpoint(weights))
    points = embed_points(segmenter, NuScenesDataset(test, with_labels=True, with_images=False))
    values: dict[str, Any] = to_json(measure_unknown(segmenter, points))
    return values


def measure_unknown(segmenter: Segmenter, points: EmbeddedPoints) -> UnknownResult:
    """Leave each class that has points and a word out of the student's own prompts in turn.

    Raises:
        ValueError: If the student's labels are no classes of the data set.
    """
    own = segmenter.checkpoint.vocabulary
    classes = class_of_label(own.names, points.classes)
    scores: list[UnknownScore] = []
    for label in range(len(own)):
        is_left_out = points.labels == classes[label]
        if classes[label] == IGNORE_LABEL or not is_left_out.any():
            continue
        named = _without(own, label)
        predicted, by_rule = _score(segmenter, points, named)
        is_error = class_of_label(named.names, points.classes)[predicted] != points.labels
        scores += [
            UnknownScore(
                points.classes[classes[label]].name,
                rule,
                int(is_left_out.sum()),
                auroc(by_rule[rule][~is_left_out], by_rule[rule][is_left_out]),
                risk_coverage(by_rule[rule], is_error),
            )
            for rule in RULES
        ]
    return UnknownResult(tuple(scores), calibration_error(segmenter, points))


def _score(
    segmenter: Segmenter, points: EmbeddedPoints, named: Vocabulary
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float32]]]:
    """Label points and score the labels by every rule."""
    scoring = segmenter.scoring(named, with_background=True)
    closed = named.merge(segmenter.compare(points.embeddings, named.embeddings))
    opened = segmenter.score(points.embeddings, scoring, named)[:, : len(named.embeddings)]
    probability, labels = closed.max(dim=1)
    nearest = _nearest(points.embeddings, named).amax(dim=1)
    beyond = torch.zeros_like(nearest)
    if len(scoring.background):
        beyond = (points.embeddings @ scoring.background.T).amax(dim=1)
    scored = named.merge(opened).gather(1, labels[:, None])[:, 0]
    return labels.numpy(), {
        PROBABILITY: probability.numpy(),
        ENTROPY: -entropies_of(closed),
        COSINE: nearest.numpy(),
        PROBABILITY_AND_BACKGROUND: scored.numpy(),
        COSINE_AND_BACKGROUND: (nearest - beyond).numpy(),
    }


def _nearest(embeddings: Tensor, vocabulary: Vocabulary) -> Tensor:
    """Cosine of each point with the nearest text of each label: (N, D) -> (N, C)."""
    cosines = embeddings @ vocabulary.embeddings.T
    labels = vocabulary.label_of_text.expand_as(cosines)
    nearest = cosines.new_full((len(cosines), len(vocabulary)), -1.0)
    return nearest.scatter_reduce(1, labels, cosines, "amax")


def _without(vocabulary: Vocabulary, label: int) -> Vocabulary:
    """Take one label away."""
    kept = [index for index in range(len(vocabulary)) if index != label]
    texts = vocabulary.texts_of_label
    return replace(
        vocabulary,
        names=tuple(vocabulary.names[index] for index in kept),
        prompts=tuple(vocabulary.prompts[index] for index in kept),
        colors=vocabulary.colors[kept],
        embeddings=vocabulary.embeddings[vocabulary.label_of_text != label],
        texts_of_label=tuple(texts[index] for index in kept) if texts else (),
    )
