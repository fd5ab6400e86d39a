"""Compute the tables, stage by stage; what an earlier call computed is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from clip2scene_core.bench.measure.clip_scores import clip_digest
from clip2scene_core.bench.measure.score import (
    score_finetuned,
    score_student,
    score_teacher,
    score_untrained,
)
from clip2scene_core.bench.provenance import digest_of
from clip2scene_core.bench.splits import Scenes, write_split
from clip2scene_core.bench.stages import Stage, StageResult, WorkFolder
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
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import LossesConfig, TeacherConfig
from clip2scene_core.teacher.cache import TeacherCache
from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.data.pixel_embeddings import fill_cache
from clip2scene_core.training.pretrain.prepare import dense_clip_of, superpixels_of
from clip2scene_core.training.pretrain.run import pretrain
from clip2scene_core.world.dataset.options import WorldOptions

TABLES: Final = ("table1", "table2")
"""The paper's; they share a folder."""

OWN_TABLE: Final = "ablations"
"""Our own; its numbers are of other scenes, so it has a folder to itself."""

_PARTS: Final = 2
"""Shares of the teacher's work: a folder's stages must not hang on the number of workers."""


@dataclass(frozen=True)
class TablesOptions:
    """What is computed, and how.

    Attributes:
        tables: Some of TABLES, or OWN_TABLE alone.
        work: Folder for everything; an interrupted bench goes on in it, and tables share in it.
        scenes: A data set in nuScenes' format; None renders the synthetic world.
        base: What the rows change; its seed is not used.
        columns: Shares of the labels for Table 2, and how they are fine-tuned on.
        configs: Folder of the files that rows name.
        num_seeds: Trainings of each row, with the seeds 0, 1, ...
        is_quick: A tiny world: shows that everything runs, measures nothing.
        workers: Processes, each with one thread.
        device: Where to train, such as "cpu" or "cuda".
        command: What was typed, for the report.
    """

    tables: tuple[str, ...]
    work: Path
    scenes: TableScenes | None
    base: PretrainConfig
    columns: tuple[FinetuneConfig, ...]
    configs: Path
    num_seeds: int
    is_quick: bool
    workers: int
    device: str
    command: str

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
        """Of training."""
        return range(self.num_seeds)

    @property
    def measured_on(self) -> str:
        """The part that the numbers are of: "test", or "tune"."""
        return STUDIES[OWN_TABLE].measured_on if OWN_TABLE in self.tables else "test"

    @property
    def places(self) -> TableScenes:
        """The scenes."""
        return self.scenes or synthetic_scenes(self.work, self.measured_on)

    @property
    def measured(self) -> Scenes:
        """The scenes that the numbers are of."""
        scenes = self.places.test if self.measured_on == "test" else self.places.tune
        assert scenes is not None  # checked when the options were made
        return scenes


@dataclass(frozen=True)
class Outcome:
    """All that the tables are made from.

    Attributes:
        plans: How each row was pre-trained.
        starts: Rows of Table 2.
        chosen: By start and column, the trials of every point of the grid and the best one's place.
        results: By the names of the stages.
    """

    plans: dict[TableRow, Plan]
    starts: tuple[Start, ...]
    chosen: dict[tuple[str, int], tuple[list[Trial], int]]
    results: dict[str, StageResult]


def run_tables(
    options: TablesOptions,
    report: Callable[[StageResult, int], None],
    report_world: Callable[[str, int, int], None],
) -> Outcome:
    """Compute everything that the tables need.

    Args:
        options: What to compute.
        report: Called after each stage with its result and how many stages there are.
        report_world: Called after each scene that is rendered, with the name of its split, how many
            are done and how many there are.

    Raises:
        BenchError: If the folder belongs to another bench or a stage fails.
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
        for result in folder.run(stages, workers, lambda result: report(result, total)):
            results[result.name] = result

    run(_world_stages(options, report_world), 1)
    run([*_teacher_stages(options, runs), *_superpixel_stages(options, runs)])
    # The longest first: at the end of a phase a process waits for the others.
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
    """All rows that share the folder, whichever of them are wanted."""
    if OWN_TABLE in options.tables:
        return list(STUDIES[OWN_TABLE].rows)
    return [*TABLE1, *(start.pretraining for start in TABLE2 if start.pretraining)]


def _starts(plans: dict[TableRow, Plan]) -> tuple[Start, ...]:
    return tuple(Start(row, plans[row.pretraining] if row.pretraining else None) for row in TABLE2)


def _trials(options: TablesOptions, start: Start, column: FinetuneConfig, seed: int) -> list[Trial]:
    tune = options.places.tune
    assert tune is not None  # checked by TablesOptions
    return [Trial(start, config, tune, seed) for config in grid_of(column, options.base.network)]


def _count(
    options: TablesOptions, runs: list[Plan], studied: list[Plan], starts: tuple[Start, ...]
) -> int:
    """How many stages there are."""
    count = 0 if options.scenes else len(_worlds(options))
    count += len(_teacher_stages(options, runs)) + len(_superpixel_stages(options, runs))
    count += options.num_seeds * len(runs)
    if studied:
        count += options.num_seeds * (len(studied) + 1) + 1
    cells = len(starts) * len(options.columns)
    return count + cells * (len(RATE_FACTORS) * len(EPOCH_FACTORS) + 2 * options.num_seeds)


def _num_clouds(plan: Plan) -> int:
    """Clouds that a training makes of each keyframe."""
    config = plan.with_seed(0)
    return config.sweeps.count * config.training.epochs


def _setup(options: TablesOptions, plans: dict[TableRow, Plan]) -> dict[str, Any]:
    """What decides the numbers; the same for the paper's tables, so that they share a folder.

    What fine-tuning hangs on beside it is in the names of its stages.
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
    return synthetic_worlds(options.is_quick, options.measured_on)


def _world_stages(options: TablesOptions, report: Callable[[str, int, int], None]) -> list[Stage]:
    if options.scenes is not None:
        return []
    return [
        Stage(
            f"world-{name}",
            partial(
                write_split, options.work / name, world, partial(report, name), options.workers
            ),
        )
        for name, world in _worlds(options).items()
    ]


def _teacher_stages(options: TablesOptions, runs: list[Plan]) -> list[Stage]:
    """Each teacher speaks once for all rows; its images are shared out among the workers."""
    augmentation = options.base.augmentation
    if augmentation.image_flip or augmentation.image_crop:
        return []  # every epoch shows it other images
    train, cache = options.places.train, options.work / "teacher"
    # What pairs points with its pixels is no part of what it says of them.
    teachers = {
        replace(plan.with_seed(0).teacher, occlusion_margin_m=None): plan.run for plan in runs
    }
    spoken = replace(options.base.teacher, occlusion_margin_m=None)
    return [
        Stage(
            f"teacher-{part}" if teacher == spoken else f"teacher-{run}-{part}",
            partial(_embed, train, teacher, cache, part, options.device),
        )
        for teacher, run in teachers.items()
        for part in range(_PARTS)
    ]


def _superpixel_stages(options: TablesOptions, runs: list[Plan]) -> list[Stage]:
    """Superpixels are cut once, too; otherwise every seed would begin with cutting them."""
    losses = {plan.with_seed(0).losses for plan in runs}
    train, cache = options.places.train, options.work / "teacher"
    return [
        Stage(f"superpixels-{part}", partial(_cut, train, one, cache, part))
        for one in losses
        if one.contrastive == "slidr"
        for part in range(_PARTS)
    ]


def _pretrain_stage(options: TablesOptions, plan: Plan, seed: int) -> Stage:
    weights, config = plan.weights(options.work, seed), plan.with_seed(seed)
    train, cache = options.places.train, options.work / "teacher"
    return Stage(
        f"pretrain-{plan.run}-{seed}",
        partial(_pretrain, train, config, weights, cache, options.device),
    )


def _score_stages(options: TablesOptions, runs: list[Plan]) -> list[Stage]:
    measured, device = options.measured, options.device
    stages = [Stage("score-teacher", partial(score_teacher, options.base, measured, device))]
    for seed in options.seeds:
        # Any student's network: random weights learned nothing of its row.
        weights = runs[0].weights(options.work, seed)
        untrained = partial(score_untrained, weights, seed, measured, device)
        stages.append(Stage(f"score-untrained-{seed}", untrained))
        for plan in runs:
            weights = plan.weights(options.work, seed)
            other = options.base if plan.labels else None
            score = partial(score_student, weights, measured, plan.labels, other, device)
            stages.append(Stage(f"score-{plan.run}-{seed}", score))
    return stages


def _trial_stage(options: TablesOptions, trial: Trial) -> Stage:
    compute = partial(run_trial, trial, options.places.train, options.work, options.device)
    return Stage(f"finetune-{trial.name}", compute)


def _test_stage(options: TablesOptions, trial: Trial) -> Stage:
    weights, measured = trial.weights(options.work), options.measured
    compute = partial(score_finetuned, weights, measured, options.device)
    return Stage(f"score-{trial.name}", compute)


def _embed(train: Scenes, teacher: TeacherConfig, folder: Path, part: int, device: str) -> str:
    """Let the teacher embed a share of the training images; gives the name of its cache."""
    cache = TeacherCache(folder, dense_clip_of(teacher, load_clip(teacher.clip, device)))
    dataset = train.open()
    fill_cache(cache, dataset, range(part, len(dataset), _PARTS), lambda done, total: None)
    return cache.folder.name


def _cut(train: Scenes, losses: LossesConfig, folder: Path, part: int) -> str:
    """Cut a share of the training images into superpixels; gives the name of their folder."""
    superpixels = superpixels_of(losses, folder)
    assert superpixels is not None  # the losses ask for them
    dataset = train.open()
    for index in range(part, len(dataset), _PARTS):
        superpixels.of(dataset.load(index, ()))
    return superpixels.folder.name


def _pretrain(
    train: Scenes, config: PretrainConfig, weights: Path, cache: Path, device: str
) -> str:
    """Pre-train a student; gives the digest of its checkpoint."""
    return digest_of(pretrain(train.open(), config, weights, make_fabric(config, device), cache))
