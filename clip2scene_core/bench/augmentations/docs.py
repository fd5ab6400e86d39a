"""The page `docs/benchmarks.md`, which shows the table of augmentations."""

from __future__ import annotations

from typing import Final

from clip2scene_core.bench.augmentations.report import draw, format_document, format_section
from clip2scene_core.bench.augmentations.result import FILE, AugmentationTable
from clip2scene_core.bench.table_page import TablePage

PAGE: Final[TablePage[AugmentationTable]] = TablePage(
    "benchmarks.md", FILE, format_document, format_section, draw
)
