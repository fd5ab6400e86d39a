"""Fine-tune every start alike: the same small grid for each, chosen on scenes of its own."""

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
from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.finetune.run import finetune, load_pretrained

RATE_FACTORS: Final = (1.0, 0.3)
EPOCH_FACTORS: Final = (1.0, 0.5)
"""The grid: these multiples of a column's learning rates and of its epochs, each with each."""


@dataclass(frozen=True)
class Start:
    """One network to fine-tune.

    Attributes:
        row: Its row of the table.
        plan: How it is pre-trained; None begins with random weights.
    """

    row: StartRow
    plan: Plan | None

    @property
    def run(self) -> str:
        """Its name, for files."""
        return self.plan.run if self.plan else self.row.name


@dataclass(frozen=True)
class Trial:
    """One start, one share of the labels, one point of the grid, one seed.

    Attributes:
        start: The start.
        column: How it is fine-tuned, but for the seed.
        tune: Scenes that settings are chosen on.
        seed: Of the fine-tuning and of the pre-training before it.
    """

    start: Start
    column: FinetuneConfig
    tune: Scenes
    seed: int

    @property
    def config(self) -> FinetuneConfig:
        """Of the fine-tuning."""
        return replace(self.column, training=replace(self.column.training, seed=self.seed))

    @property
    def name(self) -> str:
        """Name for files. It holds a digest of all that a trial hangs on beside its start.

        So what a folder keeps of other settings is never taken for it.
        """
        digest = hashlib.sha256(repr((self.column, self.tune)).encode()).hexdigest()[:8]
        return f"{self.start.run}-{self.column.labels.percent}-{digest}-{self.seed}"

    def with_seed(self, seed: int) -> Trial:
        """The same with another seed."""
        return replace(self, seed=seed)

    def weights(self, work: Path) -> Path:
        """Where the checkpoint goes."""
        return work / "finetuned" / f"{self.name}.safetensors"

    def student(self, work: Path) -> Path | None:
        """The pre-trained checkpoint to begin with, if there is one."""
        return self.start.plan.weights(work, self.seed) if self.start.plan else None


def column_name(column: FinetuneConfig) -> str:
    """Name a share of the labels."""
    return f"{column.labels.percent} %, {column.labels.sampler}"


def grid_of(column: FinetuneConfig, network: NetworkConfig) -> tuple[FinetuneConfig, ...]:
    """Give every point of the grid around a configuration, for one network."""
    return tuple(
        replace(
            column,
            network=network,
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
    """Fine-tune, and measure on the scenes that settings are chosen on.

    Returns:
        The digest of the checkpoint, how many keyframes had labels, and counts.
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
    """Mean IoU of a trial on the scenes that settings are chosen on."""
    counts = np.array(value["tune"][TRAINED_WORDS]["all"], dtype=np.int64)
    return float(mean_iou(counts.sum(axis=0)))


def quick_column(column: FinetuneConfig) -> FinetuneConfig:
    """Make a fine-tuning that takes a second and is worth nothing."""
    return replace(column, training=replace(column.training, epochs=1))
