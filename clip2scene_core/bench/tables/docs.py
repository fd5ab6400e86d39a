"""The page `docs/method.md`, which shows the tables."""

from __future__ import annotations

from typing import Final

from clip2scene_core.bench.table_page import TablePage
from clip2scene_core.bench.tables.report import draw, format_document, format_section
from clip2scene_core.bench.tables.result import FILE, Table

PAGE: Final[TablePage[Table]] = TablePage("method.md", FILE, format_document, format_section, draw)
