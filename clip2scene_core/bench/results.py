"""What the benchmarks of the world and of the tables both report, as records for JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clip2scene_core.bench.statistics import PairedDifference


@dataclass(frozen=True)
class SplitCounts:
    """Scenes that were used.

    Attributes:
        name: "train" or "test".
        num_scenes: How many drives.
        num_keyframes: How many keyframes in them.
        points_per_class: (16,) labelled points by class.
        scenes_per_class: (16,) scenes that show the class.
    """

    name: str
    num_scenes: int
    num_keyframes: int
    points_per_class: tuple[int, ...]
    scenes_per_class: tuple[int, ...]


@dataclass(frozen=True)
class TextGroup:
    """Texts that a CLIP had to find the pictures of.

    Attributes:
        name: For example "held-out synonyms".
        recall: Share of the pictures to which the right text was nearest.
        chance: The same for guessing.
        num_texts: How many texts.
    """

    name: str
    recall: float
    chance: float
    num_texts: int


@dataclass(frozen=True)
class ClipResult:
    """What the teacher knows of the test split, in [0, 1].

    Attributes:
        name: As configurations name it.
        digest: SHA-256 of its file; "" if it is not the project's own.
        num_pictures: Whole pictures that it named by 16 classes and the sky.
        accuracy: Share of them that it named rightly.
        recall: (16,) the same by class.
        mean_iou: Of labelled pixels, over 16 classes.
        iou: (16,) the same by class.
        groups: Other texts.
        unread: Texts that it could not read.
    """

    name: str
    digest: str
    num_pictures: int
    accuracy: float
    recall: tuple[float, ...]
    mean_iou: float
    iou: tuple[float, ...]
    groups: tuple[TextGroup, ...]
    unread: tuple[str, ...]

    @property
    def accuracy_error(self) -> float:
        """Standard error of the accuracy, from the number of pictures (binomial)."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.num_pictures)


@dataclass(frozen=True)
class Difference:
    """Mean IoU of one labeller minus that of another.

    Attributes:
        one: Name of a labeller.
        other: Name of the one that is subtracted.
        points: "all points" or "points in view".
        paired: The difference.
    """

    one: str
    other: str
    points: str
    paired: PairedDifference


@dataclass(frozen=True)
class StageTime:
    """How long one stage took, and the code that ran it."""

    name: str
    seconds: float
    commit: str
