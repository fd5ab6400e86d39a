"""Write the zero-shot table as Markdown and draw it as bars."""

from __future__ import annotations

import json
from typing import Final

from PIL import Image

from clip2scene_core.bench.markdown import (
    format_columns,
    format_differences,
    format_percent,
    format_table,
    format_times,
)
from clip2scene_core.bench.tables.report import format_run
from clip2scene_core.bench.zeroshot.result import GroupScores, ZeroShotTable
from clip2scene_core.visualization.charts import draw_bars

OURS: Final = """\
**Our reconstruction** of arXiv 2312.07221, which has no public code, on a rendered world: no number
is the authors', and none can be compared with theirs."""

_READING: Final = """\
All classes compete for every point, and IoU counts the points of all classes. With stacking, the
penalty of each row is subtracted from the probabilities of its seen classes; it was chosen on the
scenes `tune`, the numbers are of `test`. Differences are over all points."""


def format_document(table: ZeroShotTable) -> str:
    """Write the whole table as a Markdown document."""
    classes = [f"**{name}**" if name in table.unseen else name for name in table.run.classes]
    by_class = format_columns(
        {"IoU [%]": classes}
        | {row.name: [format_percent(one.mean) for one in row.iou] for row in table.rows}
    )
    tried = format_columns(
        {"penalty": [f"{penalty:g}" for penalty in table.penalties]}
        | {row.name: [format_percent(value) for value in row.tried] for row in table.rows}
    )
    settings = [(r.name, f"`{' '.join(r.settings)}`") for r in table.rows if r.settings]
    config = json.dumps(json.loads(table.run.config), indent=1)
    parts = [
        "# Zero-shot: labels of seen classes, CLIP for the others",
        format_section(table),
        f"## IoU by class, unseen ones bold\n\n{by_class}",
        f"## hIoU on the scenes `tune`, by penalty\n\n{tried}",
        f"## What the rows change\n\n{format_table(('row', 'settings'), settings)}",
        f"## The configuration that the rows change\n\n```json\n{config}\n```",
        f"## Times\n\n{format_times(table.run)}",
    ]
    return "\n\n".join(parts) + "\n"


def format_section(table: ZeroShotTable) -> str:
    """Write the main part: how it was computed, numbers, differences, notes."""
    columns = {"mean IoU": [row.name for row in table.rows]}
    columns |= _group_columns([row.plain for row in table.rows])
    columns["hIoU, points in view"] = [row.in_view.harmonic.format() for row in table.rows]
    columns["seconds of training"] = [
        f"{row.train_seconds:.0f}" if row.train_seconds else "" for row in table.rows
    ]
    stacked = {"with calibrated stacking": [row.name for row in table.rows]}
    stacked["penalty"] = [f"{row.penalty:g}" for row in table.rows]
    stacked |= _group_columns([row.stacked for row in table.rows])
    notes = [f"- {row.name}: {row.note}." for row in table.rows if row.note]
    unseen = ", ".join(table.unseen)
    return "\n\n".join(
        [
            format_run(table.run, with_paper=False),
            OURS,
            f"Unseen: {unseen}; protocol: {table.protocol}.\n{_READING}",
            format_columns(columns),
            format_columns(stacked),
            format_differences(table.differences),
            "\n".join(notes),
        ]
    )


def draw(table: ZeroShotTable) -> Image.Image:
    """Draw seen, unseen and hIoU of each row as bars with their spreads."""
    title = "Zero-shot, our reconstruction, rendered scenes: mean IoU [%]"
    if table.run.is_quick:
        title = f"{title} (a quick run: says nothing)"
    plain = {row.name: row.plain for row in table.rows}
    groups = {
        "seen": [one.seen for one in plain.values()],
        "unseen": [one.unseen for one in plain.values()],
        "hIoU": [one.harmonic for one in plain.values()],
    }
    series: dict[str, list[float | None]] = {
        name: [one.mean for one in measured] for name, measured in groups.items()
    }
    spreads = {name: [one.spread for one in measured] for name, measured in groups.items()}
    return draw_bars(title, list(plain), series, spreads)


def _group_columns(scores: list[GroupScores]) -> dict[str, list[str]]:
    return {
        "seen": [one.seen.format() for one in scores],
        "unseen": [one.unseen.format() for one in scores],
        "all": [one.all.format() for one in scores],
        "hIoU": [one.harmonic.format() for one in scores],
    }
