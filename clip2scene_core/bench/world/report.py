"""A bench's result as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from clip2scene_core.bench.markdown import format_percent, format_table
from clip2scene_core.bench.results import ClipResult, Difference, SplitCounts
from clip2scene_core.bench.world.result import BenchResult, Corrupted, QueryResult, StudentResult
from clip2scene_core.inference.options import MODES

_INTRODUCTION = """\
Numbers are percentages. "±" after a mean is the spread: the sample standard deviation over the
seeds of training. "±" after a difference is its standard error, from seeds and scenes together
(jackknife over the scenes, both sides paired); a difference of less than two standard errors is
"not resolved"."""


_COMPARED_MODES = ("lidar", "fused")


def format_result(result: BenchResult) -> str:
    """Write a whole result as a Markdown document."""
    sections = [
        f"# The benchmark on the synthetic world\n\n{_run_of(result)}",
        _INTRODUCTION,
        f"## Data\n\n{format_splits(result)}",
        f"## The teacher on test: {result.clip.name}\n\n{format_clip(result.clip, result.classes)}",
    ]
    for student in result.students:
        sections += [
            f"## Student {student.name}\n\n{_identity(student)}",
            f"### Mean IoU on test\n\n{format_scores(student)}",
            f"### Differences\n\n{format_differences(student.differences)}",
            f"### IoU by class on test, all points\n\n{format_classes(student, result.classes)}",
            f"### Open vocabulary on test\n\n{format_answers(student.answers)}",
            f"### Corruptions of test\n\n{format_corruptions(student.corruptions)}",
            f"### Worst classes\n\n{format_failures(student)}",
        ]
    if result.between:
        sections.append(f"## Between students\n\n{format_differences(result.between)}")
    sections.append(f"## Times\n\n{_times(result)}")
    return "\n\n".join(sections) + "\n"


def format_splits(result: BenchResult) -> str:
    """Write how large the splits are, and the share of each class and in how many scenes it is."""
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
    """Write what the teacher knows: classes of pictures and pixels, and other texts."""
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


def format_differences(differences: Sequence[Difference]) -> str:
    """Write paired differences, one pair of labellers a row."""
    points = sorted({difference.points for difference in differences})
    pairs = list(dict.fromkeys((d.one, d.other) for d in differences))
    found = {(d.one, d.other, d.points): d.paired.format() for d in differences}
    return format_table(
        ("difference of mean IoU", *points),
        [(f"{one} - {other}", *(found[one, other, p] for p in points)) for one, other in pairs],
    )


def format_classes(student: StudentResult, classes: Sequence[str]) -> str:
    """Write the IoU of each class by each labeller, means over the seeds."""
    rows = [
        (name, *(format_percent(score.iou[k].mean) for score in student.scores))
        for k, name in enumerate(classes)
    ]
    rows.append(("**mean**", *(format_percent(score.mean_iou.mean) for score in student.scores)))
    in_view = (format_percent(score.mean_iou_in_view.mean) for score in student.scores)
    rows.append(("**mean in view**", *in_view))
    return format_table(("IoU [%]", *(score.labeller for score in student.scores)), rows)


def format_answers(answers: Sequence[QueryResult]) -> str:
    """Write what other prompts give, one question a row."""
    header = ("prompts", "question", *MODES, "chance", "lidar - prompts of training")
    by_question: dict[tuple[str, str], dict[str, QueryResult]] = {}
    for answer in answers:
        by_question.setdefault((answer.query, answer.question), {})[answer.mode] = answer
    rows = []
    for (query, question), by_mode in by_question.items():
        lidar = by_mode["lidar"]
        chance = "" if lidar.chance is None else format_percent(lidar.chance)
        difference = lidar.difference.format() if lidar.difference else ""
        measured = (by_mode[mode].measured.format() for mode in MODES)
        rows.append((query, question, *measured, chance, difference))
    return format_table(header, rows)


def format_corruptions(corruptions: Sequence[Corrupted]) -> str:
    """Write the mean IoU under each corruption, and what it costs without and with cameras."""
    by_case: dict[tuple[str, int, str], dict[str, Corrupted]] = {}
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
    """Write the worst classes with their pictures, which lie in the bench's folder."""
    return "\n\n".join(
        f"{one.name}, IoU {format_percent(one.iou)} %:\n\n"
        f"![{one.name}](pictures/{student.name}/{one.file})"
        for one in student.failures
    )


def _run_of(result: BenchResult) -> str:
    commits = sorted({stage.commit for stage in result.stages})
    lines = [
        f"- command: `{result.command}`",
        f"- commit: {', '.join(commits)}",
        f"- finished: {result.date}",
        f"- machine: {result.machine}",
        "- **This run looked at the test split.** Nothing may be tuned by its numbers.",
    ]
    if result.is_quick:
        lines.append("- **A quick run: it shows that every stage works. Its numbers say nothing.**")
    return "\n".join(lines)


def _identity(student: StudentResult) -> str:
    rows = [
        (str(seed), f"`{digest}`")
        for seed, digest in zip(student.seeds, student.digests, strict=True)
    ]
    return format_table(("seed", "SHA-256 of the checkpoint"), rows)


def _times(result: BenchResult) -> str:
    rows = [(stage.name, f"{stage.seconds:.0f}") for stage in result.stages]
    total = sum(stage.seconds for stage in result.stages)
    rows.append(("**all, one after the other**", f"{total:.0f}"))
    return format_table(("stage", "seconds"), rows)


def _share(split: SplitCounts, label: int) -> str:
    share = split.points_per_class[label] / max(1, sum(split.points_per_class))
    return f"{100 * share:.2f} % ({split.scenes_per_class[label]})"
