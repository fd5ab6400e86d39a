"""Records of the tables, and the JSON files that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from clip2scene_core.bench.json_dataclass import RecordFile
from clip2scene_core.bench.provenance import Provenance
from clip2scene_core.bench.results import Difference, SplitSize
from clip2scene_core.bench.statistics import Measurement


@dataclass(frozen=True)
class TableProvenance(Provenance):
    """How a table was computed.

    Attributes:
        is_synthetic: True if the scenes are rendered.
        parts: Sizes of train, tune and test.
        measured_on: Name of the part that the numbers are of.
        seeds: Seeds of the trainings.
        config: Configuration that the rows change, as nested JSON text.
        clip: SHA-256 of the teacher's file; "" for a CLIP that open_clip downloads.
    """

    is_synthetic: bool
    parts: tuple[SplitSize, ...]
    measured_on: str
    seeds: tuple[int, ...]
    config: str
    clip: str


@dataclass(frozen=True)
class Ablation:
    """One row of a study.

    Attributes:
        name: Name of the row.
        paper: Mean IoU of the paper in [0, 1]; None if the paper has none.
        note: Note below the table.
        refusal: Why it was not trained; "" if it was.
        settings: Changes to the configuration, KEY=VALUE.
        mean_iou: Mean IoU in [0, 1] over all labelled points, without cameras unless the row is the
            teacher; None if it was not trained.
        mean_iou_in_view: Mean IoU in [0, 1] over the labelled points that a camera sees.
        iou: (16,) IoU of each class over all labelled points; () if it was not trained.
        train_seconds: Mean duration of one training in seconds; 0 without a training.
    """

    name: str
    paper: float | None
    note: str
    refusal: str
    settings: tuple[str, ...]
    mean_iou: Measurement | None
    mean_iou_in_view: Measurement | None
    iou: tuple[Measurement, ...]
    train_seconds: float


@dataclass(frozen=True)
class Ablations:
    """Annotation-free segmentation: one of `rows.STUDIES`.

    Attributes:
        name: Name of the study.
        title: Title of the table.
        run: How it was computed.
        rows: Rows and references of the study.
        against: Names of the rows that are subtracted from the others.
        differences: Each row that was trained minus those, over all labelled points.
    """

    name: str
    title: str
    run: TableProvenance
    rows: tuple[Ablation, ...]
    against: tuple[str, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class GridPoint:
    """One point of the grid of a cell.

    Attributes:
        learning_rate: Learning rate of the trunk.
        head_learning_rate: Learning rate of the head.
        epochs: Number of passes over the labelled keyframes.
        mean_iou: Mean IoU in [0, 1] of the first seed, on the tuning scenes.
        is_chosen: True for the best point of its cell.
    """

    learning_rate: float
    head_learning_rate: float
    epochs: int
    mean_iou: float
    is_chosen: bool


@dataclass(frozen=True)
class Cell:
    """One start, fine-tuned on one share of the labels.

    Attributes:
        start: Name of the row.
        column: Name of the share.
        paper: Mean IoU of the paper in [0, 1]; None if the paper has none.
        mean_iou: Mean IoU in [0, 1] on the test scenes.
        iou: (16,) IoU of each class on the test scenes.
        grid: All points of the grid.
    """

    start: str
    column: str
    paper: float | None
    mean_iou: Measurement
    iou: tuple[Measurement, ...]
    grid: tuple[GridPoint, ...]


@dataclass(frozen=True)
class Table2:
    """Label efficiency.

    Attributes:
        run: How it was computed.
        columns: Names of the shares of the labels.
        num_labelled: Number of labelled keyframes of each share.
        cells: Cells of the table.
        differences: Differences between starts; `points` is the name of the column.
    """

    run: TableProvenance
    columns: tuple[str, ...]
    num_labelled: tuple[int, ...]
    cells: tuple[Cell, ...]
    differences: tuple[Difference, ...]

    @property
    def name(self) -> str:
        """Name for commands and files."""
        return "table2"


Table = Ablations | Table2


def _kind_of(values: dict[str, Any]) -> type[Ablations] | type[Table2]:
    return Table2 if values["name"] == "table2" else Ablations


FILE: Final[RecordFile[Table]] = RecordFile("clip2scene-bench-tables-3", _kind_of)
