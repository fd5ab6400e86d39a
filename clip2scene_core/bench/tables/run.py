"""Run the bench of the tables: render, pre-train, fine-tune, count; stages are kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from clip2scene_core.bench.measure.clip_scores import clip_digest
from clip2scene_core.bench.measure.score import (
    TRAINED_WORDS,
    score_finetuned,
    score_teacher,
    score_untrained,
    score_words,
)
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.bench.stages import (
    BenchOptions,
    SceneReport,
    Stage,
    StageReport,
    StageResult,
    WorkFolder,
)
from clip2scene_core.bench.tables.finetuning import (
    EPOCH_FACTORS,
    RATE_FACTORS,
    Start,
    Trial,
    grid_of,
    run_trial,
    tuned_iou,
)
from clip2scene_core.bench.tables.plan import Plan, distinct, plan_rows
from clip2scene_core.bench.tables.rows import STUDIES, TABLE1, TABLE2, TableRow
from clip2scene_core.bench.tables.scenes import (
    TableScenes,
    synthetic_scenes,
    synthetic_worlds,
)
from clip2scene_core.bench.training_stages import (
    cut_superpixels,
    embed_images,
    pretrain_student,
    world_stages,
)
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.world.dataset.options import WorldOptions

TABLES: Final = ("table1", "table2")
"""Tables of the paper; they share a folder."""

OWN_TABLE: Final = "ablations"
"""Table of our own; its numbers are of other scenes, so it has a folder of its own."""

_PARTS: Final = 2
"""Shares of the images in the stages that read them; fixed, as the number of workers may change."""


_LONG: Final = 12
"""Twelve times the epochs lift the student above its projected teacher; see the ablations."""


def lengthened(config: PretrainConfig) -> PretrainConfig:
    """Take twelve times the epochs, and S3 after half of them, as the paper has it."""
    epochs = _LONG * config.training.epochs
    return replace(
        config,
        training=replace(config.training, epochs=epochs),
        switching=replace(config.switching, start_epoch=epochs // 2),
    )


@dataclass(frozen=True)
class TablesOptions(BenchOptions):
    """Which tables are computed, and from what.

    Attributes:
        tables: Some of TABLES, or OWN_TABLE alone.
        scenes: Scenes of a data set in nuScenes' format; None renders the synthetic world.
        base: Configuration that the rows change; its seed is not used.
        columns: Configurations of fine-tuning, one for each share of the labels in Table 2.
        configs: Folder of the files that rows name.
        num_seeds: Number of trainings of each row, with the seeds 0, 1, ...
    """

    tables: tuple[str, ...]
    scenes: TableScenes | None
    base: PretrainConfig
    columns: tuple[FinetuneConfig, ...]
    configs: Path
    num_seeds: int

    def __post_init__(self) -> None:
        if self.num_seeds < 1 or self.workers < 1:
            raise ValueError(
                f"a table needs a seed and a worker, got {self.num_seeds} seeds and "
                f"{self.workers} workers"
            )
        if OWN_TABLE in self.tables and self.tables != (OWN_TABLE,):
            raise ValueError(f"{OWN_TABLE} is computed alone, got {', '.join(self.tables)}")
        if "table2" in self.tables and not self.columns:
            raise ValueError("table 2 needs a share of the labels to fine-tune on")
        if "table2" in self.tables and self.scenes is not None and self.scenes.tune is None:
            raise ValueError(
                "table 2 chooses learning rates and epochs on scenes that are neither trained nor "
                "tested on; name them"
            )
        if self.scenes is not None and getattr(self.scenes, self.measured_on) is None:
            raise ValueError(f"no scenes to measure on; name those to {self.measured_on} on")

    @property
    def seeds(self) -> range:
        """Seeds of the trainings."""
        return range(self.num_seeds)

    @property
    def measured_on(self) -> str:
        """Name of the part that the numbers are of: "test" or "tune"."""
        return STUDIES[OWN_TABLE].measured_on if OWN_TABLE in self.tables else "test"

    @property
    def places(self) -> TableScenes:
        """All parts of the scenes."""
        return self.scenes or synthetic_scenes(self.work, self.measured_on)

    @property
    def measured(self) -> Scenes:
        """Scenes that the numbers are of."""
        scenes = self.places.test if self.measured_on == "test" else self.places.tune
        assert scenes is not None  # checked when the options were made
        return scenes


@dataclass(frozen=True)
class Outcome:
    """Everything that the tables are made from.

    Attributes:
        plans: Plan of each row.
        starts: Starts of Table 2.
        chosen: By run and index of the column, the trials of all points of the grid, and the index
            of the best one.
        results: Results of all stages by their names.
    """

    plans: dict[TableRow, Plan]
    starts: tuple[Start, ...]
    chosen: dict[tuple[str, int], tuple[list[Trial], int]]
    results: dict[str, StageResult]


def run_tables(options: TablesOptions, report: StageReport, report_world: SceneReport) -> Outcome:
    """Compute everything that the tables need; stages that an earlier call computed are kept.

    Args:
        options: What to compute.
        report: Called after each stage.
        report_world: Called after each rendered scene.

    Raises:
        BenchError: If the folder belongs to another setup or a stage fails.
        ValueError: If the rows cannot be planned.
    """
    plans = plan_rows(_rows(options), options.base, options.configs)
    folder = WorkFolder(options.work, _setup(options, plans))
    starts = _starts(plans) if "table2" in options.tables else ()
    studied = [row for name in options.tables if name in STUDIES for row in STUDIES[name].rows]
    used = [plans[row] for row in studied]
    used += [start.plan for start in starts if start.plan is not None]
    runs = distinct({plan.row: plan for plan in used})
    studied_runs = distinct({row: plans[row] for row in studied})
    total = _count(options, runs, studied_runs, starts)
    results: dict[str, StageResult] = {}

    def run(stages: list[Stage], workers: int = options.workers) -> None:
        results.update(folder.run(stages, workers, lambda result: report(result, total)))

    run(world_stages(options, _worlds(options), report_world), 1)
    run([*_teacher_stages(options, runs), *_superpixel_stages(options, runs)])
    # The longest first, so that no process waits long for the others at the end.
    longest_first = sorted(runs, key=_num_clouds, reverse=True)
    run([_pretrain_stage(options, plan, seed) for plan in longest_first for seed in options.seeds])
    if studied:
        run(_score_stages(options, studied_runs))
    chosen: dict[tuple[str, int], tuple[list[Trial], int]] = {}
    if starts:
        trials = {
            (start.run, number): _trials(options, start, column, 0)
            for number, column in enumerate(options.columns)
            for start in starts
        }
        run([_trial_stage(options, trial) for cell in trials.values() for trial in cell])
        for place, cell in trials.items():
            values = [tuned_iou(results[f"finetune-{trial.name}"].value) for trial in cell]
            chosen[place] = (cell, values.index(max(values)))
        best = [
            trial for cell, number in chosen.values() for trial in seeded(cell, number, options)
        ]
        run([_trial_stage(options, trial) for trial in best])
        run([_test_stage(options, trial) for trial in best])
    return Outcome(plans, starts, chosen, results)


def seeded(cell: list[Trial], number: int, options: TablesOptions) -> list[Trial]:
    """Give the trials of all seeds at one point of a cell's grid."""
    return [cell[number].with_seed(seed) for seed in options.seeds]


def _rows(options: TablesOptions) -> list[TableRow]:
    """Give all rows that share the folder, those of tables that are not computed too."""
    if OWN_TABLE in options.tables:
        return list(STUDIES[OWN_TABLE].rows)
    return [*TABLE1, *(start.pretraining for start in TABLE2 if start.pretraining)]


def _starts(plans: dict[TableRow, Plan]) -> tuple[Start, ...]:
    return tuple(Start(row, plans[row.pretraining] if row.pretraining else None) for row in TABLE2)


def _trials(options: TablesOptions, start: Start, column: FinetuneConfig, seed: int) -> list[Trial]:
    tune = options.places.tune
    assert tune is not None  # checked by TablesOptions
    return [Trial(start, config, tune, seed) for config in grid_of(column, options.base)]


def _count(
    options: TablesOptions, runs: list[Plan], studied: list[Plan], starts: tuple[Start, ...]
) -> int:
    """Count the stages."""
    count = len(_worlds(options))
    count += len(_teacher_stages(options, runs)) + len(_superpixel_stages(options, runs))
    count += options.num_seeds * len(runs)
    if studied:
        count += options.num_seeds * (len(studied) + 1) + 1
    cells = len(starts) * len(options.columns)
    return count + cells * (len(RATE_FACTORS) * len(EPOCH_FACTORS) + 2 * options.num_seeds)


def _num_clouds(plan: Plan) -> int:
    """Number of clouds of each keyframe in a training."""
    config = plan.with_seed(0)
    return config.sweeps.count * config.training.epochs


def _setup(options: TablesOptions, plans: dict[TableRow, Plan]) -> dict[str, Any]:
    """Give what decides the numbers; it is the same for TABLES, which share a folder.

    The settings of fine-tuning are not in it: a digest of them is in the names of its stages.
    """
    scenes = options.scenes
    data: Any = (
        {name: asdict(world) for name, world in _worlds(options).items()}
        if scenes is None
        else {"train": str(scenes.train), options.measured_on: str(options.measured)}
    )
    return {
        "data": data,
        "clip": clip_digest(options.base.teacher),
        "base": config_to_dict(options.base),
        "rows": {plan.run: config_to_dict(plan.config) for plan in plans.values() if plan.config},
    }


def _worlds(options: TablesOptions) -> dict[str, WorldOptions]:
    """Say what is rendered: nothing, if the scenes are given."""
    if options.scenes is not None:
        return {}
    return synthetic_worlds(options.is_quick, options.measured_on)


def _teacher_stages(options: TablesOptions, runs: list[Plan]) -> list[Stage]:
    """Make the stages in which each teacher embeds the training images, once for all rows."""
    augmentation = options.base.augmentation
    if augmentation.image_flip or augmentation.image_crop:
        return []  # every epoch has other images
    train, cache = options.places.train, options.work / "teacher"
    # The margin decides which pixels are paired with points, not their embeddings.
    teachers = {
        replace(plan.with_seed(0).teacher, occlusion_margin_m=None): plan.run for plan in runs
    }
    own = replace(options.base.teacher, occlusion_margin_m=None)
    return [
        Stage(
            f"teacher-{part}" if teacher == own else f"teacher-{run}-{part}",
            partial(embed_images, train, teacher, cache, options.device, part, _PARTS),
        )
        for teacher, run in teachers.items()
        for part in range(_PARTS)
    ]


def _superpixel_stages(options: TablesOptions, runs: list[Plan]) -> list[Stage]:
    """Make the stages that cut superpixels, once for all seeds."""
    losses = {plan.with_seed(0).losses for plan in runs}
    train, cache = options.places.train, options.work / "teacher"
    return [
        Stage(f"superpixels-{part}", partial(cut_superpixels, train, one, cache, part, _PARTS))
        for one in losses
        if one.contrastive == "slidr"
        for part in range(_PARTS)
    ]


def _pretrain_stage(options: TablesOptions, plan: Plan, seed: int) -> Stage:
    student = plan.student(options.work, seed)
    train, cache = options.places.train, options.work / "teacher"
    return Stage(
        f"pretrain-{student.name}",
        partial(pretrain_student, train, student.config, student.weights, cache, options.device),
    )


def _score_stages(options: TablesOptions, runs: list[Plan]) -> list[Stage]:
    measured, device = options.measured, options.device
    stages = [Stage("score-teacher", partial(score_teacher, options.base, measured, device))]
    for seed in options.seeds:
        # The student gives network and prompts; its weights are replaced by random ones.
        weights = runs[0].student(options.work, seed).weights
        untrained = partial(score_untrained, weights, {TRAINED_WORDS: seed}, measured, device)
        stages.append(Stage(f"score-untrained-{seed}", untrained))
        for plan in runs:
            student = plan.student(options.work, seed)
            other = options.base if plan.labels else None
            score = partial(score_words, student.weights, measured, plan.labels, other, device)
            stages.append(Stage(f"score-{student.name}", score))
    return stages


def _trial_stage(options: TablesOptions, trial: Trial) -> Stage:
    compute = partial(run_trial, trial, options.places.train, options.work, options.device)
    return Stage(f"finetune-{trial.name}", compute)


def _test_stage(options: TablesOptions, trial: Trial) -> Stage:
    weights, measured = trial.weights(options.work), options.measured
    compute = partial(score_finetuned, weights, measured, options.device)
    return Stage(f"score-{trial.name}", compute)
