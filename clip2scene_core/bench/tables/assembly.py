"""Turn the results of stages into the tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from clip2scene_core.bench.measure.clip_scores import clip_digest
from clip2scene_core.bench.measure.score import (
    OTHER_WORDS,
    TRAINED_WORDS,
    Parts,
    fix_counts,
    stack_seeds,
)
from clip2scene_core.bench.provenance import describe_run
from clip2scene_core.bench.results import Difference, SplitSize
from clip2scene_core.bench.stages import StageResult, name_missing_value
from clip2scene_core.bench.statistics import SceneCounts, compare, measure, measure_classes
from clip2scene_core.bench.tables.finetuning import Start, Trial, column_name, tuned_iou
from clip2scene_core.bench.tables.plan import Plan
from clip2scene_core.bench.tables.result import (
    Ablation,
    Ablations,
    Cell,
    GridPoint,
    Table,
    Table2,
    TableProvenance,
)
from clip2scene_core.bench.tables.rows import FULL, RANDOM, STUDIES, TEACHER, UNTRAINED
from clip2scene_core.bench.tables.run import Outcome, TablesOptions, seeded
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.labels import NUSCENES_CLASSES

_STAGES: Final = {
    "table1": ("world", "teacher", "pretrain", "score"),
    "table2": ("world", "teacher", "superpixels", "pretrain", "finetune", "score"),
    "ablations": ("world", "teacher", "pretrain", "score"),
}
"""Beginnings of the names of each table's stages."""


def assemble_tables(options: TablesOptions, outcome: Outcome) -> list[Table]:
    """Make all tables that the options name.

    Raises:
        BenchError: If a kept stage lacks a value, because other code computed it.
    """
    with name_missing_value(options.work):
        return [
            _assemble_study(options, outcome, name)
            if name in STUDIES
            else _assemble_table2(options, outcome)
            for name in options.tables
        ]


def _assemble_study(options: TablesOptions, outcome: Outcome, name: str) -> Ablations:
    study, counts = STUDIES[name], _Counts(options, outcome.results)
    rows: list[Ablation] = []
    found: dict[str, SceneCounts] = {}

    def add(
        name: str,
        parts: Parts | None,
        plan: Plan | None = None,
        paper: float | None = None,
        note: str = "",
    ) -> None:
        if parts:
            found[name] = parts["all"]
        rows.append(
            Ablation(
                name=name,
                paper=paper,
                note=note,
                refusal=plan.refusal if plan else "",
                settings=plan.row.settings if plan else (),
                mean_iou=measure(parts["all"]) if parts else None,
                mean_iou_in_view=measure(parts["seen"]) if parts else None,
                iou=measure_classes(parts["all"]) if parts else (),
                train_seconds=counts.train_seconds(plan) if plan and parts else 0.0,
            )
        )

    for row in study.rows:
        plan = outcome.plans[row]
        parts = None if plan.config is None else counts.of_run(plan.run, TRAINED_WORDS)
        add(row.name, parts, plan, row.paper, _note_of(plan))
        if plan.labels:
            other = counts.of_run(plan.run, OTHER_WORDS)
            note = "the same students, asked for the words of the other rows"
            add(f"{row.name}, other words at test", other, plan, note=note)
    add(UNTRAINED, counts.of_run("untrained", TRAINED_WORDS), note="reference")
    teacher = fix_counts(outcome.results["score-teacher"].value[TRAINED_WORDS])
    add(TEACHER, teacher, note="reference; a point in no view has no label")
    differences = tuple(
        Difference(one, other, "all points", compare(scenes, found[other]))
        for other in study.against
        for one, scenes in found.items()
        if one != other
    )
    run = _provenance(options, outcome, name)
    return Ablations(name, study.title, run, tuple(rows), study.against, differences)


def _assemble_table2(options: TablesOptions, outcome: Outcome) -> Table2:
    counts = _Counts(options, outcome.results)
    columns = tuple(column_name(column) for column in options.columns)
    cells, differences = [], []
    for place, column in enumerate(columns):
        scenes = {}
        for start in outcome.starts:
            trials, number = outcome.chosen[start.run, place]
            names = [f"score-{trial.name}" for trial in seeded(trials, number, options)]
            scenes[start.row.name] = counts.of_stages(names, TRAINED_WORDS)["all"]
            cells.append(
                Cell(
                    start=start.row.name,
                    column=column,
                    paper=_paper_of(start, options.columns[place].labels.percent),
                    mean_iou=measure(scenes[start.row.name]),
                    iou=measure_classes(scenes[start.row.name]),
                    grid=_grid_of(trials, number, outcome.results),
                )
            )
        for one, other in _pairs_of(list(scenes)):
            paired = compare(scenes[one], scenes[other])
            differences.append(Difference(one, other, column, paired))
    first = outcome.starts[0].run
    labelled = tuple(
        outcome.results[f"finetune-{outcome.chosen[first, place][0][0].name}"].value["num_labelled"]
        for place in range(len(columns))
    )
    run = _provenance(options, outcome, "table2")
    return Table2(run, columns, labelled, tuple(cells), tuple(differences))


class _Counts:
    """Counts in the results of stages, stacked over the seeds."""

    def __init__(self, options: TablesOptions, results: Mapping[str, StageResult]) -> None:
        self._seeds, self._results = options.seeds, results

    def of_run(self, run: str, words: str) -> Parts:
        return self.of_stages([f"score-{run}-{seed}" for seed in self._seeds], words)

    def of_stages(self, names: list[str], words: str) -> Parts:
        return stack_seeds([self._results[name].value[words] for name in names])

    def train_seconds(self, plan: Plan) -> float:
        seconds = [self._results[f"pretrain-{plan.run}-{seed}"].seconds for seed in self._seeds]
        return sum(seconds) / len(seconds)


def _provenance(options: TablesOptions, outcome: Outcome, table: str) -> TableProvenance:
    places = {"train": options.places.train, options.measured_on: options.measured}
    if table == "table2" and options.places.tune is not None:
        places["tune"] = options.places.tune
    parts = []
    for name, scenes in places.items():
        dataset = scenes.open(with_images=False)
        parts.append(SplitSize(name, len(dataset.scenes), len(dataset)))
    stages = [one for one in outcome.results.values() if one.name.startswith(_STAGES[table])]
    return TableProvenance(
        **describe_run(options.command, options.is_quick, stages),
        is_synthetic=options.scenes is None,
        parts=tuple(parts),
        measured_on=options.measured_on,
        seeds=tuple(options.seeds),
        config=json.dumps(config_to_dict(options.base)),
        clip=clip_digest(options.base.teacher),
    )


def _note_of(plan: Plan) -> str:
    notes = [plan.row.note] if plan.row.note else []
    if plan.unread:
        notes.append(f"left out, unknown to this CLIP: {', '.join(plan.unread)}")
    missing = {one.name for one in NUSCENES_CLASSES} - {name for name, _ in plan.labels}
    if plan.labels and missing:
        without = [one.name for one in NUSCENES_CLASSES if one.name in missing]
        notes.append(f"no word for {', '.join(without)}")
    return "; ".join(notes)


def _paper_of(start: Start, percent: int) -> float | None:
    """Give the number of the paper for 100 %; for any other share that for 1 %."""
    if start.row.paper is None:
        return None
    few, all_labels = start.row.paper
    return all_labels if percent == 100 else few


def _grid_of(
    trials: list[Trial], number: int, results: Mapping[str, StageResult]
) -> tuple[GridPoint, ...]:
    return tuple(
        GridPoint(
            learning_rate=trial.config.training.learning_rate,
            head_learning_rate=trial.config.head.learning_rate,
            epochs=trial.config.training.epochs,
            mean_iou=tuned_iou(results[f"finetune-{trial.name}"].value),
            is_chosen=place == number,
        )
        for place, trial in enumerate(trials)
    )


def _pairs_of(names: list[str]) -> list[tuple[str, str]]:
    """Pair every start with the random one, and each of ours with every other start."""
    pairs = [(name, RANDOM) for name in names if name != RANDOM]
    ours = names[names.index(FULL) :]
    return pairs + [(one, other) for one in ours for other in names[1 : names.index(one)]]
