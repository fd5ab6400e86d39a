"""Record of the zero-shot table, and the JSON file that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clip2scene_core.bench.json_dataclass import RecordFile
from clip2scene_core.bench.results import Difference
from clip2scene_core.bench.statistics import Measurement
from clip2scene_core.bench.tables.result import TableProvenance


@dataclass(frozen=True)
class GroupScores:
    """Mean IoU of groups of classes, in [0, 1].

    Attributes:
        seen: Mean over the seen classes.
        unseen: Mean over the unseen classes.
        all: Mean over the classes of both groups.
        harmonic: hIoU, the harmonic mean of seen and unseen.
    """

    seen: Measurement
    unseen: Measurement
    all: Measurement
    harmonic: Measurement


@dataclass(frozen=True)
class ZeroShotResult:
    """One row of the table.

    Attributes:
        name: Name of the row.
        note: Note below the table; "" for none.
        settings: Changes to the configuration, KEY=VALUE.
        plain: Scores over all labelled points; the likeliest class of all wins.
        in_view: The same over the labelled points that a camera sees.
        penalty: What calibrated stacking subtracts: the best hIoU on the scenes `tune`, mean over
            the seeds.
        tried: hIoU on the scenes `tune` with each of `penalties`, mean over the seeds.
        stacked: Scores over all labelled points with that penalty.
        iou: (16,) IoU of each class over all labelled points, without stacking.
        train_seconds: Mean duration of one training in seconds; 0 without a training.
    """

    name: str
    note: str
    settings: tuple[str, ...]
    plain: GroupScores
    in_view: GroupScores
    penalty: float
    tried: tuple[float, ...]
    stacked: GroupScores
    iou: tuple[Measurement, ...]
    train_seconds: float


@dataclass(frozen=True)
class ZeroShotTable:
    """Zero-shot segmentation, without each of its parts.

    Attributes:
        run: How it was computed.
        unseen: Names of the unseen classes.
        protocol: "transductive" or "inductive".
        penalties: What calibrated stacking was tried with.
        rows: Rows of the table.
        differences: The full method minus every other row; `points` is the name of a score, see
            `groups`, with ", stacked" where both sides are.
    """

    run: TableProvenance
    unseen: tuple[str, ...]
    protocol: str
    penalties: tuple[float, ...]
    rows: tuple[ZeroShotResult, ...]
    differences: tuple[Difference, ...]

    @property
    def name(self) -> str:
        """Name for commands and files."""
        return "zeroshot"


FILE: Final[RecordFile[ZeroShotTable]] = RecordFile(
    "clip2scene-bench-zeroshot-1", lambda values: ZeroShotTable
)
