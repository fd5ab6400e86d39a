"""Confusion counts by scene of students, their teacher, networks and rules.

A labeller gives labels to the points of a sample. `count_scenes` counts several labellers at once.
Each `score_` function makes its labellers of checkpoints (`weights`) and counts them on the scenes
`test`, which have labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.bench.measure.labeller import Labeller, camera_segmenter_of, mode_of
from clip2scene_core.bench.measure.references import label_by_class_images, majority_class
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.bench.statistics import SceneCounts
from clip2scene_core.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_finetuned,
    untrained_checkpoint,
)
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets import LabelledDataset, Sample
from clip2scene_core.evaluation import (
    Prediction,
    class_of_label,
    evaluate_together,
)
from clip2scene_core.inference.classifier_segmenter import ClassifierSegmenter
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.text_encoder import TextEncoder
from clip2scene_core.prompts.vocabulary import Vocabulary, classify, make_vocabulary
from clip2scene_core.world.dataset.ground_truth import read_class_images

TRAINED_WORDS: Final = "trained words"
"""Name of the labeller that is given the prompts of its own training."""

OTHER_WORDS: Final = "other words"
"""Name of the same student, given the prompts of another configuration."""

POINTS: Final = {"all": "all points", "seen": "points in view"}
"""Parts of the points that are counted, and their names in reports; a camera sees "seen"."""

Counts = dict[str, Any]
"""By labeller and part of POINTS, confusion counts (S, C, C + 1) by scene as nested lists."""

Parts = dict[str, SceneCounts]
"""Counts of one labeller, by part of POINTS."""

Labels = tuple[tuple[str, tuple[str, ...]], ...]
"""Classes with the texts of each, in the order of the texts in a student's training."""

_Predict = Callable[[Sample], Mapping[str, NDArray[np.uint8]]]
"""Takes a sample with N points. Returns labels (N,) uint8 by labeller."""


def count_scenes(
    predict: _Predict, dataset: LabelledDataset, trained_on_scene_tokens: tuple[str, ...] = ()
) -> Counts:
    """Count labellers on every keyframe of a labelled data set.

    Args:
        predict: Labels one sample by all labellers.
        dataset: S scenes, opened with labels.
        trained_on_scene_tokens: Scenes that no labeller may be measured on.

    Raises:
        EvaluationError: If a scene was trained on.
    """
    reports = evaluate_together(
        lambda sample: {name: Prediction(labels) for name, labels in predict(sample).items()},
        dataset,
        trained_on_scene_tokens=trained_on_scene_tokens,
    )
    return {
        name: {
            "all": [scene.confusion.counts.tolist() for scene in report.scenes.values()],
            "seen": [scene.seen.counts.tolist() for scene in report.scenes.values()],
        }
        for name, report in reports.items()
    }


def stack_seeds(counts: Sequence[Mapping[str, Any]]) -> Parts:
    """Stack the counts of one labeller with K seeds, each by part of POINTS."""
    return {part: SceneCounts.of_seeds([one[part] for one in counts]) for part in POINTS}


def fix_counts(counts: Mapping[str, Any]) -> Parts:
    """Take the counts of a labeller without seeds, by part of POINTS."""
    return {part: SceneCounts.fixed(counts[part]) for part in POINTS}


def score_rules(train: Scenes, test: Scenes) -> Counts:
    """Count rules: "majority", the most frequent class of `train`, and "perfect 2D" labels."""
    majority = majority_class(train.open(with_labels=True, with_images=False))

    def predict(sample: Sample) -> dict[str, NDArray[np.uint8]]:
        return {
            "majority": np.full(len(sample.keyframe.points), majority, dtype=np.uint8),
            "perfect 2D": label_by_class_images(sample, read_class_images(test.root, sample)),
        }

    return count_scenes(predict, test.open(with_labels=True))


def score_teacher(config: PretrainConfig, test: Scenes, device: str) -> Counts:
    """Count the teacher of a configuration alone, as TRAINED_WORDS.

    Each point has the label of its pixel. A point in no view has no label.
    """
    vocabulary, look = make_teacher(config, device)
    classes = class_of_label(vocabulary.names)

    def predict(sample: Sample) -> dict[str, NDArray[np.uint8]]:
        probabilities, in_view = look(sample)
        labels = classes[classify(probabilities)[0]]
        labels[~in_view] = IGNORE_LABEL
        return {TRAINED_WORDS: labels}

    return count_scenes(predict, test.open(with_labels=True))


def make_teacher(
    config: PretrainConfig, device: str
) -> tuple[Vocabulary, Callable[[Sample], tuple[Tensor, NDArray[np.bool_]]]]:
    """Make the teacher of a configuration, projected onto points.

    Returns:
        The C labels, and a function from a sample with N points to probabilities (N, C) float32 and
        which points are in view (N,) bool; the probabilities of others mean nothing.
    """
    encoder = TextEncoder(config.teacher.clip, device)
    vocabulary = make_vocabulary(
        config.prompts, encoder(config.texts), config.classes, config.texts_of_label
    )
    camera = camera_segmenter_of(config.teacher, encoder.clip)

    def look(sample: Sample) -> tuple[Tensor, NDArray[np.bool_]]:
        pairs = camera.embed_pairs([sample.keyframe], sample.cameras)
        num_points = len(sample.keyframe.points)
        by_text, in_view = camera.compare(pairs, num_points, vocabulary.embeddings)
        return vocabulary.merge(by_text), np.asarray(in_view)

    return vocabulary, look


def score_students(weights: Sequence[Path], test: Scenes) -> Counts:
    """Count students of one configuration, their teacher, and both together.

    Returns:
        Counts of "camera", and of "lidar 0", "fused 0" and so on.
    """
    checkpoints = [load_checkpoint(path) for path in weights]
    labeller = Labeller(checkpoints, checkpoints[0].config.teacher.scales)
    return count_scenes(
        lambda sample: labeller.label(labeller.look(sample), labeller.vocabulary),
        test.open(with_labels=True),
        _scenes_of(checkpoints),
    )


def score_networks(weights: Sequence[Path], test: Scenes) -> Counts:
    """Count networks without cameras, each with the prompts of its training, as "lidar 0", ..."""
    return count_networks(weights, test.open(with_labels=True))


def count_networks(weights: Sequence[Path], dataset: LabelledDataset) -> Counts:
    """Count the same networks on any data set that was opened with labels."""
    checkpoints = [load_checkpoint(path) for path in weights]
    labellers = [
        _network(checkpoint, {mode_of("lidar", number): checkpoint.vocabulary})
        for number, checkpoint in enumerate(checkpoints)
    ]
    return count_scenes(_all_of(labellers), dataset, _scenes_of(checkpoints))


def score_untrained(
    weights: Path, seeds: Mapping[str, int], test: Scenes, device: str = "cpu"
) -> Counts:
    """Count the network of a checkpoint with random weights; `seeds` are by labeller."""
    trained = load_checkpoint(weights)
    labellers = [
        _network(untrained_checkpoint(trained, seed), {name: trained.vocabulary}, device)
        for name, seed in seeds.items()
    ]
    return count_scenes(_all_of(labellers), test.open(with_labels=True))


def score_words(
    weights: Path, test: Scenes, labels: Labels, other: PretrainConfig | None, device: str
) -> Counts:
    """Count one student without cameras, with the prompts of its training and with others.

    Args:
        weights: Checkpoint.
        test: Scenes with labels.
        labels: Classes of the texts that it was trained with; () if its texts are the classes.
        other: Configuration with other prompts; None for none.
        device: Device of the network.

    Returns:
        Counts of TRAINED_WORDS and, with `other`, of OTHER_WORDS.
    """
    checkpoint = load_checkpoint(weights)
    vocabularies = {TRAINED_WORDS: _grouped(checkpoint, labels)}
    if other is not None:
        encoder = TextEncoder(other.teacher.clip, device, taught_with=checkpoint.vocabulary)
        vocabularies[OTHER_WORDS] = make_vocabulary(
            other.prompts, encoder(other.texts), other.classes, other.texts_of_label
        )
    return count_scenes(
        _network(checkpoint, vocabularies, device),
        test.open(with_labels=True),
        checkpoint.scene_tokens,
    )


def score_finetuned(weights: Path, test: Scenes, device: str) -> Counts:
    """Count a fine-tuned network, as TRAINED_WORDS."""
    checkpoint = load_finetuned(weights)
    segmenter = ClassifierSegmenter(
        checkpoint, device, min_range_m=0.0, ego_radius_m=0.0, max_range_m=1e4
    )
    classes = class_of_label(segmenter.class_names)
    return count_scenes(
        lambda sample: {TRAINED_WORDS: classes[segmenter.segment(sample.keyframe.points).labels]},
        test.open(with_labels=True),
        checkpoint.scene_tokens,
    )


def _network(
    checkpoint: Checkpoint, vocabularies: Mapping[str, Vocabulary], device: str = "cpu"
) -> _Predict:
    """Make a labeller of each vocabulary; the network embeds the points once for all of them."""
    segmenter = Segmenter(checkpoint, device)
    classes = {name: class_of_label(one.names) for name, one in vocabularies.items()}

    def predict(sample: Sample) -> dict[str, NDArray[np.uint8]]:
        points = sample.keyframe.points
        finite = np.asarray(np.isfinite(points[:, :3]).all(axis=1))
        embeddings = segmenter.embed(points[finite])
        predicted = {}
        for name, vocabulary in vocabularies.items():
            compared = segmenter.compare(embeddings, vocabulary.embeddings)
            labels: NDArray[Any] = np.full(len(points), IGNORE_LABEL, dtype=np.uint8)
            labels[finite] = classes[name][classify(vocabulary.merge(compared))[0]]
            predicted[name] = labels
        return predicted

    return predict


def _all_of(labellers: Sequence[_Predict]) -> _Predict:
    return lambda sample: {
        name: labels for predict in labellers for name, labels in predict(sample).items()
    }


def _grouped(checkpoint: Checkpoint, labels: Labels) -> Vocabulary:
    """Group the prompts of a student's training by the classes that they count as."""
    if not labels:
        return checkpoint.vocabulary
    return make_vocabulary(
        [" | ".join(texts) for _, texts in labels],
        checkpoint.vocabulary.embeddings,
        [name for name, _ in labels],
        texts_of_label=[texts for _, texts in labels],
    )


def _scenes_of(checkpoints: Sequence[Checkpoint]) -> tuple[str, ...]:
    return tuple(token for checkpoint in checkpoints for token in checkpoint.scene_tokens)
