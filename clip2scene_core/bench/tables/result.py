"""What the tables hold, as nouns that JSON can hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clip2scene_core.bench.json_nouns import ResultError, from_json, to_json
from clip2scene_core.bench.result import Difference, StageTime
from clip2scene_core.bench.statistics import Measurement, PairedDifference

FORMAT: Final = "clip2scene-bench-tables-1"


@dataclass(frozen=True)
class Part:
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
class Run:
    """How a table came about.

    Attributes:
        command: What was typed.
        date: When it was finished, ISO 8601, UTC.
        machine: Processor and versions.
        is_quick: A tiny run, whose numbers say nothing.
        is_embedded: Whether the scenes are rendered.
        parts: Train, tune, test.
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
    is_embedded: bool
    parts: tuple[Part, ...]
    seeds: tuple[int, ...]
    config: str
    clip: str
    classes: tuple[str, ...]
    stages: tuple[StageTime, ...]


@dataclass(frozen=True)
class Ablation:
    """One row of Table 1.

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
        minus_baseline: Difference from the first row; None for itself and where nothing was run.
        minus_full: Difference from the full method.
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
    minus_baseline: PairedDifference | None
    minus_full: PairedDifference | None
    train_seconds: float


@dataclass(frozen=True)
class Table1:
    """Annotation-free segmentation.

    Attributes:
        run: How it came about.
        rows: The paper's rows, those of our own, and references.
    """

    run: Run
    rows: tuple[Ablation, ...]


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
        cells: Row by row.
        differences: Between starts; `points` names the column.
    """

    run: Run
    columns: tuple[str, ...]
    num_labelled: tuple[int, ...]
    cells: tuple[Cell, ...]
    differences: tuple[Difference, ...]


_KINDS: Final[dict[str, Any]] = {"table1": Table1, "table2": Table2}


def name_of(table: Table1 | Table2) -> str:
    """The name of a table, for files."""
    return type(table).__name__.lower()


def save_table(path: Path, table: Table1 | Table2) -> None:
    """Write JSON; besides the fields it holds what they imply: mean, spread, is_resolved."""
    values = {"format": FORMAT, "table": name_of(table), **to_json(table)}
    path.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n")


def load_table(path: Path) -> Table1 | Table2:
    """Read JSON that `save_table` wrote.

    Raises:
        ResultError: If the file is missing or holds something else.
    """
    try:
        values = json.loads(path.read_text())
        if values["format"] != FORMAT:
            raise ResultError(f"{path}: format {values['format']!r}, expected {FORMAT!r}")
        table: Table1 | Table2 = from_json(_KINDS[values["table"]], values)
        return table
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ResultError(f"{path}: no table of a bench ({error})") from error
