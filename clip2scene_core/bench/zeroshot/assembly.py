"""Turn the results of stages into the zero-shot table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from clip2scene_core.bench.measure.clip_scores import clip_digest
from clip2scene_core.bench.measure.score import Parts, fix_counts, stack_seeds
from clip2scene_core.bench.provenance import describe_run
from clip2scene_core.bench.results import Difference, SplitSize
from clip2scene_core.bench.stages import StageResult, name_missing_value
from clip2scene_core.bench.statistics import (
    SceneCounts,
    Statistic,
    compare,
    measure,
    measure_classes,
)
from clip2scene_core.bench.tables.result import TableProvenance
from clip2scene_core.bench.zeroshot.groups import ALL, HARMONIC, SEEN, UNSEEN, group_statistics
from clip2scene_core.bench.zeroshot.result import GroupScores, ZeroShotResult, ZeroShotTable
from clip2scene_core.bench.zeroshot.rows import FULL, ROWS, TEACHER, plan_run
from clip2scene_core.bench.zeroshot.run import TEST, TUNE, ZeroShotBenchOptions
from clip2scene_core.bench.zeroshot.scores import PENALTIES, penalty_name
from clip2scene_core.config.parser import config_to_dict

STACKED: Final = f"{HARMONIC}, stacked"

_COMPARED: Final = (UNSEEN, SEEN, ALL, HARMONIC)
_TEACHER_NOTE: Final = (
    "the projected teacher, asked for all classes, with the cameras that no other row has; a point "
    "in no view has no label"
)


def assemble_table(
    options: ZeroShotBenchOptions, results: Mapping[str, StageResult]
) -> ZeroShotTable:
    """Make the table.

    Raises:
        BenchError: If a kept stage lacks a value, because other code computed it.
    """
    with name_missing_value(options.work):
        return _assemble(options, results)


def _assemble(options: ZeroShotBenchOptions, results: Mapping[str, StageResult]) -> ZeroShotTable:
    statistics = group_statistics(options.is_unseen)
    counted: dict[str, _Counts] = {}
    seconds: dict[str, float] = {}
    for row in ROWS:
        names = [plan_run(row, options.base, s, options.work).name for s in options.seeds]
        counted[row.name] = _Counts([results[f"score-{name}"].value for name in names], True)
        seconds[row.name] = sum(results[f"train-{name}"].seconds for name in names) / len(names)
    counted[TEACHER] = _Counts([results["score-teacher"].value], False)
    tried = {
        name: tuple(_tuned(counts, penalty, statistics) for penalty in PENALTIES)
        for name, counts in counted.items()
    }
    chosen = {name: best_penalty(values) for name, values in tried.items()}
    stacked = {name: one.of(TEST, chosen[name])["all"] for name, one in counted.items()}
    plain = {name: one.of(TEST, 0.0) for name, one in counted.items()}
    settings = {row.name: row.settings for row in ROWS} | {TEACHER: ()}
    notes = {row.name: row.note for row in ROWS} | {TEACHER: _TEACHER_NOTE}
    rows = tuple(
        ZeroShotResult(
            name=name,
            note=notes[name],
            settings=settings[name],
            plain=_scores(plain[name]["all"], statistics),
            in_view=_scores(plain[name]["seen"], statistics),
            penalty=chosen[name],
            tried=tried[name],
            stacked=_scores(stacked[name], statistics),
            iou=measure_classes(plain[name]["all"]),
            train_seconds=seconds.get(name, 0.0),
        )
        for name in counted
    )
    differences = []
    for other in counted:
        if other == FULL:
            continue
        for score in _COMPARED:
            full, one = plain[FULL]["all"], plain[other]["all"]
            paired = compare(full, one, statistics[score])
            differences.append(Difference(FULL, other, score, paired))
        paired = compare(stacked[FULL], stacked[other], statistics[HARMONIC])
        differences.append(Difference(FULL, other, STACKED, paired))
    return ZeroShotTable(
        run=_provenance(options, results),
        unseen=options.base.named_split.unseen,
        protocol=options.base.class_split.protocol,
        penalties=PENALTIES,
        rows=rows,
        differences=tuple(differences),
    )


def best_penalty(tried: Sequence[float]) -> float:
    """Choose the penalty with the best hIoU; the smallest of equal ones, 0 if none has any.

    Args:
        tried: hIoU with each of PENALTIES; NaN where no point of a group was measured.
    """
    values = np.nan_to_num(np.array(tried), nan=-1.0)
    return PENALTIES[int(values.argmax())]


class _Counts:
    """The counts of one row, stacked over its seeds.

    Args:
        values: Results of `scores`, one for each seed.
        is_seeded: Whether they depend on a seed.
    """

    def __init__(self, values: Sequence[Mapping[str, Any]], is_seeded: bool) -> None:
        self._values, self._is_seeded = values, is_seeded

    def of(self, part: str, penalty: float) -> Parts:
        """Counts on the scenes TUNE or TEST, with a penalty."""
        counts = [value[part][penalty_name(penalty)] for value in self._values]
        return stack_seeds(counts) if self._is_seeded else fix_counts(counts[0])


def _tuned(counts: _Counts, penalty: float, statistics: Mapping[str, Statistic]) -> float:
    return measure(counts.of(TUNE, penalty)["all"], statistics[HARMONIC]).mean


def _scores(counts: SceneCounts, statistics: Mapping[str, Statistic]) -> GroupScores:
    return GroupScores(
        seen=measure(counts, statistics[SEEN]),
        unseen=measure(counts, statistics[UNSEEN]),
        all=measure(counts, statistics[ALL]),
        harmonic=measure(counts, statistics[HARMONIC]),
    )


def _provenance(
    options: ZeroShotBenchOptions, results: Mapping[str, StageResult]
) -> TableProvenance:
    places = options.places
    named = {"train": places.train, TUNE: places.tune, TEST: places.test}
    parts = []
    for name, scenes in named.items():
        assert scenes is not None  # synthetic scenes have all parts
        dataset = scenes.open(with_images=False)
        parts.append(SplitSize(name, len(dataset.scenes), len(dataset)))
    return TableProvenance(
        **describe_run(options.command, options.is_quick, results.values()),
        is_synthetic=True,
        parts=tuple(parts),
        measured_on=TEST,
        seeds=tuple(options.seeds),
        config=json.dumps(config_to_dict(options.base)),
        clip=clip_digest(options.base.student.teacher),
    )
