"""Write the table of augmentations as Markdown and draw it as bars."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from PIL import Image

from clip2scene_core.bench.augmentations.result import AugmentationRow, AugmentationTable
from clip2scene_core.bench.augmentations.rows import ALL, NONE, ONLY, WITH, WITHOUT
from clip2scene_core.bench.augmentations.scores import OWN, SETS
from clip2scene_core.bench.markdown import format_table, format_times
from clip2scene_core.bench.tables.report import format_run
from clip2scene_core.visualization.charts import draw_bars

_READING: Final = """\
Students see one sensor on flat streets, and other LiDARs on varied terrain. "Own sensor" is the
first one as it is; "moved or tilted" is 10 cm lower and higher, 1 m lower, tilted by 1 and by 10
degrees, together; "other intensity" is none and six times as much. Seen and unseen LiDARs measure
other varied scenes."""

REAL_NOTE: Final = """\
Real frames, with words for six groups: the share of right points of labelled scans, and of the
points in boxes the share with a word for a vehicle, or for a person or a cycle. They are few
frames, and were looked at while the student was developed: they say what works at all."""


def format_document(table: AugmentationTable) -> str:
    """Write the whole table as a Markdown document."""
    absolute = format_table(
        ("mean IoU [%]", *SETS, "seconds of training"),
        [
            (row.name, *(one.mean_iou.format() for one in row.scores), f"{row.train_seconds:.0f}")
            for row in table.rows
        ],
    )
    config = json.dumps(json.loads(table.run.config), indent=1)
    parts = [
        "# What each augmentation is worth",
        format_section(table),
        f"## All rows\n\n{absolute}",
        f"## The configuration that the rows change\n\n```json\n{config}\n```",
        f"## Times\n\n{format_times(table.run)}",
    ]
    return "\n\n".join(parts) + "\n"


def format_section(table: AugmentationTable) -> str:
    """Write how it was computed, what is lost without each, and what each gives alone."""
    rows = {row.name: row for row in table.rows}
    changed = [row for row in table.rows if row.name.startswith((WITHOUT, WITH))]
    alone = [row for row in table.rows if row.name.startswith(ONLY)]
    parts = [
        format_run(table.run, with_paper=False),
        _READING,
        _format_differences(rows[ALL], [*changed, rows[NONE]]),
        _format_differences(rows[NONE], alone),
    ]
    if any(row.real for row in table.rows):
        parts += [REAL_NOTE, _format_real(table.rows)]
    return "\n\n".join(parts)


def draw(table: AugmentationTable) -> Image.Image:
    """Draw the mean IoU of each row on other sensors as bars with their spreads."""
    title = "Augmentations, rendered scenes: mean IoU [%]"
    if table.run.is_quick:
        title = f"{title} (a quick run: says nothing)"
    measured = {
        sensors: [row.scores[number].mean_iou for row in table.rows]
        for number, sensors in enumerate(SETS)
        if sensors != OWN
    }
    series: dict[str, list[float | None]] = {
        name: [one.mean for one in values] for name, values in measured.items()
    }
    spreads = {name: [one.spread for one in values] for name, values in measured.items()}
    return draw_bars(title, [row.name for row in table.rows], series, spreads)


def _format_differences(first: AugmentationRow, rows: Sequence[AugmentationRow]) -> str:
    """Write one row as it is, and the others as what they have more."""
    cells = [(f"**{first.name}**", "", *(one.mean_iou.format() for one in first.scores))]
    for row in rows:
        differences = (one.difference for one in row.scores)
        cells.append((row.name, row.amount, *(one.format() if one else "" for one in differences)))
    header = (f"mean IoU [%], and minus that of {first.name}", "amount", *SETS)
    return format_table(header, cells)


def _format_real(rows: Sequence[AugmentationRow]) -> str:
    header = ("[%]", "points right", "in boxes of vehicles", "in boxes of people")
    return format_table(
        header,
        [
            (
                row.name,
                *(one.format() for one in (row.real.right, row.real.vehicles, row.real.people)),
            )
            for row in rows
            if row.real
        ],
    )
