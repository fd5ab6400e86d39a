"""Write the result of the transfer bench as Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Final

from clip2scene_core.bench.markdown import QUICK_NOTE, format_table, format_times
from clip2scene_core.bench.statistics import READING, Measurement
from clip2scene_core.bench.transfer.groups import GROUPS
from clip2scene_core.bench.transfer.result import TransferResult, TransferStudent
from clip2scene_core.labels import NUSCENES_CLASSES

_LIDAR_GROUPS: Final = {"yes": "seen LiDARs", "no": "unseen LiDARs", "unknown": "all LiDARs"}

REAL_NOTE = (
    "These frames were looked at while the student was developed, so they are no test. They are "
    "single frames: they show what works at all, and small differences mean nothing."
)


SURFACES_NOTE = (
    "Other surfaces: what windows, paint, rough ground and each material return is drawn for each "
    "scene (`clip2scene world --surfaces varied`)."
)

LEFT_OUT_NOTE = (
    "The street's sensor, unchanged. One class at a time loses its word. The score is what "
    "`min_confidence` is compared with; AUROC is how often a point of a named class has a higher "
    "score than one of the class without a word. Risk is the share of wrong labels among those "
    "that a threshold leaves."
)


def format_result(result: TransferResult) -> str:
    """Write a whole result as a Markdown document."""
    head = result.format_lines()
    if result.is_quick:
        head.append(QUICK_NOTE)
    sections = ["# Students on other sensors\n\n" + "\n".join(head), READING]
    for student in result.students:
        digests = ", ".join(digest[:12] for digest in student.digests)
        sections += [
            f"## Student {student.name}\n\nCheckpoints {digests}.",
            format_student(student),
        ]
        if student.pictures:
            sections.append(format_pictures(student))
    if len(result.students) > 1:
        sections.append(f"## Side by side\n\n{format_comparison(result)}")
    sections.append(f"## Times\n\n{format_times(result)}")
    return "\n\n".join(sections) + "\n"


def format_comparison(result: TransferResult) -> str:
    """Write the main numbers of all configurations, one a row."""
    first = result.students[0]
    header = (
        "mean IoU [%]",
        *(one.change for one in first.changes),
        *_LIDAR_GROUPS.values(),
    )
    rows = []
    for student in result.students:
        lidars = [_mean_over_lidars(student, in_training) for in_training in _LIDAR_GROUPS]
        rows.append((student.name, *(one.mean_iou.format() for one in student.changes), *lidars))
    return format_table(header, rows)


def _mean_over_lidars(student: TransferStudent, in_training: str) -> str:
    """Mean over LiDAR models of each seed's mean IoU, with the spread over the seeds."""
    lidars = [one.mean_iou for one in student.lidars if one.in_training == in_training]
    return _mean_of_seeds(lidars) if lidars else ""


def _mean_over_surfaces(student: TransferStudent, in_training: str) -> str:
    """The same where surfaces vary."""
    return _mean_of_seeds(
        [one.other_surfaces for one in student.lidars if one.in_training == in_training]
    )


def format_student(student: TransferStudent) -> str:
    """Write the tables of one configuration."""
    parts = [
        f"### The street's sensor, changed\n\n{format_changes(student)}",
        f"### LiDAR models on varied terrain\n\n{format_lidars(student)}",
    ]
    parts.append(f"### Objects that no word names\n\n{format_left_out(student)}")
    if student.frames or student.boxes:
        parts.append(f"### Real frames\n\n{REAL_NOTE}\n\n{format_real(student)}")
    return "\n\n".join(parts)


def format_changes(student: TransferStudent) -> str:
    """Write the scores on changed sensors."""
    return format_table(
        ("sensor", "mean IoU [%]", "difference"),
        [
            (one.change, one.mean_iou.format(), one.difference.format() if one.difference else "")
            for one in student.changes
        ],
    )


def format_lidars(student: TransferStudent) -> str:
    """Write the scores on each LiDAR model, overall and by class.

    Means are by whether training had the LiDAR.
    """
    rows = [
        (
            one.lidar,
            one.in_training,
            one.mean_iou.format(),
            one.other_surfaces.format(),
            one.difference.format(),
        )
        for one in student.lidars
    ]
    for in_training in _LIDAR_GROUPS:
        if mean := _mean_over_lidars(student, in_training):
            others = _mean_over_surfaces(student, in_training)
            rows.append(("**mean**", in_training, mean, others, ""))
    header = ("LiDAR", "in training", "mean IoU [%]", "the same, other surfaces", "difference")
    means = format_table(header, rows)
    by_class = [
        (category.name, *(_round(one.iou[number].mean) for one in student.lidars))
        for number, category in enumerate(NUSCENES_CLASSES)
    ]
    columns = ("IoU [%]", *(one.lidar for one in student.lidars))
    return f"{SURFACES_NOTE}\n\n{means}\n\n{format_table(columns, by_class)}"


def format_left_out(student: TransferStudent) -> str:
    """Write what the scores say of each class whose word was left out."""
    rows = [
        (
            one.left_out,
            f"{one.num_points}",
            *(m.format() for m in (one.auroc, one.auroc_of_words, one.risk, one.coverage)),
        )
        for one in student.left_out
    ]
    header = (
        "left out",
        "points",
        "AUROC of the score [%]",
        "AUROC of the probability among the words [%]",
        "mean risk [%]",
        "coverage at 10 % risk [%]",
    )
    error = student.calibration_error.format()
    means = [
        _mean_of_seeds([getattr(one, name) for one in student.left_out])
        for name in ("auroc", "auroc_of_words", "risk", "coverage")
    ]
    table = format_table(header, [*rows, ("**mean**", "", *means)])
    return f"{LEFT_OUT_NOTE} The calibration error with all words is {error} %.\n\n{table}"


def _mean_of_seeds(measurements: Sequence[Measurement]) -> str:
    """Mean of several numbers in each seed, with the spread over the seeds."""
    of_seeds = zip(*(one.values for one in measurements), strict=True)
    return Measurement(tuple(statistics.mean(of_seed) for of_seed in of_seeds)).format()


def _round(share: float) -> str:
    """Whole percent, or nothing for a class that is not there."""
    return "" if math.isnan(share) else f"{100 * share:.0f}"


def format_real(student: TransferStudent) -> str:
    """Write the scores on real frames."""
    tables = []
    if student.frames:
        tables.append(
            format_table(
                ("frame", "words", "mean IoU of 6 groups [%]", "points right [%]", *GROUPS),
                [
                    (
                        one.frame,
                        one.words,
                        one.mean_iou.format(),
                        one.right.format(),
                        *(iou.format() for iou in one.iou),
                    )
                    for one in student.frames
                ],
            )
        )
    if student.boxes:
        rows = [
            (one.kind, one.words, f"{one.num_points}", one.movable.format(), one.right.format())
            for one in student.boxes
        ]
        rows += [
            ("none", one.words, f"{one.num_points}", one.share.format(), "")
            for one in student.false_movable
        ]
        header = ("boxes of", "words", "points", "with a movable word [%]", "with its word [%]")
        tables.append(format_table(header, rows))
    return "\n\n".join(tables)


def format_pictures(student: TransferStudent) -> str:
    """Show the pictures of the real frames, where the bench left them."""
    files = [f"pictures/{student.name}/{file}" for file in student.pictures]
    return "\n\n".join(f"![{file}]({file})" for file in files)
