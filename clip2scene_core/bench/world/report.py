"""Write the result of the world bench as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from clip2scene_core.bench.markdown import (
    QUICK_NOTE,
    format_columns,
    format_differences,
    format_percent,
    format_table,
    format_times,
)
from clip2scene_core.bench.results import ClipResult, SplitCounts
from clip2scene_core.bench.statistics import READING, Measurement
from clip2scene_core.bench.world.result import (
    BenchResult,
    CorruptionResult,
    QueryResult,
    Score,
    StudentResult,
)
from clip2scene_core.inference.options import MODES

_COMPARED_MODES = ("lidar", "fused")


def format_result(result: BenchResult) -> str:
    """Write a whole result as a Markdown document."""
    sections = [
        f"# The benchmark on the synthetic world\n\n{_run_of(result)}",
        READING,
        f"## Data\n\n{format_splits(result)}",
        f"## The teacher on test: {result.clip.name}\n\n{format_clip(result.clip, result.classes)}",
    ]
    for student in result.students:
        sections += [
            f"## Student {student.name}\n\n{_identity(student)}",
            f"### Mean IoU on test\n\n{format_scores(student)}",
            f"### Differences\n\n{format_differences(student.differences)}",
            f"### IoU by class on test, all points\n\n{format_classes(student, result.classes)}",
            f"### Open vocabulary on test\n\n{format_queries(student.queries)}",
            f"### Corruptions of test\n\n{format_corruptions(student.corruptions)}",
            f"### Worst classes\n\n{format_failures(student)}",
        ]
    if result.between:
        sections.append(f"## Between students\n\n{format_differences(result.between)}")
    sections.append(f"## Times\n\n{format_times(result)}")
    return "\n\n".join(sections) + "\n"


def format_splits(result: BenchResult) -> str:
    """Write the sizes of the splits, and for each class its share of points and its scenes."""
    sizes = format_table(
        ("split", "scenes", "keyframes", "labelled points"),
        [
            (s.name, f"{s.num_scenes}", f"{s.num_keyframes}", f"{sum(s.points_per_class):,}")
            for s in result.splits
        ],
    )
    shares = [
        (name, *(_share(split, k) for split in result.splits))
        for k, name in enumerate(result.classes)
    ]
    header = ("share of points (scenes)", *(split.name for split in result.splits))
    return f"{sizes}\n\n{format_table(header, shares)}"


def format_clip(clip: ClipResult, classes: Sequence[str]) -> str:
    """Write the scores of the teacher: classes of pictures and pixels, and other texts."""
    error = format_percent(clip.accuracy_error)
    rows = [
        (name, format_percent(clip.recall[k]), format_percent(clip.iou[k]))
        for k, name in enumerate(classes)
    ]
    accuracy = f"{format_percent(clip.accuracy)} ± {error} (accuracy)"
    rows.append(("**all**", accuracy, f"{format_percent(clip.mean_iou)} (mean IoU)"))
    header = ("class", f"{clip.num_pictures} pictures named, recall [%]", "pixels, IoU [%]")
    texts = [
        (one.name, format_percent(one.recall), format_percent(one.chance), str(one.num_texts))
        for one in clip.groups
    ]
    tables = [
        format_table(header, rows),
        format_table(("other texts", "recall@1 [%]", "chance [%]", "texts"), texts),
    ]
    if clip.unread:
        tables.append(f"Never found, because it cannot read them: {', '.join(clip.unread)}.")
    return "\n\n".join(tables)


def format_scores(student: StudentResult) -> str:
    """Write the mean IoU of a student and its references."""
    return format_table(
        ("mean IoU", "all points", "points in view"),
        [(s.labeller, s.mean_iou.format(), s.mean_iou_in_view.format()) for s in student.scores],
    )


def format_classes(
    student: StudentResult, classes: Sequence[str], number: int | None = None
) -> str:
    """Write the IoU of each class by each labeller.

    Args:
        student: Students and references.
        classes: Names of the classes.
        number: Index of the seed; None for the mean over the seeds.
    """

    def percent(measured: Measurement) -> str:
        if number is None:
            return format_percent(measured.mean)
        return format_percent(measured.values[number if measured.is_seeded else 0])

    def column(score: Score) -> list[str]:
        return [percent(one) for one in (*score.iou, score.mean_iou, score.mean_iou_in_view)]

    names = [*classes, "**mean**", "**mean in view**"]
    return format_columns(
        {"IoU [%]": names} | {score.labeller: column(score) for score in student.scores}
    )


def format_queries(results: Sequence[QueryResult]) -> str:
    """Write the results of open-vocabulary queries, one metric a row."""
    header = ("query", "metric", *MODES, "chance", "lidar - prompts of training")
    by_metric: dict[tuple[str, str], dict[str, QueryResult]] = {}
    for result in results:
        by_metric.setdefault((result.query, result.metric), {})[result.mode] = result
    rows = []
    for (query, metric), by_mode in by_metric.items():
        lidar = by_mode["lidar"]
        chance = "" if lidar.chance is None else format_percent(lidar.chance)
        difference = lidar.difference.format() if lidar.difference else ""
        measured = (by_mode[mode].measured.format() for mode in MODES)
        rows.append((query, metric, *measured, chance, difference))
    return format_table(header, rows)


def format_corruptions(corruptions: Sequence[CorruptionResult]) -> str:
    """Write the mean IoU under each corruption, and the loss without and with cameras."""
    by_case: dict[tuple[str, int, str], dict[str, CorruptionResult]] = {}
    for one in corruptions:
        by_case.setdefault((one.kind, one.strength, one.parameters), {})[one.mode] = one
    rows = []
    for (kind, strength, parameters), by_mode in by_case.items():
        lost = (by_mode[mode].difference for mode in _COMPARED_MODES)
        rows.append(
            (
                f"{kind.replace('_', ' ')} {strength}" if strength else kind,
                parameters,
                *(format_percent(by_mode[mode].mean_iou.mean) for mode in MODES),
                *(difference.format() if difference else "" for difference in lost),
            )
        )
    compared = (f"{mode} - none" for mode in _COMPARED_MODES)
    return format_table(("corruption", "", *MODES, *compared), rows)


def format_failures(student: StudentResult) -> str:
    """Write the classes with the lowest IoU, with their pictures in the folder of the bench."""
    return "\n\n".join(
        f"{one.name}, IoU {format_percent(one.iou)} %:\n\n"
        f"![{one.name}](pictures/{student.name}/{one.file})"
        for one in student.failures
    )


def _run_of(result: BenchResult) -> str:
    lines = [
        *result.format_lines(),
        "- **This run looked at the test split.** Nothing may be tuned by its numbers.",
    ]
    if result.is_quick:
        lines.append(QUICK_NOTE)
    return "\n".join(lines)


def _identity(student: StudentResult) -> str:
    rows = [
        (str(seed), f"`{digest}`")
        for seed, digest in zip(student.seeds, student.digests, strict=True)
    ]
    return format_table(("seed", "SHA-256 of the checkpoint"), rows)


def _share(split: SplitCounts, label: int) -> str:
    share = split.points_per_class[label] / max(1, sum(split.points_per_class))
    return f"{100 * share:.2f} % ({split.scenes_per_class[label]})"
