"""Tables, percentages and marked sections in Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def format_percent(value: float) -> str:
    """Write a share in percent; "absent" for NaN."""
    return "absent" if math.isnan(value) else f"{100 * value:.1f}"


BEGIN: Final = "<!-- Written by `clip2scene bench world --update-cards`; do not edit. -->"


END: Final = "<!-- End of what the bench wrote. -->"


class CardError(ValueError):
    """A model card that cannot be updated."""


def replace_section(
    text: str, section: str, source: str, marks: tuple[str, str] = (BEGIN, END)
) -> str:
    """Replace what stands between two marks of a card or page.

    Args:
        text: The card.
        section: Goes between the marks.
        source: Named in errors.
        marks: The first and the last line.

    Raises:
        CardError: If the card does not hold each mark once, in order.
    """
    first, last = marks
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise CardError(f"{source} has no place for numbers; add the lines {first!r} and {last!r}")
    return f"{before}{first}\n\n{section}\n\n{last}{after}"
