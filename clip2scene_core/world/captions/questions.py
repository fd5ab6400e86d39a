"""Questions to a CLIP about pictures with known ground truth: a right text among wrong texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.world.captions.captions import (
    HELD_OUT_COMPOSITIONS,
    HELD_OUT_SYNONYMS,
    SYNONYMS,
    WORD_SYNONYMS,
    Shown,
    colored,
)
from clip2scene_core.world.objects.palette import COLORS

CLASS_PROMPTS: Final = (*(c.prompt for c in NUSCENES_CLASSES), "sky")
"""One prompt for each label, including the sky."""

CLASS_NAMES: Final = (*(c.name for c in NUSCENES_CLASSES), "sky")
"""One name for each label, including the sky."""

COLORED_KINDS: Final = {
    "bicycle": 1, "bus": 2, "sedan": 3, "van": 3, "excavator": 4, "motorcycle": 5, "person": 6,
    "trailer": 8, "truck": 9,
}  # fmt: skip
"""Words of objects that are asked for by their colour, and their labels."""

Group = Literal["synonyms", "held-out synonyms", "compositions", "held-out compositions"]


@dataclass(frozen=True)
class Question:
    """A question: which of some texts fits these pictures best?

    Attributes:
        group: Group of the question.
        texts: The right text, then the wrong texts.
        pictures: Indices of the pictures of the question; at least one.
    """

    group: Group
    texts: tuple[str, ...]
    pictures: tuple[int, ...]


def questions_about(ground_truth: Sequence[Sequence[Shown]]) -> list[Question]:
    """Make questions for synonyms and for compositions, both trained and held out.

    A question for a synonym is about the pictures with its class, or its kind of object, as the
    most important one; the wrong texts are the prompts of all other classes. A question for a
    composition of colour and kind is about the pictures with such an object as the most important
    one; the wrong texts are the same kind in all other colours and the kinds of other classes in
    the same colour. Trained compositions have the colours and kinds of the held-out ones in other
    pairs, so that the two groups differ only in the training.

    Args:
        ground_truth: Classes in each picture, the most important first.

    Returns:
        The questions with at least one picture.
    """
    return [
        *_synonyms(ground_truth, "synonyms", _trained_synonyms()),
        *_synonyms(ground_truth, "held-out synonyms", _held_out_synonyms()),
        *_compositions(ground_truth),
    ]


def _trained_synonyms() -> list[tuple[str, str, str]]:
    """(class, kind or "", text) of every name in captions, without the prompts of the classes."""
    of_classes = [
        (row[0], "", text)
        for row in SYNONYMS
        for text in dict.fromkeys(row)
        if text not in CLASS_PROMPTS
    ]
    class_words = {text for row in SYNONYMS for text in row}
    of_kinds = [
        ("", kind, text)
        for kind, texts in WORD_SYNONYMS.items()
        for text in dict.fromkeys(texts)
        if text not in class_words
    ]
    return of_classes + of_kinds


def _held_out_synonyms() -> list[tuple[str, str, str]]:
    return [(name, kind, text) for name, kind, *texts in HELD_OUT_SYNONYMS for text in texts]


def _synonyms(
    ground_truth: Sequence[Sequence[Shown]], group: Group, entries: list[tuple[str, str, str]]
) -> list[Question]:
    questions = []
    for name, kind, text in entries:
        pictures = tuple(
            index
            for index, (shown, *_) in enumerate(ground_truth)
            if name in ("", CLASS_NAMES[shown.label]) and kind in ("", shown.word)
        )
        if pictures:
            label = ground_truth[pictures[0]][0].label
            others = (prompt for other, prompt in enumerate(CLASS_PROMPTS) if other != label)
            questions.append(Question(group, (text, *others), pictures))
    return questions


def _compositions(ground_truth: Sequence[Sequence[Shown]]) -> list[Question]:
    colors = sorted({color for color, _ in HELD_OUT_COMPOSITIONS})
    kinds = sorted({kind for _, kind in HELD_OUT_COMPOSITIONS})
    questions = []
    for color, kind in product(colors, kinds):
        pictures = tuple(
            index
            for index, (shown, *_) in enumerate(ground_truth)
            if (shown.color_name, shown.word) == (color, kind)
        )
        if pictures:
            is_held_out = (color, kind) in HELD_OUT_COMPOSITIONS
            group: Group = "held-out compositions" if is_held_out else "compositions"
            texts = (colored(kind, color), *_other_compositions(color, kind))
            questions.append(Question(group, texts, pictures))
    return questions


def _other_compositions(color: str, kind: str) -> list[str]:
    other_colors = [colored(kind, other) for other in COLORS if other != color]
    other_kinds = [
        colored(other, color)
        for other, label in COLORED_KINDS.items()
        if label != COLORED_KINDS[kind]
    ]
    return other_colors + other_kinds
