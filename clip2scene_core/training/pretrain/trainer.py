"""Trains a student without labels: the loss of a batch and the report of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.network.student import Student
from clip2scene_core.training.augmentation.mixing import mix_clouds
from clip2scene_core.training.fabric import Fabric
from clip2scene_core.training.loader import BatchLoader
from clip2scene_core.training.loop import PartLoss, TakenStep, TrainingLoop, make_generator
from clip2scene_core.training.pretrain.data.batch import PretrainBatch, collate
from clip2scene_core.training.pretrain.data.samples import Samples
from clip2scene_core.training.pretrain.distiller import Distiller, Embedded
from clip2scene_core.training.pretrain.ema import EmaStudent
from clip2scene_core.training.pretrain.objective import compute_losses
from clip2scene_core.training.pretrain.pseudo_labels import (
    PseudoLabels,
    is_switching,
    student_pseudo_labels,
    switch_labels,
    teacher_pseudo_labels,
)
from clip2scene_core.training.pretrained import Pretrained, make_student

# Random streams of a step: one switches labels, one draws the pairs of "ppkt", one mixes clouds.
_LABEL_STREAM, _PAIR_STREAM, _MIX_STREAM = 0, 1, 2


@dataclass(frozen=True)
class StepReport:
    """Report of one step.

    Attributes:
        step: Number of steps that are done.
        num_steps: Number of steps of the run.
        losses: Losses of the batch of all processes, by name, and their weighted sum "total".
        num_pairs: Number of pixel-point pairs, in this process.
        switched: Share of these pairs whose label the student changed, in [0, 1].
        learning_rate: Learning rate in this step.
    """

    step: int
    num_steps: int
    losses: Mapping[str, float]
    num_pairs: int
    switched: float
    learning_rate: float

    @property
    def values(self) -> dict[str, float]:
        """Numbers to log, by name."""
        return {
            **{f"loss/{name}": value for name, value in self.losses.items()},
            "learning_rate": self.learning_rate,
            "pairs": float(self.num_pairs),
            "switched": self.switched,
        }


class StudentTrainer:
    """Trains a student on keyframes with pixel-point pairs.

    Args:
        samples: S keyframes.
        text: (C, D) float32 embeddings of the C texts of all classes, unit length.
        config: Network, losses and schedule.
        fabric: Processes and devices.
        class_weights: (C,) float32, one for each text, or None for equal weights.
        num_workers: Number of processes that load keyframes, beside this one.
        logit_scale: Inverse temperature of the teacher, for the loss "kl".
        run: Dataclass with everything that decides the result; the configuration by default.
        start: What the student begins with, see `make_student`; None for random weights.
    """

    def __init__(
        self,
        samples: Samples,
        text: Tensor,
        config: PretrainConfig,
        fabric: Fabric,
        class_weights: Tensor | None = None,
        num_workers: int = 0,
        logit_scale: float = 100.0,
        run: Any = None,
        start: Pretrained | None = None,
    ) -> None:
        self._config, self._fabric, self._logit_scale = config, fabric, logit_scale
        self._loss_weights = {
            "semantic": 1.0,
            "feature": config.losses.feature_weight,
            "spatial_temporal": config.losses.spatial_temporal_weight,
            "contrastive": config.losses.contrastive_weight,
        }
        torch.manual_seed(config.training.seed)
        student = make_student(config.network, text.shape[1], start)
        self._distiller = Distiller(student, config.losses)
        self._ema = EmaStudent(self.student, config.switching)
        self._loop = TrainingLoop(
            fabric,
            self._distiller,
            [{"params": [p for p in self._distiller.parameters() if p.requires_grad]}],
            BatchLoader(samples, collate, config.training, fabric, num_workers),
            config.training,
            {"distiller": self._distiller, **self._ema.modules},
            run or config,
        )
        self._ema.to(fabric.device)
        self._text = text.to(fabric.device)
        self._class_weights = None if class_weights is None else class_weights.to(fabric.device)

    @property
    def student(self) -> Student:
        """The student, in training mode on its device."""
        return self._distiller.student

    def train(
        self,
        report: Callable[[StepReport], None],
        checkpoint: Path | None = None,
        save_every: int = 500,
    ) -> None:
        """Take all steps that are left, see `TrainingLoop.train`."""
        self._loop.train(self._compute_loss, self._finish_step, report, checkpoint, save_every)

    def _compute_loss(self, batch: PretrainBatch, epoch: int, part: int) -> PartLoss:
        generator = self._generator(part, _MIX_STREAM)
        mixed = mix_clouds(batch.points, batch.batch_index, self._config.augmentation, generator)
        batch = replace(batch, batch_index=mixed).to(self._fabric.device)
        embedded = self._loop.module(batch.points, batch.batch_index, batch.pixel_embeddings)
        labels, num_switched = self._label(batch, embedded, epoch, part)
        terms = compute_losses(
            embedded,
            batch,
            labels,
            self._text,
            self._config.losses,
            self._class_weights,
            self._logit_scale,
            self._generator(part, _PAIR_STREAM),
        )
        counts = {"num_pairs": len(batch.point_index), "num_switched": num_switched}
        return PartLoss(terms, self._loss_weights, counts)

    def _finish_step(self, taken: TakenStep) -> StepReport:
        self._ema.update(self.student)
        sums, losses = taken.sums, taken.losses
        total = sum(self._loss_weights[name] * loss for name, loss in losses.items())
        return StepReport(
            taken.step,
            taken.num_steps,
            losses={**losses, "total": total},
            num_pairs=int(sums["num_pairs"]),
            switched=sums["num_switched"] / max(1, sums["num_pairs"]),
            learning_rate=taken.learning_rates[0],
        )

    def _label(
        self, batch: PretrainBatch, embedded: Embedded, epoch: int, part: int
    ) -> tuple[PseudoLabels, int]:
        """Label points by the teacher or by the student.

        Returns:
            The labels, and the number of pairs whose label the student changed.
        """
        by_teacher = teacher_pseudo_labels(batch, self._text, self._logit_scale)
        switching = self._config.switching
        if not is_switching(switching, epoch):
            return by_teacher, 0
        semantic = self._ema.embed(batch, embedded.semantic).detach().float()
        student_labels, confidences = student_pseudo_labels(
            F.normalize(semantic, dim=1),
            self._text,
            1 / self._config.losses.temperature,
            self._class_weights,
        )
        labels = switch_labels(
            by_teacher,
            student_labels,
            confidences,
            batch,
            switching,
            self._generator(part, _LABEL_STREAM),
        )
        return labels, int((labels.pair_labels != by_teacher.pair_labels).sum())

    def _generator(self, part: int, stream: int) -> torch.Generator:
        """Make the generator of a random stream for this step, part and process.

        Labels that are switched for a whole batch are switched alike in all parts and processes.
        """
        is_shared = stream == _LABEL_STREAM and self._config.switching.granularity == "batch"
        place = (0, 0) if is_shared else (part, self._fabric.global_rank)
        entropy = (self._config.training.seed, self._loop.step, *place, stream)
        return make_generator(*entropy)
