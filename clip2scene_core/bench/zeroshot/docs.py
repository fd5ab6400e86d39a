"""Write the zero-shot table into the page `docs/zeroshot.md`, with JSON and a picture beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.bench.markdown import CardError, replace_section
from clip2scene_core.bench.tables.docs import marks_of
from clip2scene_core.bench.zeroshot.report import draw, format_section
from clip2scene_core.bench.zeroshot.result import ZeroShotTable, save_table

PAGE: Final = "zeroshot.md"


def update_page(table: ZeroShotTable, folder: Path) -> None:
    """Write the table into the page of a folder, and its JSON and picture beside it.

    Raises:
        CardError: If the table is of a quick run, or the page has no place for it.
    """
    if table.run.is_quick:
        raise CardError("a quick run measures nothing that a page could hold")
    page = folder / PAGE
    section = f"{format_section(table)}\n\n![Zero-shot as bars]({table.name}.png)"
    text = replace_section(page.read_text(), section, str(page), marks_of(table.name))
    with atomic_write(page) as draft:
        draft.write_text(text)
    save_table(folder / f"{table.name}.json", table)
    with atomic_write(folder / f"{table.name}.png") as draft:
        draw(table).quantize(32).save(draft, optimize=True)
