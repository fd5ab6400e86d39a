"""What the tables hold, as nouns that JSON can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clip2scene_core.bench.json_dataclass import load_record, save_record
from clip2scene_core.bench.results import Difference, StageTime
from clip2scene_core.bench.statistics import Measurement

FORMAT: Final = "clip2scene-bench-tables-3"


@dataclass(frozen=True)
class SplitSize:
    """Scenes that were used.

    Attributes:
        name: "train", "tune" or "test".
        num_scenes: How many drives.
        num_keyframes: How many keyframes in them.
    """

    name: str
    num_scenes: int
    num_keyframes: int


@dataclass(frozen=True)
class TableProvenance:
    """How a table came about.

    Attributes:
        command: What was typed.
        date: When it was finished, ISO 8601, UTC.
        machine: Processor and versions.
        is_quick: A tiny run, whose numbers say nothing.
        is_synthetic: Whether the scenes are rendered.
        parts: Train, tune, test.
        measured_on: The part that the numbers are of.
        seeds: Of training.
        config: What the rows change, as nested JSON text.
        clip: Digest of the teacher, "" if it is not the project's own.
        classes: Names of the 16 classes.
        stages: In the order of the work.
    """

    command: str
    date: str
    machine: str
    is_quick: bool
    is_synthetic: bool
    parts: tuple[SplitSize, ...]
    measured_on: str
    seeds: tuple[int, ...]
    config: str
    clip: str
    classes: tuple[str, ...]
    stages: tuple[StageTime, ...]


@dataclass(frozen=True)
class Ablation:
    """One row of a study.

    Attributes:
        name: The row's.
        paper: The paper's mean IoU in [0, 1]; None where it has none.
        note: What to know of it.
        refusal: Why it was not run; "" if it was.
        settings: What it changes in the configuration.
        mean_iou: Over all labelled points, without cameras unless the row is the teacher's; None if
            it was not run.
        mean_iou_in_view: Over the points that a camera has in view.
        iou: (16,) over all labelled points; () if it was not run.
        train_seconds: Mean time of one training; 0 where there was none.
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
        name: The study's.
        title: What is measured.
        run: How it came about.
        rows: The study's rows and references.
        against: Names of the rows that are subtracted from the others.
        differences: Of every row that was run from those, over all labelled points.
    """

    name: str
    title: str
    run: TableProvenance
    rows: tuple[Ablation, ...]
    against: tuple[str, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Tuning:
    """One point of the grid of a cell.

    Attributes:
        learning_rate: Of the trunk.
        head_learning_rate: Of the head.
        epochs: Passes over the labelled keyframes.
        mean_iou: Of the first seed, on the scenes that settings are chosen on.
        is_chosen: Whether it is the best of its cell.
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
        start: The row.
        column: The share.
        paper: The paper's mean IoU in [0, 1]; None where it has none.
        mean_iou: On the test scenes.
        iou: (16,) the same by class.
        grid: What was tried.
    """

    start: str
    column: str
    paper: float | None
    mean_iou: Measurement
    iou: tuple[Measurement, ...]
    grid: tuple[Tuning, ...]


@dataclass(frozen=True)
class Table2:
    """Label efficiency.

    Attributes:
        run: How it came about.
        columns: Shares of the labels.
        num_labelled: Keyframes of each share.
        cells: TableRow by row.
        differences: Between starts; `points` names the column.
    """

    run: TableProvenance
    columns: tuple[str, ...]
    num_labelled: tuple[int, ...]
    cells: tuple[Cell, ...]
    differences: tuple[Difference, ...]

    @property
    def name(self) -> str:
        """For commands and files."""
        return "table2"


Table = Ablations | Table2


def save_table(path: Path, table: Table) -> None:
    """Write JSON; besides the fields it holds what they imply: mean, spread, is_resolved."""
    save_record(path, FORMAT, table)


def load_table(path: Path) -> Table:
    """Read JSON that `save_table` wrote.

    Raises:
        ResultError: If the file is missing or holds something else.
    """

    def choose(values: dict[str, Any]) -> type[Ablations] | type[Table2]:
        return Table2 if values["name"] == "table2" else Ablations

    return load_record(path, FORMAT, choose)
