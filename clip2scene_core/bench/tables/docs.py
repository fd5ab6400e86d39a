"""The tables in a page for people, written from their JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clip2scene_core.bench.markdown import CardError, replace_section
from clip2scene_core.bench.tables.report import draw, format_section
from clip2scene_core.bench.tables.result import Table, save_table

PAGE: Final = "method.md"


def marks_of(name: str) -> tuple[str, str]:
    """The lines of the page between which a table stands, by its name."""
    return (
        f"<!-- Written by `clip2scene bench {name} --update-docs`; do not edit. -->",
        f"<!-- End of {name}. -->",
    )


def update_page(table: Table, folder: Path) -> None:
    """Write a table into the page of a folder, and its JSON and picture beside it.

    Raises:
        CardError: If it is a quick run's, or the page has no place for it.
    """
    if table.run.is_quick:
        raise CardError("a quick run measures nothing that a page could hold")
    name, page = table.name, folder / PAGE
    text = replace_section(page.read_text(), section_of(table), str(page), marks_of(name))
    page.write_text(text)
    save_table(folder / f"{name}.json", table)
    draw(table).quantize(32).save(folder / f"{name}.png", optimize=True)


def section_of(table: Table) -> str:
    """What stands in the page of a table."""
    name = table.name
    return f"{format_section(table)}\n\n![{name.capitalize()} as bars]({name}.png)"
