"""Open-vocabulary queries: prompts at test time that the student was not trained with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.statistics import Statistic, balanced_accuracy, class_iou, mean_iou
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.world.dataset.ground_truth import SceneObjects

SYNONYMS: Final = {
    "barrier": "barricade",
    "bicycle": "bike",
    "bus": "coach",
    "car": "automobile",
    "construction vehicle": "digger",
    "motorcycle": "motorbike",
    "pedestrian": "person",
    "traffic cone": "road cone",
    "trailer": "semi-trailer",
    "truck": "lorry",
    "driveable surface": "street",
    "other flat": "median strip",
    "sidewalk": "pavement",
    "terrain": "lawn",
    "manmade": "house",
    "vegetation": "plant",
}
"""For each class, a word that is neither its name nor its prompt in training."""

HELD_OUT: Final = {
    "barrier": "construction barrier",
    "bicycle": "bike with a rider",
    "bus": "motorcoach",
    "construction vehicle": "digger machine",
    "motorcycle": "person riding a motorbike",
    "traffic cone": "construction cone",
    "trailer": "truck trailer",
    "truck": "motortruck",
    "driveable surface": "city street",
    "other flat": "median island",
    "sidewalk": "paved footpath",
    "terrain": "grass lawn",
    "manmade": "brick building",
    "vegetation": "bush with leaves",
}
"""Synonyms that are in no caption of the small CLIP's training. A class without one keeps its
prompt."""

GROUPS: Final = {
    "vehicle": ("car", "van", "bus", "truck", "trailer", "excavator"),
    "two-wheeler": ("bicycle", "motorcycle", "cyclist", "motorcyclist"),
    "person": ("pedestrian", "person", "man", "woman"),
    "flat": ("road", "sidewalk", "traffic island"),
    "nature": ("grass", "tree", "bush", "hedge"),
    "manmade": ("building", "wall", "fence", "pole", "barrier", "traffic cone"),
}
"""Coarse groups, each with several prompts."""

_CLASSES_OF_GROUP: Final = {
    "vehicle": ("car", "bus", "truck", "trailer", "construction vehicle"),
    "two-wheeler": ("bicycle", "motorcycle"),
    "person": ("pedestrian",),
    "flat": ("driveable surface", "sidewalk", "other flat"),
    "nature": ("terrain", "vegetation"),
    "manmade": ("manmade", "barrier", "traffic cone"),
}
CAR_COLORS: Final = ("red", "white")
MACHINES: Final = {
    "excavator": "excavator", "wheel loader": "loader", "road roller": "road roller",
}  # fmt: skip
"""Prompts for kinds of one class, construction vehicle, and the word of each in the world."""

PARTS: Final = {
    "fence": "manmade",
    "wall": "manmade",
    "street lamp": "manmade",
    "traffic light": "manmade",
    "bus shelter": "manmade",
    "hedge": "vegetation",
}
"""Prompts, which are also words of the world, and the class of which each is a part."""

_NAMES: Final = tuple(c.name for c in NUSCENES_CLASSES)

GroundTruth = Callable[[NDArray[np.uint8], SceneObjects], NDArray[np.uint8]]
"""Takes true classes (N,) uint8 and objects of a sweep. Returns true answers (N,) uint8,
IGNORE_LABEL for points that do not count."""


@dataclass(frozen=True)
class QueryMetric:
    """One number that a query is measured by.

    Attributes:
        name: Name in a report.
        statistic: Computed from the confusion counts of the answers.
        chance: Value of `statistic` for answers without knowledge; None where it has none.
    """

    name: str
    statistic: Statistic
    chance: Statistic | None = None


@dataclass(frozen=True)
class OpenVocabularyQuery:
    """One set of prompts that is given at test time.

    Attributes:
        name: Short name in small letters.
        prompts: P texts, or several texts with bars between that make one label.
        answers: Names of A answers.
        answer_of_prompt: (P,) uint8, index of the answer of each prompt.
        ground_truth: Gives the true answers.
        metrics: What the answers are measured by.
        against: Name of the query with the prompts of training and the same answers; None if there
            is none.
        first_drawn: Index of the first answer whose points are drawn in pictures.
    """

    name: str
    prompts: tuple[str, ...]
    answers: tuple[str, ...]
    answer_of_prompt: NDArray[np.uint8]
    ground_truth: GroundTruth
    metrics: tuple[QueryMetric, ...]
    against: str | None = None
    first_drawn: int = 0


def make_queries(trained_prompts: Sequence[str]) -> tuple[OpenVocabularyQuery, ...]:
    """Build all queries.

    Args:
        trained_prompts: Prompts of the student's training, one for each of the 16 classes; each
            is a text, or several with bars between.

    Raises:
        ValueError: If there are not 16 prompts.
    """
    trained = tuple(trained_prompts)
    if len(trained) != len(_NAMES):
        raise ValueError(
            f"queries need a student of {len(_NAMES)} nuScenes classes, got {len(trained)} prompts"
        )
    return (
        _classes("trained prompts", trained, None),
        _classes("synonyms", tuple(SYNONYMS[name] for name in _NAMES), "trained prompts"),
        _classes("synonyms that no caption used", _held_out(trained), "trained prompts"),
        _groups("trained prompts, grouped", trained, _group_of_class(), None),
        _grouped_prompts(),
        _car_colors(),
        _machines(),
        _parts(trained),
    )


def _classes(name: str, prompts: tuple[str, ...], against: str | None) -> OpenVocabularyQuery:
    return OpenVocabularyQuery(
        name,
        prompts,
        _NAMES,
        np.arange(len(_NAMES), dtype=np.uint8),
        lambda labels, objects: labels,
        (QueryMetric("mean IoU of the 16 classes", mean_iou),),
        against,
    )


def _held_out(trained: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(HELD_OUT.get(name, prompt) for name, prompt in zip(_NAMES, trained, strict=True))


def _grouped_prompts() -> OpenVocabularyQuery:
    prompts = tuple(prompt for group in GROUPS.values() for prompt in group)
    sizes = [len(group) for group in GROUPS.values()]
    group_of_prompt = np.repeat(np.arange(len(sizes), dtype=np.uint8), sizes)
    return _groups("groups of prompts", prompts, group_of_prompt, "trained prompts, grouped")


def _groups(
    name: str,
    prompts: tuple[str, ...],
    group_of_prompt: NDArray[np.uint8],
    against: str | None,
) -> OpenVocabularyQuery:
    lookup = _with_ignore(_group_of_class())
    return OpenVocabularyQuery(
        name,
        prompts,
        tuple(GROUPS),
        group_of_prompt,
        lambda labels, objects: lookup[labels],
        (QueryMetric(f"mean IoU of {len(GROUPS)} groups", mean_iou),),
        against,
    )


def _car_colors() -> OpenVocabularyQuery:
    car = _NAMES.index("car")

    def ground_truth(labels: NDArray[np.uint8], objects: SceneObjects) -> NDArray[np.uint8]:
        answers = _answers_by_object(objects, [(color,) for color in CAR_COLORS], objects.colors)
        answers[labels != car] = IGNORE_LABEL
        return answers

    return _alternatives(
        "car split by colour",
        tuple(f"{color} car" for color in CAR_COLORS),
        ground_truth,
        "red or white, on points of red and white cars",
    )


def _machines() -> OpenVocabularyQuery:
    machine = _NAMES.index("construction vehicle")

    def ground_truth(labels: NDArray[np.uint8], objects: SceneObjects) -> NDArray[np.uint8]:
        answers = _answers_by_object(
            objects, [(word,) for word in MACHINES.values()], objects.words
        )
        answers[labels != machine] = IGNORE_LABEL
        return answers

    return _alternatives(
        "construction vehicle split by kind",
        tuple(MACHINES),
        ground_truth,
        f"{', '.join(MACHINES)}: which, on points of construction vehicles",
    )


def _alternatives(
    name: str, prompts: tuple[str, ...], ground_truth: GroundTruth, asked: str
) -> OpenVocabularyQuery:
    """Make a query whose every prompt is an answer, measured by the balanced accuracy."""

    def chance(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.full(counts.shape[:-2], 1 / len(prompts))

    return OpenVocabularyQuery(
        name,
        prompts,
        prompts,
        np.arange(len(prompts), dtype=np.uint8),
        ground_truth,
        (QueryMetric(f"balanced accuracy, {asked}", balanced_accuracy, chance),),
    )


def _parts(trained: tuple[str, ...]) -> OpenVocabularyQuery:
    first = len(trained)
    texts = [[text.strip() for text in prompt.split("|")] for prompt in trained]
    # A word that training gave to a class stands here for its own thing.
    others = [" | ".join(text for text in own if text not in PARTS) for own in texts]
    named = {text for own in texts for text in own}
    whole_of_part = np.array([_NAMES.index(name) for name in PARTS.values()], dtype=np.uint8)

    def ground_truth(labels: NDArray[np.uint8], objects: SceneObjects) -> NDArray[np.uint8]:
        part = _answers_by_object(objects, [(word,) for word in PARTS], objects.words)
        is_part = (part != IGNORE_LABEL) & (labels == _with_ignore(whole_of_part)[part])
        return np.where(is_part, part + np.uint8(first), labels).astype(np.uint8)

    answers = (*_NAMES, *PARTS)
    return OpenVocabularyQuery(
        "parts of classes",
        (*others, *PARTS),
        answers,
        np.arange(len(answers), dtype=np.uint8),
        ground_truth,
        tuple(
            QueryMetric(
                f'IoU of "{part}", {"a" if part in named else "no"} word of training',
                *_iou_and_chance(first + number, _NAMES.index(whole), first),
            )
            for number, (part, whole) in enumerate(PARTS.items())
        ),
        first_drawn=first,
    )


def _iou_and_chance(answer: int, whole: int, first: int) -> tuple[Statistic, Statistic]:
    """Give the IoU of an answer that is a part of class `whole`, and its chance: all of `whole`.

    Answers from `first` on are parts.
    """
    parts = [first + n for n, name in enumerate(PARTS.values()) if _NAMES.index(name) == whole]

    def iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(class_iou(counts)[..., answer])

    def chance(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        points = counts.sum(axis=-1)
        return np.asarray(
            points[..., answer] / np.maximum(points[..., [whole, *parts]].sum(axis=-1), 1)
        )

    return iou, chance


def _answers_by_object(
    objects: SceneObjects, wanted: Sequence[tuple[str, ...]], named: Sequence[str]
) -> NDArray[np.uint8]:
    """Give each point the index of the wanted word of its object, IGNORE_LABEL if it has none."""
    answer_of_word = {word: number for number, words in enumerate(wanted) for word in words}
    of_object = [answer_of_word.get(word, IGNORE_LABEL) for word in named]
    # Index -1, no object, reads the last entry.
    answers: NDArray[np.uint8] = np.array([*of_object, IGNORE_LABEL], dtype=np.uint8)[objects.index]
    return answers


def _group_of_class() -> NDArray[np.uint8]:
    group_of = {name: g for g, names in enumerate(_CLASSES_OF_GROUP.values()) for name in names}
    return np.array([group_of[name] for name in _NAMES], dtype=np.uint8)


def _with_ignore(answer_of_label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Extend a table to all 256 labels."""
    table = np.full(256, IGNORE_LABEL, dtype=np.uint8)
    table[: len(answer_of_label)] = answer_of_label
    return table
