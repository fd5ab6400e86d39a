"""Count what pre-trained students, and what they are read against, get right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.evaluations import Counts, count
from clip2scene_core.bench.tables.plan import Labels
from clip2scene_core.bench.tables.scenes import Scenes
from clip2scene_core.camera_segmenter import DEFAULT_OCCLUSION_MARGIN_M, CameraSegmenter
from clip2scene_core.checkpoint import Checkpoint, load_checkpoint, untrained_checkpoint
from clip2scene_core.classifier_segmenter import ClassifierSegmenter
from clip2scene_core.config import PretrainConfig
from clip2scene_core.datasets import Sample
from clip2scene_core.evaluation import class_of_label
from clip2scene_core.finetuned_checkpoint import load_finetuned
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompt_encoder import PromptEncoder
from clip2scene_core.segmenter import Segmenter
from clip2scene_core.training.teaching import dense_clip_of
from clip2scene_core.vocabulary import Vocabulary, classify, make_vocabulary

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
        encoder = PromptEncoder(other.teacher.clip, device, taught_with=checkpoint.vocabulary)
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
    encoder = PromptEncoder(teacher.clip, device)
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
