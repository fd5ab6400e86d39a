"""Write the tables as Markdown and draw them as bars."""

from __future__ import annotations

import json
from collections.abc import Sequence

from PIL import Image

from clip2scene_core.bench.markdown import (
    QUICK_NOTE,
    format_columns,
    format_differences,
    format_percent,
    format_table,
    format_times,
)
from clip2scene_core.bench.statistics import READING, Measurement, PairedDifference
from clip2scene_core.bench.tables.result import Ablations, Cell, Table, Table2, TableProvenance
from clip2scene_core.bench.tables.rows import FULL
from clip2scene_core.visualization.charts import draw_bars

_SYNTHETIC = """\
The scenes are rendered: the numbers say what the method does here, nothing about real data."""

_PAPER = "The\npaper's are of nuScenes; only the order of rows can be compared with them."

_MEASURED_ON = {
    "test": "- **The numbers are of the scenes `test`.** Nothing may be tuned by them.",
    "tune": "- **The numbers are of the scenes `tune`.** Choices made by them look too good here.",
}


def format_document(table: Table) -> str:
    """Write a whole table as a Markdown document."""
    return _document2(table) if isinstance(table, Table2) else _study_document(table)


def format_section(table: Table) -> str:
    """Write the main part of a table: how it was computed, numbers, notes."""
    return _section2(table) if isinstance(table, Table2) else _study_section(table)


def draw(table: Table) -> Image.Image:
    """Draw a table as bars, our numbers above those of the paper."""
    return _draw2(table) if isinstance(table, Table2) else _draw_study(table)


def _study_document(table: Ablations) -> str:
    return (
        "\n\n".join(
            [
                f"# {table.title}",
                _study_section(table),
                "## IoU by class",
                _format_classes(table.run.classes, [(r.name, r.iou) for r in table.rows if r.iou]),
                "## What the rows change",
                format_table(
                    ("row", "settings"),
                    [
                        (row.name, f"`{' '.join(row.settings)}`")
                        for row in table.rows
                        if row.settings
                    ],
                ),
                _format_config(table.run),
                f"## Times\n\n{format_times(table.run)}",
            ]
        )
        + "\n"
    )


def _study_section(table: Ablations) -> str:
    found = {(one.one, one.other): one.paired for one in table.differences}
    full = next((row.paper for row in table.rows if row.name == FULL), None)
    columns: dict[str, list[str]] = {"mean IoU": [row.name for row in table.rows]}
    if full is not None:
        columns["paper"] = ["" if r.paper is None else format_percent(r.paper) for r in table.rows]
    columns["all points"] = [r.mean_iou.format() if r.mean_iou else r.refusal for r in table.rows]
    columns["points in view"] = [
        row.mean_iou_in_view.format() if row.mean_iou_in_view else "" for row in table.rows
    ]
    for other in table.against:
        columns[f"- {other}"] = [
            _format_difference(found.get((row.name, other))) for row in table.rows
        ]
    if full is not None:
        columns["sign as in the paper"] = [
            _agreement(row.paper, full, found.get((row.name, FULL))) for row in table.rows
        ]
    columns["seconds of training"] = [
        f"{row.train_seconds:.0f}" if row.train_seconds else "" for row in table.rows
    ]
    notes = [f"- {row.name}: {row.note}." for row in table.rows if row.note]
    return "\n\n".join(
        [
            _format_run(table.run, with_paper=full is not None),
            format_columns(columns),
            "\n".join(notes),
        ]
    )


def _document2(table: Table2) -> str:
    by_column = [
        f"## IoU by class, {column}\n\n"
        + _format_classes(
            table.run.classes, [(c.start, c.iou) for c in table.cells if c.column == column]
        )
        for column in table.columns
    ]
    return (
        "\n\n".join(
            [
                "# Table 2: fine-tuning on a share of the labels",
                _section2(table),
                "## What was tried\n\nMean IoU of the first seed on the scenes `tune`.",
                _format_grids(table),
                *by_column,
                _format_config(table.run),
                f"## Times\n\n{format_times(table.run)}",
            ]
        )
        + "\n"
    )


def _section2(table: Table2) -> str:
    shares = list(zip(table.columns, table.num_labelled, strict=True))
    titles = [f"{column} ({count} keyframes)" for column, count in shares]
    header = ["mean IoU"]
    for title, column in zip(titles, table.columns, strict=True):
        header += [f"paper, {_paper_share(column)}", title]
    starts = list(dict.fromkeys(cell.start for cell in table.cells))
    cells = {(cell.start, cell.column): cell for cell in table.cells}
    rows = [
        [start, *(text for column in table.columns for text in _cell_texts(cells[start, column]))]
        for start in starts
    ]
    tuned = (
        "Every start, the random one too, was fine-tuned with the same grid of learning rates and "
        "epochs; what was best on the scenes `tune` with the first seed was taken for all seeds. "
        "Every share is one draw of the labels."
    )
    return "\n\n".join(
        [
            _format_run(table.run, with_paper=True),
            format_table(header, rows),
            tuned,
            format_table(
                ("taken: learning rate, epochs", *table.columns),
                [
                    (start, *(_taken(cells[start, column]) for column in table.columns))
                    for start in starts
                ],
            ),
            format_differences(table.differences),
        ]
    )


def _draw_study(table: Ablations) -> Image.Image:
    found = [(row.name, row.mean_iou, row.paper) for row in table.rows if row.mean_iou]
    return _draw(f"{table.title}, mean IoU [%]", table.run, found)


def _draw2(table: Table2) -> Image.Image:
    found = [(f"{c.start}, {c.column}", c.mean_iou, c.paper) for c in table.cells]
    return _draw("Table 2: mean IoU after fine-tuning [%]", table.run, found)


def _draw(
    title: str, run: TableProvenance, rows: Sequence[tuple[str, Measurement, float | None]]
) -> Image.Image:
    """Draw our means with their spreads and, if there are any, the paper's numbers."""
    here = "here, rendered scenes" if run.is_synthetic else "here"
    series: dict[str, list[float | None]] = {here: [measured.mean for _, measured, _ in rows]}
    if any(paper is not None for _, _, paper in rows):
        series["paper, nuScenes"] = [paper for _, _, paper in rows]
    if run.is_quick:
        title = f"{title} (a quick run: says nothing)"
    spreads = {here: [measured.spread for _, measured, _ in rows]}
    return draw_bars(title, [name for name, _, _ in rows], series, spreads)


def _format_run(run: TableProvenance, with_paper: bool) -> str:
    parts = "; ".join(f"{p.name} {p.num_scenes} with {p.num_keyframes}" for p in run.parts)
    lines = [
        *run.format_lines(),
        f"- scenes with keyframes: {parts}; seeds: {', '.join(map(str, run.seeds))}",
        f"- all stages, one after the other: {run.total_seconds():.0f} s",
        _MEASURED_ON[run.measured_on],
    ]
    if run.is_quick:
        lines.append(QUICK_NOTE)
    texts = ["\n".join(lines), READING]
    if run.is_synthetic:
        texts.append(f"{_SYNTHETIC} {_PAPER}" if with_paper else _SYNTHETIC)
    return "\n\n".join(texts)


def _cell_texts(cell: Cell) -> tuple[str, str]:
    paper = "" if cell.paper is None else format_percent(cell.paper)
    return paper, cell.mean_iou.format()


def _taken(cell: Cell) -> str:
    (taken,) = (one for one in cell.grid if one.is_chosen)
    rates, epochs = (
        {getattr(one, key) for one in cell.grid} for key in ("learning_rate", "epochs")
    )
    of_rates = " or ".join(f"{rate:g}" for rate in sorted(rates))
    of_epochs = " or ".join(map(str, sorted(epochs)))
    return f"{taken.learning_rate:g} of {of_rates}, {taken.epochs} of {of_epochs}"


def _agreement(paper: float | None, full: float, minus_full: PairedDifference | None) -> str:
    """Say if a row is on the same side of the full method as in the paper."""
    if paper is None or paper == full or minus_full is None:
        return ""
    if not minus_full.is_resolved:
        return "not resolved"
    return "yes" if (minus_full.difference < 0) == (paper < full) else "no"


def _format_difference(paired: PairedDifference | None) -> str:
    return paired.format() if paired else ""


def _paper_share(column: str) -> str:
    return "100 %" if column.startswith("100 %") else "1 %"


def _format_grids(table: Table2) -> str:
    rows = []
    for cell in table.cells:
        for one in cell.grid:
            rows.append(
                (
                    cell.start,
                    cell.column,
                    f"{one.learning_rate:g}, head {one.head_learning_rate:g}",
                    str(one.epochs),
                    format_percent(one.mean_iou),
                    "taken" if one.is_chosen else "",
                )
            )
    header = ("start", "labels", "learning rate", "epochs", "mean IoU on tune", "")
    return format_table(header, rows)


def _format_classes(
    classes: Sequence[str], labellers: Sequence[tuple[str, Sequence[Measurement]]]
) -> str:
    return format_columns(
        {"IoU [%]": classes}
        | {name: [format_percent(one.mean) for one in iou] for name, iou in labellers}
    )


def _format_config(run: TableProvenance) -> str:
    config = json.dumps(json.loads(run.config), indent=1)
    return f"## The configuration that the rows change\n\n```json\n{config}\n```"
