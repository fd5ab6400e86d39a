"""Markdown that the benches write: tables, percentages, and sections between marks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from clip2scene_core.bench.provenance import Provenance
from clip2scene_core.bench.results import Difference

BEGIN: Final = "<!-- Written by `clip2scene bench world --update-cards`; do not edit. -->"
END: Final = "<!-- End of what the bench wrote. -->"

QUICK_NOTE: Final = "- **A quick run: it shows that every stage works. Its numbers say nothing.**"


class CardError(ValueError):
    """A model card or page that cannot be updated."""


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table from its rows."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def format_columns(columns: Mapping[str, Sequence[str]]) -> str:
    """Write a table from its columns, by their headers; all have the same length."""
    return format_table(tuple(columns), list(zip(*columns.values(), strict=True)))


def format_percent(value: float) -> str:
    """Write a share in percent; "absent" for NaN."""
    return "absent" if math.isnan(value) else f"{100 * value:.1f}"


def format_differences(differences: Sequence[Difference]) -> str:
    """Write paired differences: one pair of labellers a row, one part of the points a column."""
    points = list(dict.fromkeys(one.points for one in differences))
    pairs = list(dict.fromkeys((one.one, one.other) for one in differences))
    found = {(one.one, one.other, one.points): one.paired.format() for one in differences}
    return format_table(
        ("difference of mean IoU", *points),
        [(f"{one} - {other}", *(found[one, other, p] for p in points)) for one, other in pairs],
    )


def format_times(run: Provenance) -> str:
    """Write the duration of each stage, and the sum."""
    rows = [(stage.name, f"{stage.seconds:.0f}") for stage in run.stages]
    rows.append(("**all, one after the other**", f"{run.total_seconds():.0f}"))
    return format_table(("stage", "seconds"), rows)


def replace_section(
    text: str, section: str, source: str, marks: tuple[str, str] = (BEGIN, END)
) -> str:
    """Replace the text between two marks.

    Args:
        text: Text of a card or page.
        section: New text between the marks.
        source: Name of the card or page, for errors.
        marks: The lines before and after the section.

    Raises:
        CardError: If the text does not hold each mark once, in order.
    """
    first, last = marks
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise CardError(f"{source} has no place for numbers; add the lines {first!r} and {last!r}")
    return f"{before}{first}\n\n{section}\n\n{last}{after}"
