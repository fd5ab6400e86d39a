"""The page `docs/zeroshot.md`, which shows the zero-shot table."""

from __future__ import annotations

from typing import Final

from clip2scene_core.bench.table_page import TablePage
from clip2scene_core.bench.zeroshot.report import draw, format_document, format_section
from clip2scene_core.bench.zeroshot.result import FILE, ZeroShotTable

PAGE: Final[TablePage[ZeroShotTable]] = TablePage(
    "zeroshot.md", FILE, format_document, format_section, draw
)
