"""Write the measured part of the model cards from the result of the world bench."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.bench.markdown import (
    BEGIN,
    CardError,
    format_differences,
    format_percent,
    replace_section,
)
from clip2scene_core.bench.provenance import digest_of
from clip2scene_core.bench.world.report import (
    format_classes,
    format_clip,
    format_corruptions,
    format_queries,
    format_scores,
)
from clip2scene_core.bench.world.result import BenchResult, StudentResult, save_result
from clip2scene_core.bench.world.shipped import MODELS, RESULT
from clip2scene_core.visualization.clouds import stack


def update_shipped(result: BenchResult, pictures: Path, folder: Path = MODELS) -> None:
    """Write numbers into the cards that have a place for them, and JSON and pictures beside them.

    Args:
        result: Result of a bench that measured these very files.
        pictures: Pictures of the bench, a folder for each configuration. Two files of them are
            written beside each student.
        folder: Folder of the models. The card of a model has its name and ends in .md.

    Raises:
        CardError: If the bench measured other files than those of such cards, or there is no such
            card. Then no card is changed.
    """
    cards = {}
    for model in sorted(folder.glob("*.safetensors")):
        card = model.with_suffix(".md")
        text = card.read_text()
        if BEGIN in text:  # a card without it tells in words what was measured
            section = format_section(digest_of(model), model.stem, result)
            cards[model] = replace_section(text, section, str(card))
    if not cards:
        raise CardError(f"no card in {folder} has a place for the numbers")
    for model, text in cards.items():
        with atomic_write(model.with_suffix(".md")) as draft:
            draft.write_text(text)
        found = _find_student(digest_of(model), result)
        if found is not None:
            _copy_pictures(model, found[0], pictures / found[0].name)
    save_result(folder / RESULT, result)


def format_section(digest: str, name: str, result: BenchResult) -> str:
    """Write the measured section of one model's card.

    Args:
        digest: SHA-256 of the model's file.
        name: File name of the model and of its pictures, without the ending.
        result: Result of the bench.

    Raises:
        CardError: If the bench did not measure this file.
    """
    origin = f"Measured by `{result.command}` on {result.date[:10]}, commit {result.commits()}."
    if digest == result.clip.digest:
        return f"{origin}\n\n{format_clip(result.clip, result.classes)}"
    found = _find_student(digest, result)
    if found is None:
        raise CardError(
            f"the bench did not measure {name} (SHA-256 {digest[:12]}...); run it again with "
            f"--students and this file"
        )
    student, number = found
    seeds = ", ".join(map(str, student.seeds))
    return "\n\n".join(
        [
            origin,
            "Every number is of the **test** split, which nothing was tuned on.",
            f"This file (seed {student.seeds[number]}):",
            format_classes(student, result.classes, number),
            f"Students of this configuration (seeds {seeds}), mean ± spread, in percent:",
            format_scores(student),
            "Differences ± standard error over seeds and scenes:",
            format_differences(student.differences),
            "### Open-vocabulary queries",
            format_queries(student.queries),
            f"![Answers of the student to the queries]({words_picture(Path(name)).name})",
            f"### Corruptions (seed {student.seeds[0]}, one keyframe per scene)",
            format_corruptions(student.corruptions),
            f"### Worst classes (seed {student.seeds[0]})",
            ", ".join(f"{one.name} ({format_percent(one.iou)} %)" for one in student.failures),
            f"![The worst classes, seen from above]({failures_picture(Path(name)).name})",
        ]
    )


def failures_picture(model: Path) -> Path:
    """File of the picture of a model's worst classes."""
    return model.with_name(f"{model.stem}_failures.png")


def words_picture(model: Path) -> Path:
    """File of the picture of a model's answers to queries."""
    return model.with_name(f"{model.stem}_words.png")


def _copy_pictures(model: Path, student: StudentResult, pictures: Path) -> None:
    queries = dict.fromkeys(one.picture for one in student.queries if one.picture)
    _stack([pictures / file for file in queries], words_picture(model))
    _stack([pictures / failure.file for failure in student.failures], failures_picture(model))


def _find_student(digest: str, result: BenchResult) -> tuple[StudentResult, int] | None:
    for student in result.students:
        if digest in student.digests:
            return student, student.digests.index(digest)
    return None


def _stack(files: Sequence[Path], out: Path) -> None:
    pictures = []
    for file in files:
        with Image.open(file) as picture:
            pictures.append(picture.convert("RGB"))
    if pictures:
        with atomic_write(out) as draft:
            stack(pictures).quantize(128).save(draft, optimize=True)
