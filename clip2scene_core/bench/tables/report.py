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
    if isinstance(table, Table2):
        title = "Table 2: fine-tuning on a share of the labels"
        tried = "## What was tried\n\nMean IoU of the first seed on the scenes `tune`."
        parts = [tried, _format_grids(table)]
        for column in table.columns:
            cells = [(cell.start, cell.iou) for cell in table.cells if cell.column == column]
            parts.append(f"## IoU by class, {column}\n\n{_format_classes(table, cells)}")
    else:
        title = table.title
        rows = [(row.name, row.iou) for row in table.rows if row.iou]
        settings = [(r.name, f"`{' '.join(r.settings)}`") for r in table.rows if r.settings]
        parts = [f"## IoU by class\n\n{_format_classes(table, rows)}"]
        parts.append(f"## What the rows change\n\n{format_table(('row', 'settings'), settings)}")
    config = json.dumps(json.loads(table.run.config), indent=1)
    parts.append(f"## The configuration that the rows change\n\n```json\n{config}\n```")
    parts.append(f"## Times\n\n{format_times(table.run)}")
    return "\n\n".join([f"# {title}", format_section(table), *parts]) + "\n"


def format_section(table: Table) -> str:
    """Write the main part of a table: how it was computed, numbers, notes."""
    return _section2(table) if isinstance(table, Table2) else _study_section(table)


def draw(table: Table) -> Image.Image:
    """Draw the means of a table as bars with their spreads, and the paper's numbers if any."""
    rows: list[tuple[str, Measurement, float | None]]
    if isinstance(table, Table2):
        title = "Table 2: mean IoU after fine-tuning [%]"
        rows = [(f"{one.start}, {one.column}", one.mean_iou, one.paper) for one in table.cells]
    else:
        title = f"{table.title}, mean IoU [%]"
        rows = [(row.name, row.mean_iou, row.paper) for row in table.rows if row.mean_iou]
    here = "here, rendered scenes" if table.run.is_synthetic else "here"
    series: dict[str, list[float | None]] = {here: [measured.mean for _, measured, _ in rows]}
    if any(paper is not None for _, _, paper in rows):
        series["paper, nuScenes"] = [paper for _, _, paper in rows]
    if table.run.is_quick:
        title = f"{title} (a quick run: says nothing)"
    spreads = {here: [measured.spread for _, measured, _ in rows]}
    return draw_bars(title, [name for name, _, _ in rows], series, spreads)


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
        paired = [found.get((row.name, other)) for row in table.rows]
        columns[f"- {other}"] = [one.format() if one else "" for one in paired]
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
            format_run(table.run, with_paper=full is not None),
            format_columns(columns),
            "\n".join(notes),
        ]
    )


def _section2(table: Table2) -> str:
    header = ["mean IoU"]
    for column, count in zip(table.columns, table.num_labelled, strict=True):
        header += [f"paper, {_paper_share(column)}", f"{column} ({count} keyframes)"]
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
            format_run(table.run, with_paper=True),
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


def format_run(run: TableProvenance, with_paper: bool) -> str:
    """Write how a table was computed, and how to read it."""
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


def _paper_share(column: str) -> str:
    return "100 %" if column.startswith("100 %") else "1 %"


def _format_grids(table: Table2) -> str:
    rows = [
        (
            cell.start,
            cell.column,
            f"{one.learning_rate:g}, head {one.head_learning_rate:g}",
            str(one.epochs),
            format_percent(one.mean_iou),
            "taken" if one.is_chosen else "",
        )
        for cell in table.cells
        for one in cell.grid
    ]
    header = ("start", "labels", "learning rate", "epochs", "mean IoU on tune", "")
    return format_table(header, rows)


def _format_classes(table: Table, ious: Sequence[tuple[str, Sequence[Measurement]]]) -> str:
    return format_columns(
        {"IoU [%]": table.run.classes}
        | {name: [format_percent(one.mean) for one in iou] for name, iou in ious}
    )
