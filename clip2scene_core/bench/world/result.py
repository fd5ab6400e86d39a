"""What a bench found, as nouns that JSON can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clip2scene_core.bench.json_dataclass import load_record, save_record
from clip2scene_core.bench.results import ClipResult, Difference, SplitCounts, StageTime
from clip2scene_core.bench.statistics import Measurement, PairedDifference

FORMAT: Final = "clip2scene-bench-world-2"


@dataclass(frozen=True)
class Score:
    """What one labeller is worth on the test split, in [0, 1].

    Attributes:
        labeller: Its name.
        mean_iou: Over all labelled points.
        mean_iou_in_view: Over the points that a camera has in view.
        iou: (16,) over all labelled points.
    """

    labeller: str
    mean_iou: Measurement
    mean_iou_in_view: Measurement
    iou: tuple[Measurement, ...]


@dataclass(frozen=True)
class QueryResult:
    """One number of open vocabulary.

    Attributes:
        query: Which prompts were given.
        prompts: The prompts.
        question: What is measured.
        mode: "lidar", "camera" or "fused".
        measured: The number.
        chance: What knowing nothing about it scores; None where that means nothing.
        against: The query with the prompts of training that answers the same; None if there is not.
        difference: From `against`.
        picture: File of a picture of the answers in mode "lidar", "" if nothing was asked.
    """

    query: str
    prompts: tuple[str, ...]
    question: str
    mode: str
    measured: Measurement
    chance: float | None
    against: str | None
    difference: PairedDifference | None
    picture: str


@dataclass(frozen=True)
class Corrupted:
    """Mean IoU under one corruption.

    Attributes:
        kind: What fails; "none" for the same keyframes as they are.
        strength: 1 (slight) to 5 (severe); 0 for "none".
        parameters: The physical numbers, in words.
        mode: "lidar", "camera" or "fused".
        mean_iou: Over the points that are left.
        difference: From the same keyframes as they are; None for "none".
    """

    kind: str
    strength: int
    parameters: str
    mode: str
    mean_iou: Measurement
    difference: PairedDifference | None


@dataclass(frozen=True)
class Failure:
    """A class that the student does badly on.

    Attributes:
        name: The class.
        iou: Its IoU on the test split.
        keyframe: Where most of its points are wrong.
        file: The picture.
    """

    name: str
    iou: float
    keyframe: str
    file: str


@dataclass(frozen=True)
class StudentResult:
    """Students of one configuration, beside their references.

    Attributes:
        name: Of the configuration.
        digests: SHA-256 of each seed's checkpoint.
        seeds: Of training.
        config: The configuration as nested JSON text; the seed in it is the first one's.
        scores: Student, fused, teacher, references.
        differences: Between them.
        answers: Open vocabulary, over all seeds.
        corruptions: Of the first seed.
        failures: Of the first seed, worst first.
    """

    name: str
    digests: tuple[str, ...]
    seeds: tuple[int, ...]
    config: str
    scores: tuple[Score, ...]
    differences: tuple[Difference, ...]
    answers: tuple[QueryResult, ...]
    corruptions: tuple[Corrupted, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class BenchResult:
    """Everything that a bench found.

    Attributes:
        command: What was typed.
        date: When it was finished, ISO 8601, UTC.
        machine: Processor and versions.
        is_quick: A tiny run, whose numbers say nothing.
        classes: Names of the 16 classes.
        splits: Train and test.
        clip: The teacher.
        students: One for each configuration.
        between: Differences between the students of two configurations.
        stages: In the order of the work.
    """

    command: str
    date: str
    machine: str
    is_quick: bool
    classes: tuple[str, ...]
    splits: tuple[SplitCounts, ...]
    clip: ClipResult
    students: tuple[StudentResult, ...]
    between: tuple[Difference, ...]
    stages: tuple[StageTime, ...]


def save_result(path: Path, result: BenchResult) -> None:
    """Write JSON; besides the fields it holds what they imply: mean, spread, is_resolved."""
    save_record(path, FORMAT, result)


def load_result(path: Path) -> BenchResult:
    """Read JSON that `save_result` wrote.

    Raises:
        ResultError: If the file is missing or holds something else.
    """
    return load_record(path, FORMAT, lambda _: BenchResult)
