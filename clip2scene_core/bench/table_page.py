"""Where a table goes: JSON, Markdown and a picture in a folder, and its section of a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from PIL import Image

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.bench.json_dataclass import RecordFile
from clip2scene_core.bench.markdown import CardError, replace_section
from clip2scene_core.bench.provenance import Provenance


class _Table(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def run(self) -> Provenance: ...


AnyTable = TypeVar("AnyTable", bound=_Table)


def marks_of(name: str) -> tuple[str, str]:
    """Give the lines of a page before and after a table, by the name of the table."""
    return (
        f"<!-- Written by `clip2scene bench {name} --update-docs`; do not edit. -->",
        f"<!-- End of {name}. -->",
    )


@dataclass(frozen=True)
class TablePage(Generic[AnyTable]):
    """How the tables of a bench are written.

    Attributes:
        page: Name of the page in `docs/` that shows them.
        file: Their JSON.
        format_document: Writes everything of a table as Markdown.
        format_section: Writes what the page shows of it.
        draw: Draws it as bars.
    """

    page: str
    file: RecordFile[AnyTable]
    format_document: Callable[[AnyTable], str]
    format_section: Callable[[AnyTable], str]
    draw: Callable[[AnyTable], Image.Image]

    def write(self, table: AnyTable, folder: Path) -> AnyTable:
        """Write a table to a folder: its name with .json, .md and .png.

        Returns:
            The table as the JSON has it: rounded, so that all files say the same.
        """
        path = folder / f"{table.name}.json"
        self.file.save(path, table)
        table = self.file.load(path)
        with atomic_write(path.with_suffix(".md")) as draft:
            draft.write_text(self.format_document(table))
        with atomic_write(path.with_suffix(".png")) as draft:
            self.draw(table).save(draft)
        return table

    def update(self, table: AnyTable, docs: Path) -> None:
        """Write a table into the page, and its JSON and picture beside it.

        Raises:
            CardError: If the table is of a quick run, or the page has no place for it.
        """
        if table.run.is_quick:
            raise CardError("a quick run measures nothing that a page could hold")
        page, section = docs / self.page, self.section_of(table)
        text = replace_section(page.read_text(), section, str(page), marks_of(table.name))
        with atomic_write(page) as draft:
            draft.write_text(text)
        self.file.save(docs / f"{table.name}.json", table)
        with atomic_write(docs / f"{table.name}.png") as draft:
            self.draw(table).quantize(32).save(draft, optimize=True)

    def section_of(self, table: AnyTable) -> str:
        """Write the section of a table in the page."""
        name = table.name
        return f"{self.format_section(table)}\n\n![{name.capitalize()} as bars]({name}.png)"
