"""Write the tables into the page `docs/method.md`, with JSON and a picture beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.bench.markdown import CardError, replace_section
from clip2scene_core.bench.tables.report import draw, format_section
from clip2scene_core.bench.tables.result import Table, save_table

PAGE: Final = "method.md"


def marks_of(name: str) -> tuple[str, str]:
    """Give the lines of the page before and after a table, by the name of the table."""
    return (
        f"<!-- Written by `clip2scene bench {name} --update-docs`; do not edit. -->",
        f"<!-- End of {name}. -->",
    )


def update_page(table: Table, folder: Path) -> None:
    """Write a table into the page of a folder, and its JSON and picture beside it.

    Raises:
        CardError: If the table is of a quick run, or the page has no place for it.
    """
    if table.run.is_quick:
        raise CardError("a quick run measures nothing that a page could hold")
    name, page = table.name, folder / PAGE
    text = replace_section(page.read_text(), section_of(table), str(page), marks_of(name))
    with atomic_write(page) as draft:
        draft.write_text(text)
    save_table(folder / f"{name}.json", table)
    with atomic_write(folder / f"{name}.png") as draft:
        draw(table).quantize(32).save(draft, optimize=True)


def section_of(table: Table) -> str:
    """Write the section of a table in the page."""
    name = table.name
    return f"{format_section(table)}\n\n![{name.capitalize()} as bars]({name}.png)"
