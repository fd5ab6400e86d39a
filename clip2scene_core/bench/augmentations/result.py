"""Record of the table of augmentations, and the JSON file that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clip2scene_core.bench.json_dataclass import RecordFile
from clip2scene_core.bench.statistics import Measurement, PairedDifference
from clip2scene_core.bench.tables.result import TableProvenance


@dataclass(frozen=True)
class SensorScore:
    """Mean IoU of one row on one set of sensors, in [0, 1].

    Attributes:
        sensors: One of `scores.SETS`.
        mean_iou: Mean IoU over 16 classes.
        difference: Mean IoU minus that of the row that it differs from in one thing; None for the
            row that has all.
    """

    sensors: str
    mean_iou: Measurement
    difference: PairedDifference | None


@dataclass(frozen=True)
class RealScore:
    """Numbers on real frames with words for six groups, in [0, 1].

    Attributes:
        right: Share of the points of labelled frames with the right group.
        vehicles: Share of the points in boxes of vehicles with the group of vehicles.
        people: Share of the points in boxes of people with the group of people and cycles.
    """

    right: Measurement
    vehicles: Measurement
    people: Measurement


@dataclass(frozen=True)
class AugmentationRow:
    """One row of the table.

    Attributes:
        name: Name of the row, see `rows_of`.
        amount: How much of it there is, as a configuration says it; "" for "all" and "none".
        scores: One score for each of `scores.SETS`.
        real: Numbers on real frames; None if there were none.
        train_seconds: Mean duration of one training in seconds.
    """

    name: str
    amount: str
    scores: tuple[SensorScore, ...]
    real: RealScore | None
    train_seconds: float


@dataclass(frozen=True)
class AugmentationTable:
    """What each augmentation is worth: taken away, and alone.

    Attributes:
        run: How it was computed.
        rows: Rows of the table.
    """

    run: TableProvenance
    rows: tuple[AugmentationRow, ...]

    @property
    def name(self) -> str:
        """Name for commands and files."""
        return "augmentations"


FILE: Final[RecordFile[AugmentationTable]] = RecordFile(
    "clip2scene-bench-augmentations-1", lambda values: AugmentationTable
)
