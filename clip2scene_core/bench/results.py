"""Records that the results of both benches hold: splits, the teacher, differences."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clip2scene_core.bench.statistics import PairedDifference


@dataclass(frozen=True)
class SplitSize:
    """Size of one split.

    Attributes:
        name: Name of the split, for example "train".
        num_scenes: Number of scenes.
        num_keyframes: Number of keyframes in these scenes.
    """

    name: str
    num_scenes: int
    num_keyframes: int


@dataclass(frozen=True)
class SplitCounts(SplitSize):
    """Size of one split, by class too.

    Attributes:
        points_per_class: (16,) number of labelled points of each class.
        scenes_per_class: (16,) number of scenes that show each class.
    """

    points_per_class: tuple[int, ...]
    scenes_per_class: tuple[int, ...]


@dataclass(frozen=True)
class TextGroup:
    """Retrieval of texts of one group by the teacher: which text fits a picture?

    Attributes:
        name: Name of the group, for example "held-out synonyms".
        recall: Share in [0, 1] of the pictures to which the right text was the nearest.
        chance: Share in [0, 1] that guessing reaches.
        num_texts: Number of texts.
    """

    name: str
    recall: float
    chance: float
    num_texts: int


@dataclass(frozen=True)
class ClipResult:
    """Scores of the teacher on the test split, in [0, 1].

    Attributes:
        name: Name of the CLIP, as in a configuration.
        digest: SHA-256 of its file; "" for a CLIP that open_clip downloads.
        num_pictures: Number of whole pictures that it classified: 16 classes and the sky.
        accuracy: Share of the pictures with the right class.
        recall: (16,) share of the pictures of each class with the right class.
        mean_iou: Mean IoU of labelled pixels over 16 classes.
        iou: (16,) IoU of labelled pixels of each class.
        groups: Retrieval of other texts.
        unread: Texts with words that it does not know.
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
        other: Name of the labeller that is subtracted.
        points: "all points", "points in view", or a column of Table 2.
        paired: Difference with its errors, in [-1, 1].
    """

    one: str
    other: str
    points: str
    paired: PairedDifference
