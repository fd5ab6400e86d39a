"""From the results of a bench's stages to its numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from clip2scene_core.bench.measure.labeller import mode_of
from clip2scene_core.bench.measure.queries import OpenVocabularyQuery, make_queries
from clip2scene_core.bench.results import Difference
from clip2scene_core.bench.runs import StudentRun
from clip2scene_core.bench.stages import StageResult
from clip2scene_core.bench.statistics import (
    SceneCounts,
    class_iou,
    compare,
    measure,
)
from clip2scene_core.bench.world.plan import corruption_name
from clip2scene_core.bench.world.result import (
    Corrupted,
    Failure,
    QueryResult,
    Score,
    StudentResult,
)
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.corruptions.corruption import Corruption
from clip2scene_core.inference.options import MODES
from clip2scene_core.labels import NUSCENES_CLASSES

STUDENT: Final = "student"
FUSED: Final = "student and cameras"
TEACHER: Final = "projected teacher"
UNTRAINED: Final = "untrained network"
MAJORITY: Final = "majority class"
PERFECT_2D: Final = "perfect 2D labels projected"
SUPERVISED: Final = "full supervision"

_COMPARED: Final = (
    (STUDENT, TEACHER), (STUDENT, UNTRAINED), (STUDENT, MAJORITY), (STUDENT, PERFECT_2D),
    (SUPERVISED, STUDENT), (FUSED, STUDENT), (FUSED, TEACHER),
)  # fmt: skip
_POINTS: Final = {"all": "all points", "seen": "points in view"}

Results = Mapping[str, StageResult]
Part = dict[str, SceneCounts]
"""For "all" and "seen" points, the counts of one labeller."""


def assemble_student(
    results: Results, runs: Sequence[StudentRun], corruptions: Sequence[Corruption]
) -> StudentResult:
    """Turn the stages of one configuration into its numbers.

    Args:
        results: By the names of the stages.
        runs: The seeds of the configuration.
        corruptions: Those that were measured.
    """
    parts = labeller_counts(results, runs)
    first = runs[0]
    return StudentResult(
        name=first.group,
        digests=tuple(results[f"student-{run.name}"].value for run in runs),
        seeds=tuple(run.config.training.seed for run in runs),
        config=json.dumps(config_to_dict(first.config)),
        scores=tuple(_score(name, part) for name, part in parts.items()),
        differences=tuple(
            Difference(one, other, points, compare(parts[one][key], parts[other][key]))
            for key, points in _POINTS.items()
            for one, other in _COMPARED
        ),
        answers=_answers(results, runs),
        corruptions=_corruptions(results, first.group, corruptions),
        failures=tuple(Failure(**one) for one in results[f"failures-{first.group}"].value),
    )


def labeller_counts(results: Results, runs: Sequence[StudentRun]) -> dict[str, Part]:
    """Gather the counts of a configuration's students and of all their references."""
    group = runs[0].group

    def gather(stage: str, mode: str) -> Part:
        value = results[f"{stage}-{group}"].value
        seeds = [value[mode_of(mode, number)] for number in range(len(runs))]
        return {key: _stack([seed[key] for seed in seeds]) for key in _POINTS}

    def fixed(value: dict[str, Any]) -> Part:
        return {key: _fixed(value[key]) for key in _POINTS}

    rules = results["rules"].value
    return {
        STUDENT: gather("score", "lidar"),
        FUSED: gather("score", "fused"),
        TEACHER: fixed(results[f"score-{group}"].value["camera"]),
        UNTRAINED: gather("score-untrained", "lidar"),
        MAJORITY: fixed(rules["majority"]),
        PERFECT_2D: fixed(rules["perfect 2D"]),
        SUPERVISED: gather("score-supervised", "lidar"),
    }


def compare_groups(
    results: Results, groups: Sequence[Sequence[StudentRun]]
) -> tuple[Difference, ...]:
    """Compare the students of each configuration with those of the first, where seeds pair."""
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
        for key, points in _POINTS.items()
    )


def _score(name: str, part: Part) -> Score:
    def of_class(label: int) -> Any:
        return lambda counts: class_iou(counts)[..., label]

    return Score(
        labeller=name,
        mean_iou=measure(part["all"]),
        mean_iou_in_view=measure(part["seen"]),
        iou=tuple(measure(part["all"], of_class(k)) for k in range(len(NUSCENES_CLASSES))),
    )


def _answers(results: Results, runs: Sequence[StudentRun]) -> tuple[QueryResult, ...]:
    value = results[f"queries-{runs[0].group}"].value

    def counts_of(query: str, mode: str) -> SceneCounts:
        counts = value["counts"][query]
        if mode == "camera":  # every seed has the same teacher
            return _fixed(counts[mode])
        return _stack([counts[mode_of(mode, number)] for number in range(len(runs))])

    def answers_of(query: OpenVocabularyQuery, mode: str) -> list[QueryResult]:
        counts = counts_of(query.name, mode)
        before = counts_of(query.against, mode) if query.against else None
        return [
            QueryResult(
                query=query.name,
                prompts=query.prompts,
                question=question.name,
                mode=mode,
                measured=measure(counts, question.statistic),
                chance=(
                    float(question.chance(counts.counts[0].sum(axis=0)))
                    if question.chance
                    else None
                ),
                against=query.against,
                difference=compare(counts, before, question.statistic) if before else None,
                picture=value["pictures"].get(query.name, ""),
            )
            for question in query.questions
        ]

    queries = make_queries(runs[0].config.prompts)
    return tuple(
        answer for query in queries for mode in MODES for answer in answers_of(query, mode)
    )


def _corruptions(
    results: Results, group: str, corruptions: Sequence[Corruption]
) -> tuple[Corrupted, ...]:
    def counts_of(corruption: Corruption | None, mode: str) -> SceneCounts:
        value = results[f"corrupted-{group}-{corruption_name(corruption)}"].value
        return _fixed(value[mode_of(mode, 0)]["all"])

    def corrupted(corruption: Corruption | None, mode: str) -> Corrupted:
        counts = counts_of(corruption, mode)
        if corruption is None:
            return Corrupted("none", 0, "", mode, measure(counts), None)
        difference = compare(counts, counts_of(None, mode))
        words = str(corruption.parameters)
        return Corrupted(
            corruption.kind, corruption.strength, words, mode, measure(counts), difference
        )

    return tuple(corrupted(one, mode) for one in (None, *corruptions) for mode in MODES)


def _stack(of_seeds: Sequence[Any]) -> SceneCounts:
    return SceneCounts(np.array(of_seeds, dtype=np.int64), is_seeded=True)


def _fixed(counts: Any) -> SceneCounts:
    return SceneCounts(np.array([counts], dtype=np.int64), is_seeded=False)
