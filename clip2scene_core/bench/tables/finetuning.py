"""Fine-tune every start with the same small grid; the best point is chosen on tuning scenes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from clip2scene_core.bench.measure.score import TRAINED_WORDS, score_finetuned
from clip2scene_core.bench.provenance import digest_of
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.bench.statistics import mean_iou
from clip2scene_core.bench.tables.plan import Plan
from clip2scene_core.bench.tables.rows import StartRow
from clip2scene_core.checkpoint import load_finetuned
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.finetune.run import finetune
from clip2scene_core.training.pretrained import load_pretrained

RATE_FACTORS: Final = (1.0, 0.3)
EPOCH_FACTORS: Final = (1.0, 0.5)
"""The grid: all pairs of these multiples of a column's learning rates and of its epochs."""


@dataclass(frozen=True)
class Start:
    """One network to fine-tune.

    Attributes:
        row: Row of Table 2.
        plan: Plan of its pre-training; None for random weights.
    """

    row: StartRow
    plan: Plan | None

    @property
    def run(self) -> str:
        """Name of its runs, for files."""
        return self.plan.run if self.plan else self.row.name


@dataclass(frozen=True)
class Trial:
    """One fine-tuning: a start, a share of the labels, a point of the grid, a seed.

    Attributes:
        start: Network to fine-tune.
        column: Configuration of the fine-tuning; its own seed is replaced.
        tune: Scenes that settings are chosen by.
        seed: Seed of the fine-tuning and of the pre-training before it.
    """

    start: Start
    column: FinetuneConfig
    tune: Scenes
    seed: int

    @property
    def config(self) -> FinetuneConfig:
        """Configuration of the fine-tuning, with the seed."""
        return replace(self.column, training=replace(self.column.training, seed=self.seed))

    @property
    def name(self) -> str:
        """Name for files, with a digest of the settings and of the tuning scenes.

        A folder may keep results of other settings; they have other names.
        """
        digest = hashlib.sha256(repr((self.column, self.tune)).encode()).hexdigest()[:8]
        return f"{self.start.run}-{self.column.labels.percent}-{digest}-{self.seed}"

    def with_seed(self, seed: int) -> Trial:
        """Give the same trial with another seed."""
        return replace(self, seed=seed)

    def weights(self, work: Path) -> Path:
        """File of the checkpoint in the folder of the bench."""
        return work / "finetuned" / f"{self.name}.safetensors"

    def student(self, work: Path) -> Path | None:
        """File of the pre-trained checkpoint to begin with; None for random weights."""
        return self.start.plan.student(work, self.seed).weights if self.start.plan else None


def column_name(column: FinetuneConfig) -> str:
    """Name of a share of the labels in a table."""
    return f"{column.labels.percent} %, {column.labels.sampler}"


def grid_of(column: FinetuneConfig, base: PretrainConfig) -> tuple[FinetuneConfig, ...]:
    """Give all points of the grid of a configuration, for the network and input of students."""
    return tuple(
        replace(
            column,
            network=base.network,
            input=base.input,
            head=replace(column.head, learning_rate=rate * column.head.learning_rate),
            training=replace(
                column.training,
                learning_rate=rate * column.training.learning_rate,
                epochs=max(1, round(epochs * column.training.epochs)),
            ),
        )
        for rate in RATE_FACTORS
        for epochs in EPOCH_FACTORS
    )


def run_trial(trial: Trial, train: Scenes, work: Path, device: str) -> dict[str, Any]:
    """Fine-tune a trial, and count it on its tuning scenes.

    Args:
        trial: The trial.
        train: Scenes with labels to fine-tune on.
        work: Folder of the bench.
        device: Device of the training.

    Returns:
        "sha256" of the checkpoint, "num_labelled" keyframes, and counts of "tune".
    """
    student, out = trial.student(work), trial.weights(work)
    start = load_pretrained(str(student)) if student else None
    dataset = train.open(with_labels=True, with_images=False)
    finetune(dataset, trial.config, out, start, make_fabric(trial.config, device))
    return {
        "sha256": digest_of(out),
        "num_labelled": load_finetuned(out).record["num_keyframes"],
        "tune": score_finetuned(out, trial.tune, device),
    }


def tuned_iou(value: dict[str, Any]) -> float:
    """Mean IoU in [0, 1] of a trial on its tuning scenes, from the result of `run_trial`."""
    counts = np.array(value["tune"][TRAINED_WORDS]["all"], dtype=np.int64)
    return float(mean_iou(counts.sum(axis=0)))


def quick_column(column: FinetuneConfig) -> FinetuneConfig:
    """Make a fine-tuning of one epoch; its numbers mean nothing."""
    return replace(column, training=replace(column.training, epochs=1))
