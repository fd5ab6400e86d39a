"""Evaluate a CLIP on the synthetic world: whole pictures, texts, and pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.evaluation import ConfusionMatrix
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.teacher.clip import Clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.prompting.prompts import embed_prompts
from clip2scene_core.teacher.score import embed_pictures, label_pixels, nearest_prompt, unreadable
from clip2scene_core.world.captions.pictures import Picture
from clip2scene_core.world.captions.questions import (
    CLASS_NAMES,
    CLASS_PROMPTS,
    Question,
    questions_about,
)
from clip2scene_core.world.dataset.ground_truth import read_class_images


@dataclass(frozen=True)
class QuestionRecall:
    """Recall of one question: which text fits the pictures?

    Attributes:
        question: Pictures, the right text, and wrong ones.
        recall: Share in [0, 1] of the pictures to which the right text was the nearest (recall@1).
    """

    question: Question
    recall: float

    @property
    def chance(self) -> float:
        """Recall of guessing."""
        return 1 / len(self.question.texts)


@dataclass(frozen=True)
class PictureScores:
    """Scores of a CLIP on whole pictures.

    Attributes:
        confusion: Zero-shot classification of the dominant object: 16 classes and the sky.
        answers: Recalls of the questions about synonyms and compositions.
        unread: Texts that it could not read; their recall is 0.
    """

    confusion: ConfusionMatrix
    answers: tuple[QuestionRecall, ...]
    unread: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share in [0, 1] of the pictures with the right class."""
        return float(self.confusion.counts.trace() / self.confusion.counts.sum())

    @property
    def class_recall(self) -> NDArray[np.float64]:
        """(17,) float64, share of each class's pictures with the right class; NaN without any."""
        pictures = self.confusion.points_per_class
        recall = np.full(len(pictures), np.nan)
        np.divide(self.confusion.counts.diagonal(), pictures, out=recall, where=pictures > 0)
        return recall

    def group_recall(self) -> dict[str, tuple[float, float, int]]:
        """Give recall, chance and number of texts of each group of questions.

        Every pair of text and picture has the same weight. In a mean over texts, those with few
        pictures would weigh too much.
        """
        groups: dict[str, list[QuestionRecall]] = {}
        for answer in self.answers:
            groups.setdefault(answer.question.group, []).append(answer)
        recalls = {}
        for group, answers in groups.items():
            pictures = [len(answer.question.pictures) for answer in answers]
            recall = np.average([answer.recall for answer in answers], weights=pictures)
            chance = np.average([answer.chance for answer in answers], weights=pictures)
            recalls[group] = (float(recall), float(chance), len(answers))
        return recalls

    def as_dict(self) -> dict[str, object]:
        """Give all scores as values of JSON."""
        recalls = zip(CLASS_NAMES, self.class_recall, self.confusion.points_per_class, strict=True)
        return {
            "num_pictures": int(self.confusion.counts.sum()),
            "zero_shot": {
                "accuracy": self.accuracy,
                "class_mean": float(np.nanmean(self.class_recall)),
                "chance": 1 / len(CLASS_NAMES),
                "classes": {
                    name: {"recall": float(recall), "num_pictures": int(pictures)}
                    for name, recall, pictures in recalls
                    if pictures
                },
            },
            "groups": {
                group: {"recall": recall, "chance": chance, "num_texts": count}
                for group, (recall, chance, count) in self.group_recall().items()
            },
            "texts": [
                {
                    "group": answer.question.group,
                    "text": answer.question.texts[0],
                    "recall": answer.recall,
                    "chance": answer.chance,
                    "num_pictures": len(answer.question.pictures),
                }
                for answer in self.answers
            ],
            "unread": list(self.unread),
        }

    def format_report(self) -> str:
        """Write the tables of classes, of groups, and of every held-out text."""
        lines = [f"{'zero-shot class':<32}  recall [%]  chance [%]  pictures"]
        chance = 1 / len(CLASS_NAMES)
        total = int(self.confusion.counts.sum())
        recalls = zip(CLASS_NAMES, self.class_recall, self.confusion.points_per_class, strict=True)
        lines += [_row(name, recall, chance, pictures) for name, recall, pictures in recalls]
        lines.append(_row("class mean", float(np.nanmean(self.class_recall)), chance, total))
        lines.append(_row("accuracy", self.accuracy, chance, total))
        lines.append(f"\n{'recall@1 of texts':<32}  recall [%]  chance [%]     texts")
        lines += [_row(group, *values) for group, values in self.group_recall().items()]
        lines.append(f"\n{'text never used in training':<32}  recall [%]  chance [%]  pictures")
        lines += [
            _row(
                answer.question.texts[0],
                answer.recall,
                answer.chance,
                len(answer.question.pictures),
            )
            for answer in self.answers
            if answer.question.group.startswith("held-out")
        ]
        if self.unread:
            lines.append(f"\nnever found, because it cannot read them: {', '.join(self.unread)}")
        return "\n".join(lines)


def evaluate_pictures(clip: Clip, pictures: Iterable[Picture]) -> PictureScores:
    """Classify pictures with known ground truth, and find texts; captions are not used.

    Args:
        clip: A CLIP.
        pictures: Held-out pictures of one size.

    Returns:
        The scores. The class of a picture is that of its dominant object: the largest area, times
        its salience.

    Raises:
        ValueError: If there is no picture, or the CLIP can read no prompt of a class.
    """
    kept = list(pictures)
    if not kept:
        raise ValueError("no picture to score on; ask for at least one")
    embeddings = embed_pictures(clip, np.stack([picture.image for picture in kept]))
    ground_truth = [picture.shown for picture in kept]
    confusion = ConfusionMatrix(len(CLASS_PROMPTS))
    confusion.add(
        np.array([shown[0].label for shown in ground_truth], dtype=np.uint8),
        nearest_prompt(clip, embeddings, CLASS_PROMPTS).astype(np.uint8),
    )
    questions = questions_about(ground_truth)
    unread = unreadable(clip, [*CLASS_PROMPTS, *(question.texts[0] for question in questions)])
    answers = []
    for question in questions:
        recall = 0.0
        if question.texts[0] not in unread:
            nearest = nearest_prompt(clip, embeddings[list(question.pictures)], question.texts)
            recall = float(np.mean(nearest == 0))
        answers.append(QuestionRecall(question, recall))
    return PictureScores(confusion, tuple(answers), tuple(unread))


def evaluate_pixels(
    dense_clip: DenseClip,
    root: Path,
    progress: Callable[[int, int], None] | None = None,
) -> ConfusionMatrix:
    """Label every pixel of a synthetic data set by the prompts of the 16 classes.

    Args:
        dense_clip: Teacher with the options of distillation.
        root: Root of a data set with class images, see `world/dataset/ground_truth.py`.
        progress: Called after each keyframe with (keyframes done, keyframes).

    Returns:
        Counts of pixels. Pixels without a class, such as those of the sky, are not counted.

    Raises:
        DatasetError: If the data set cannot be read or has no class images.
    """
    dataset = NuScenesDataset(root)
    text_embeddings = embed_prompts(dense_clip.clip, [c.prompt for c in NUSCENES_CLASSES])
    confusion = ConfusionMatrix(len(NUSCENES_CLASSES))
    for index in range(len(dataset)):
        sample = dataset[index]
        class_images = read_class_images(root, sample)
        for view, class_image in zip(sample.cameras, class_images, strict=True):
            predicted = label_pixels(dense_clip, view.image, text_embeddings)
            confusion.add(class_image.ravel(), predicted.ravel())
        if progress is not None:
            progress(index + 1, len(dataset))
    return confusion


def _row(name: str, recall: float, chance: float, count: int) -> str:
    shown = "-" if np.isnan(recall) else f"{100 * recall:.1f}"
    return f"{name:<32}  {shown:>10}  {100 * chance:10.1f}  {count:8d}"
