"""Records of the world bench, and the JSON file that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clip2scene_core.bench.json_dataclass import RecordFile
from clip2scene_core.bench.provenance import Provenance
from clip2scene_core.bench.results import ClipResult, Difference, SplitCounts
from clip2scene_core.bench.statistics import Measurement, PairedDifference


@dataclass(frozen=True)
class Score:
    """IoU of one labeller on the test split, in [0, 1].

    Attributes:
        labeller: Name of the labeller.
        mean_iou: Mean IoU over all labelled points.
        mean_iou_in_view: Mean IoU over the labelled points that a camera sees.
        iou: (16,) IoU of each class over all labelled points.
    """

    labeller: str
    mean_iou: Measurement
    mean_iou_in_view: Measurement
    iou: tuple[Measurement, ...]


@dataclass(frozen=True)
class QueryResult:
    """One metric of one open-vocabulary query in one mode, in [0, 1].

    Attributes:
        query: Name of the query.
        prompts: Prompts of the query.
        metric: Name of the metric.
        mode: "lidar", "camera" or "fused".
        measured: Value of the metric.
        chance: Value for answers without knowledge; None where it has none.
        against: Query with the prompts of training and the same answers; None if there is none.
        difference: Value minus that of `against`; None if there is none.
        picture: File of a picture of the answers in mode "lidar"; "" if there is none.
    """

    query: str
    prompts: tuple[str, ...]
    metric: str
    mode: str
    measured: Measurement
    chance: float | None
    against: str | None
    difference: PairedDifference | None
    picture: str


@dataclass(frozen=True)
class CorruptionResult:
    """Mean IoU under one corruption in one mode, in [0, 1].

    Attributes:
        kind: Kind of the corruption; "none" for the same keyframes as they are.
        strength: 1 (slight) to 5 (severe); 0 for "none".
        parameters: Physical numbers of the corruption, in words with units.
        mode: "lidar", "camera" or "fused".
        mean_iou: Mean IoU over the points that are left.
        difference: Mean IoU minus that of "none"; None for "none".
    """

    kind: str
    strength: int
    parameters: str
    mode: str
    mean_iou: Measurement
    difference: PairedDifference | None


@dataclass(frozen=True)
class Failure:
    """A class with a low IoU.

    Attributes:
        name: Name of the class.
        iou: IoU on the test split, in [0, 1].
        keyframe: Token of the keyframe with most errors of the class.
        file: File of the picture.
    """

    name: str
    iou: float
    keyframe: str
    file: str


@dataclass(frozen=True)
class StudentResult:
    """Students of one configuration, one for each seed, and their references.

    Attributes:
        name: Name of the configuration.
        digests: SHA-256 of the checkpoint of each seed.
        seeds: Seeds of the trainings.
        config: Configuration as nested JSON text, with the first seed.
        scores: Scores of student, student with cameras, teacher and references.
        differences: Differences between them.
        queries: Results of open-vocabulary queries, over all seeds.
        corruptions: Results under corruptions, of the first seed.
        failures: Classes with the lowest IoU of the first seed, lowest first.
    """

    name: str
    digests: tuple[str, ...]
    seeds: tuple[int, ...]
    config: str
    scores: tuple[Score, ...]
    differences: tuple[Difference, ...]
    queries: tuple[QueryResult, ...]
    corruptions: tuple[CorruptionResult, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class BenchResult(Provenance):
    """All numbers of the world bench.

    Attributes:
        splits: Sizes of the training data sets and of test.
        clip: Scores of the teacher.
        students: Results of each configuration.
        between: Differences between the students of the first configuration and of each other.
    """

    splits: tuple[SplitCounts, ...]
    clip: ClipResult
    students: tuple[StudentResult, ...]
    between: tuple[Difference, ...]


_FILE: Final = RecordFile("clip2scene-bench-world-2", lambda values: BenchResult)
save_result, load_result = _FILE.save, _FILE.load
