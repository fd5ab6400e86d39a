"""The report of a training as one HTML file: numbers, advice, and a picture for each word."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from clip2scene_core.atomic_write import atomic_write

_STYLE: Final = """
body { background: #181a1f; color: #ebebeb; font: 15px/1.5 sans-serif; margin: 2em auto;
       max-width: 1000px; padding: 0 1em }
table { border-collapse: collapse } td, th { padding: 2px 14px 2px 0; text-align: right }
td:first-child, th:first-child, td:last-child, th:last-child { text-align: left }
img { max-width: 100% } i { display: inline-block; height: 12px; width: 12px } em { color: #9aa }
"""


@dataclass(frozen=True)
class WordRow:
    """A word in the report.

    Attributes:
        word: As it was typed.
        color: RGB, each in [0, 255].
        numbers: Texts for the columns of the table.
        picture: The teacher's points beside the student's; None if there is none.
    """

    word: str
    color: tuple[int, int, int]
    numbers: tuple[str, ...]
    picture: Image.Image | None


def write_closing_page(
    path: Path,
    title: str,
    summary: Sequence[str],
    advice: Sequence[tuple[str, str]],
    columns: Sequence[str],
    rows: Sequence[WordRow],
    overview: Image.Image | None = None,
) -> None:
    """Write the page; pictures are inside, so it is one file that may be sent on.

    Args:
        path: File to write, .html.
        title: Title of the page.
        summary: Lines below the title.
        advice: What was found and what to do about it, one pair each.
        columns: Names of the columns of the table, after that of the word.
        rows: The words. Their pictures are left out if no word has one.
        overview: A picture of the whole; None leaves it out.

    Raises:
        OSError: If the file cannot be written.
    """
    heading = html.escape(title)
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{heading}</title>",
        f"<style>{_STYLE}</style><h1>{heading}</h1>",
        *(f"<p>{html.escape(line)}</p>" for line in summary),
        "<h2>What to record more of</h2>",
        _format_advice(advice),
        "<h2>Word by word</h2>",
        _format_table(columns, rows),
    ]
    if overview is not None:
        parts += ["<h2>From above</h2>", _format_picture(overview)]
    for row in rows if any(row.picture is not None for row in rows) else ():
        parts.append(f"<h3>{_swatch(row.color)} {html.escape(row.word)}</h3>")
        if row.picture is None:
            parts.append("<p><em>Neither teacher nor student says it where a camera sees.</em></p>")
        else:
            parts.append(_format_picture(row.picture))
    with atomic_write(path) as draft:
        draft.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _format_advice(advice: Sequence[tuple[str, str]]) -> str:
    if not advice:
        return "<p>Nothing in particular: no measured number asks for it.</p>"
    items = (f"<li>{html.escape(f)}<br><em>{html.escape(r)}</em></li>" for f, r in advice)
    return f"<ul>{''.join(items)}</ul>"


def _format_table(columns: Sequence[str], rows: Sequence[WordRow]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("word", *columns))
    lines = [
        f"<tr><td>{_swatch(row.color)} {html.escape(row.word)}</td>"
        + "".join(f"<td>{html.escape(number)}</td>" for number in row.numbers)
        + "</tr>"
        for row in rows
    ]
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _swatch(color: tuple[int, int, int]) -> str:
    return f'<i style="background: rgb{color}"></i>'


def _format_picture(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
