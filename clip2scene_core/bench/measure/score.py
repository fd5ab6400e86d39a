"""Evaluate students and references on the test split; what comes out is counts by scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.measure.labeller import Labeller, mode_of
from clip2scene_core.bench.measure.references import label_by_class_images, majority_class
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_finetuned,
    untrained_checkpoint,
)
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets import NuScenesDataset, Sample
from clip2scene_core.evaluation import (
    LabelledDataset,
    Prediction,
    Report,
    class_of_label,
    evaluate_together,
)
from clip2scene_core.inference.camera_segmenter import (
    DEFAULT_OCCLUSION_MARGIN_M,
    CameraSegmenter,
)
from clip2scene_core.inference.segmenter import ClassifierSegmenter, Segmenter
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.text_encoder import TextEncoder
from clip2scene_core.prompts.vocabulary import Vocabulary, classify, make_vocabulary
from clip2scene_core.training.pretrain.prepare import dense_clip_of
from clip2scene_core.world.dataset.ground_truth import read_class_images

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


TRAINED_WORDS = "trained words"


OTHER_WORDS = "other words"


def score_student(
    weights: Path, scenes: Scenes, labels: Labels, other: PretrainConfig | None, device: str
) -> Counts:
    """Count what one student gets right without cameras.

    Args:
        weights: Its checkpoint.
        scenes: With labels.
        labels: The classes that its texts count as; () if its texts are the classes.
        other: Its prompts are asked too, if it is given.
        device: Where to compute.

    Returns:
        Counts of TRAINED_WORDS and, with `other`, of OTHER_WORDS.
    """
    checkpoint = load_checkpoint(weights)
    vocabularies = {TRAINED_WORDS: _grouped(checkpoint, labels)}
    if other is not None:
        encoder = TextEncoder(other.teacher.clip, device, taught_with=checkpoint.vocabulary)
        vocabularies[OTHER_WORDS] = make_vocabulary(
            other.prompts, encoder(other.prompts), other.classes
        )
    return count(
        _labeller(checkpoint, vocabularies, device),
        scenes.open(with_labels=True),
        checkpoint.scene_tokens,
    )


def score_untrained(weights: Path, seed: int, scenes: Scenes, device: str) -> Counts:
    """Count what the network of a checkpoint gets right with random weights.

    Returns:
        Counts of TRAINED_WORDS.
    """
    untrained = untrained_checkpoint(load_checkpoint(weights), seed)
    labeller = _labeller(untrained, {TRAINED_WORDS: untrained.vocabulary}, device)
    return count(labeller, scenes.open(with_labels=True))


def score_teacher(config: PretrainConfig, scenes: Scenes, device: str) -> Counts:
    """Count what the teacher's pixels say of the points that they show.

    Returns:
        Counts of TRAINED_WORDS; a point in no view has no label.
    """
    teacher = config.teacher
    encoder = TextEncoder(teacher.clip, device)
    text, classes = encoder(config.prompts), class_of_label(config.classes)
    margin_m = teacher.occlusion_margin_m
    camera = CameraSegmenter(
        dense_clip_of(teacher, encoder.clip),
        DEFAULT_OCCLUSION_MARGIN_M if margin_m is None else margin_m,
    )

    def predict(sample: Sample) -> dict[str, NDArray[np.uint8]]:
        pairs = camera.embed_pairs([sample.keyframe], sample.cameras)
        probabilities, in_view = camera.compare(pairs, len(sample.keyframe.points), text)
        labels = classes[classify(probabilities)[0]]
        labels[~np.asarray(in_view)] = IGNORE_LABEL
        return {TRAINED_WORDS: labels}

    return count(predict, scenes.open(with_labels=True))


def score_finetuned(weights: Path, scenes: Scenes, device: str) -> Counts:
    """Count what a fine-tuned network gets right.

    Returns:
        Counts of TRAINED_WORDS.
    """
    checkpoint = load_finetuned(weights)
    segmenter = ClassifierSegmenter(checkpoint, device)
    classes = class_of_label(segmenter.class_names)
    return count(
        lambda sample: {TRAINED_WORDS: classes[segmenter.segment(sample.keyframe.points).labels]},
        scenes.open(with_labels=True),
        checkpoint.scene_tokens,
    )


def _labeller(
    checkpoint: Checkpoint, vocabularies: dict[str, Vocabulary], device: str
) -> Callable[[Sample], dict[str, NDArray[np.uint8]]]:
    segmenter = Segmenter(checkpoint, device)
    classes = {name: class_of_label(one.names) for name, one in vocabularies.items()}

    def predict(sample: Sample) -> dict[str, NDArray[np.uint8]]:
        points = sample.keyframe.points
        finite = np.asarray(np.isfinite(points).all(axis=1))
        embeddings = segmenter.embed(points[finite])
        predicted = {}
        for name, vocabulary in vocabularies.items():
            compared = segmenter.compare(embeddings, vocabulary.embeddings)
            labels: NDArray[Any] = np.full(len(points), IGNORE_LABEL, dtype=np.uint8)
            labels[finite] = classes[name][classify(vocabulary.merge(compared))[0]]
            predicted[name] = labels
        return predicted

    return predict


def _grouped(checkpoint: Checkpoint, labels: Labels) -> Vocabulary:
    """The words that a student was trained with, under the classes that they count as."""
    if not labels:
        return checkpoint.vocabulary
    return make_vocabulary(
        [" | ".join(texts) for _, texts in labels],
        checkpoint.vocabulary.embeddings,
        [name for name, _ in labels],
        texts_of_label=[texts for _, texts in labels],
    )


Labels = tuple[tuple[str, tuple[str, ...]], ...]
"""Classes and the texts of each, in the order in which a student was trained with them."""
