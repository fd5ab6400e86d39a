"""Write the tables of the transfer bench into the cards of the students that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.bench.markdown import CardError, replace_section
from clip2scene_core.bench.provenance import digest_of
from clip2scene_core.bench.transfer.report import format_student
from clip2scene_core.bench.transfer.result import TransferResult, save_result
from clip2scene_core.checkpoint import MODELS

RESULT: Final = "bench_transfer.json"
"""File beside the models; the cards hold its numbers."""

MARKS: Final = (
    "<!-- Written by `clip2scene bench transfer --update-cards`; do not edit. -->",
    "<!-- End of what the transfer bench wrote. -->",
)


def update_shipped(result: TransferResult, folder: Path = MODELS) -> None:
    """Write tables into the cards that have a place for them, and the numbers as JSON beside them.

    Args:
        result: Result of a bench that measured these very files.
        folder: Folder of the models. The card of a model has its name and ends in .md.

    Raises:
        CardError: If the bench did not measure the student of such a card, or there is no such
            card. Then no card is changed.
    """
    cards = {}
    for model in sorted(folder.glob("*student*.safetensors")):
        card = model.with_suffix(".md")
        text = card.read_text()
        if MARKS[0] in text:  # a card without them tells in words what was measured
            section = format_section(digest_of(model), model.stem, result)
            cards[card] = replace_section(text, section, str(card), MARKS)
    if not cards:
        raise CardError(f"no card of a student in {folder} has a place for the tables")
    for card, text in cards.items():
        with atomic_write(card) as draft:
            draft.write_text(text)
    save_result(folder / RESULT, result)


def format_section(digest: str, name: str, result: TransferResult) -> str:
    """Write the measured section of one student's card.

    Args:
        digest: SHA-256 of the student's file.
        name: Name of the student, for errors.
        result: Result of the bench.

    Raises:
        CardError: If the bench did not measure this file.
    """
    for student in result.students:
        if digest in student.digests:
            origin = (
                f"Measured by `{result.command}` on {result.date[:10]}, commit {result.commits()}."
            )
            return f"{origin}\n\n{format_student(student)}"
    raise CardError(
        f"the bench did not measure {name} (SHA-256 {digest[:12]}...); run it again with "
        f"--students and this file"
    )
