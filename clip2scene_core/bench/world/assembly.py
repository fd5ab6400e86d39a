"""Turn the results of stages into the numbers of the world bench."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from clip2scene_core.bench.measure.labeller import mode_of
from clip2scene_core.bench.measure.queries import OpenVocabularyQuery, make_queries
from clip2scene_core.bench.measure.score import POINTS, Parts, fix_counts, stack_seeds
from clip2scene_core.bench.results import Difference
from clip2scene_core.bench.runs import StudentRun
from clip2scene_core.bench.stages import StageResult
from clip2scene_core.bench.statistics import (
    SceneCounts,
    compare,
    measure,
    measure_classes,
)
from clip2scene_core.bench.world.plan import corruption_name
from clip2scene_core.bench.world.result import (
    CorruptionResult,
    Failure,
    QueryResult,
    Score,
    StudentResult,
)
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.corruptions.corruption import Corruption
from clip2scene_core.inference.options import MODES

STUDENT: Final = "student"
FUSED: Final = "student and cameras"
TEACHER: Final = "projected teacher"
UNTRAINED: Final = "untrained network"
MAJORITY: Final = "majority class"
PERFECT_2D: Final = "perfect 2D labels projected"
SUPERVISED: Final = "full supervision"
"""Trained once, with the first seed; not there for given students."""

_COMPARED: Final = (
    (STUDENT, TEACHER), (STUDENT, UNTRAINED), (STUDENT, MAJORITY), (STUDENT, PERFECT_2D),
    (SUPERVISED, STUDENT), (FUSED, STUDENT), (FUSED, TEACHER),
)  # fmt: skip

Results = Mapping[str, StageResult]
"""Results of stages by the names of the stages."""


def assemble_student(
    results: Results, runs: Sequence[StudentRun], corruptions: Sequence[Corruption]
) -> StudentResult:
    """Give the numbers of one configuration.

    Args:
        results: Results of all stages.
        runs: Students of the configuration, one for each seed.
        corruptions: Corruptions that were measured.
    """
    parts = labeller_counts(results, runs)
    first = runs[0]
    return StudentResult(
        name=first.group,
        digests=tuple(results[f"student-{run.name}"].value for run in runs),
        seeds=tuple(run.config.training.seed for run in runs),
        config=json.dumps(config_to_dict(first.config)),
        scores=tuple(_score(name, counts) for name, counts in parts.items()),
        differences=tuple(
            Difference(one, other, points, compare(parts[one][key], parts[other][key]))
            for key, points in POINTS.items()
            for one, other in _COMPARED
            if one in parts
        ),
        queries=_query_results(results, runs),
        corruptions=_corruptions(results, first.group, corruptions),
        failures=tuple(Failure(**one) for one in results[f"failures-{first.group}"].value),
    )


def labeller_counts(results: Results, runs: Sequence[StudentRun]) -> dict[str, Parts]:
    """Gather the counts of the students of a configuration and of all its references."""
    group = runs[0].group

    def gather(stage: str, mode: str) -> Parts:
        value = results[f"{stage}-{group}"].value
        return stack_seeds([value[mode_of(mode, number)] for number in range(len(runs))])

    rules = results["rules"].value
    gathered = {
        STUDENT: gather("score", "lidar"),
        FUSED: gather("score", "fused"),
        TEACHER: fix_counts(results[f"score-{group}"].value["camera"]),
        UNTRAINED: gather("score-untrained", "lidar"),
        MAJORITY: fix_counts(rules["majority"]),
        PERFECT_2D: fix_counts(rules["perfect 2D"]),
    }
    if not runs[0].is_given:
        value = results[f"score-supervised-{group}"].value
        gathered[SUPERVISED] = fix_counts(value[mode_of("lidar", 0)])
    return gathered


def compare_groups(
    results: Results, groups: Sequence[Sequence[StudentRun]]
) -> tuple[Difference, ...]:
    """Compare each configuration with the first one, where both have as many seeds."""
    first, *others = groups
    base = labeller_counts(results, first)[STUDENT]
    return tuple(
        Difference(
            f"{STUDENT} {runs[0].group}",
            f"{STUDENT} {first[0].group}",
            points,
            compare(labeller_counts(results, runs)[STUDENT][key], base[key]),
        )
        for runs in others
        if len(runs) == len(first)
        for key, points in POINTS.items()
    )


def _score(name: str, parts: Parts) -> Score:
    return Score(
        labeller=name,
        mean_iou=measure(parts["all"]),
        mean_iou_in_view=measure(parts["seen"]),
        iou=measure_classes(parts["all"]),
    )


def _query_results(results: Results, runs: Sequence[StudentRun]) -> tuple[QueryResult, ...]:
    value = results[f"queries-{runs[0].group}"].value

    def counts_of(query: str, mode: str) -> SceneCounts:
        counts = value["counts"][query]
        if mode == "camera":  # every seed has the same teacher
            return SceneCounts.fixed(counts[mode])
        return SceneCounts.of_seeds([counts[mode_of(mode, number)] for number in range(len(runs))])

    def results_of(query: OpenVocabularyQuery, mode: str) -> list[QueryResult]:
        counts = counts_of(query.name, mode)
        before = counts_of(query.against, mode) if query.against else None
        return [
            QueryResult(
                query=query.name,
                prompts=query.prompts,
                metric=metric.name,
                mode=mode,
                measured=measure(counts, metric.statistic),
                chance=(
                    float(metric.chance(counts.counts[0].sum(axis=0))) if metric.chance else None
                ),
                against=query.against,
                difference=compare(counts, before, metric.statistic) if before else None,
                picture=value["pictures"].get(query.name, ""),
            )
            for metric in query.metrics
        ]

    queries = make_queries(runs[0].config.prompts)
    return tuple(one for query in queries for mode in MODES for one in results_of(query, mode))


def _corruptions(
    results: Results, group: str, corruptions: Sequence[Corruption]
) -> tuple[CorruptionResult, ...]:
    def counts_of(corruption: Corruption | None, mode: str) -> SceneCounts:
        value = results[f"corrupted-{group}-{corruption_name(corruption)}"].value
        return SceneCounts.fixed(value[mode_of(mode, 0)]["all"])

    def corrupted(corruption: Corruption | None, mode: str) -> CorruptionResult:
        counts = counts_of(corruption, mode)
        if corruption is None:
            return CorruptionResult("none", 0, "", mode, measure(counts), None)
        difference = compare(counts, counts_of(None, mode))
        words = str(corruption.parameters)
        return CorruptionResult(
            corruption.kind, corruption.strength, words, mode, measure(counts), difference
        )

    return tuple(corrupted(one, mode) for one in (None, *corruptions) for mode in MODES)
