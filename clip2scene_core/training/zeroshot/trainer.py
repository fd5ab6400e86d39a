"""Trains a student of seen and unseen classes: the loss of a batch and the report of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from clip2scene_core.config.losses import SwitchingConfig
from clip2scene_core.config.zeroshot import ZeroShotConfig
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.network.student import Student
from clip2scene_core.training.augmentation.mixing import mix_clouds
from clip2scene_core.training.fabric import Fabric
from clip2scene_core.training.loader import BatchLoader
from clip2scene_core.training.loop import PartLoss, TakenStep, TrainingLoop, make_generator
from clip2scene_core.training.pretrain.ema import EmaStudent
from clip2scene_core.training.pretrained import Pretrained, make_student
from clip2scene_core.training.zeroshot.aligner import AlignedStudent
from clip2scene_core.training.zeroshot.data.batch import ZeroShotBatch, collate_zeroshot
from clip2scene_core.training.zeroshot.data.samples import ZeroShotSample
from clip2scene_core.training.zeroshot.labels import (
    PointLabels,
    label_by_student,
    label_by_teacher,
)
from clip2scene_core.training.zeroshot.objective import compute_zeroshot_losses
from clip2scene_core.training.zeroshot.thresholds import ClassThresholds

# Random streams of a step: one draws patches, one mixes clouds.
_PATCH_STREAM, _MIX_STREAM = 0, 1


@dataclass(frozen=True)
class ZeroShotStep:
    """Report of one step.

    Attributes:
        step: Number of steps that are done.
        num_steps: Number of steps of the run.
        phase: 1, guided by CLIP, or 2, self-training.
        losses: Losses of the batch of all processes, by name, and their weighted sum "total".
        num_labelled: Number of points with a label of a seen class, in this process.
        num_pseudo: Number of points with a pseudo label, in this process.
        learning_rate: Learning rate in this step.
    """

    step: int
    num_steps: int
    phase: int
    losses: Mapping[str, float]
    num_labelled: int
    num_pseudo: int
    learning_rate: float

    @property
    def values(self) -> dict[str, float]:
        """Numbers to log, by name."""
        return {
            **{f"loss/{name}": value for name, value in self.losses.items()},
            "learning_rate": self.learning_rate,
            "phase": float(self.phase),
            "labelled_points": float(self.num_labelled),
            "pseudo_labelled_points": float(self.num_pseudo),
        }


class ZeroShotTrainer:
    """Trains a student in two phases.

    Args:
        samples: S keyframes; keys are (epoch, index).
        text: (C, D) float32 embeddings of the C texts of all classes, unit length.
        is_unseen: (C,) bool, the classes that pseudo labels may name.
        config: Network, losses and schedule.
        fabric: Processes and devices.
        class_weights: (C,) float32, one for each class, or None for equal weights.
        num_workers: Number of processes that load keyframes, beside this one.
        logit_scale: Inverse temperature of the teacher.
        run: Dataclass with everything that decides the result; the configuration by default.
        start: What the student begins with, see `make_student`; None for random weights.
    """

    def __init__(
        self,
        samples: Dataset[ZeroShotSample],
        text: Tensor,
        is_unseen: NDArray[np.bool_],
        config: ZeroShotConfig,
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
            "prototype": config.losses.prototype_weight,
            "patch": config.losses.patch_weight,
        }
        self._phase, self._phase_2 = 1, config.self_training.first_epoch(config.training.epochs)
        torch.manual_seed(config.training.seed)
        student = make_student(config.network, text.shape[1], start)
        self._aligned = AlignedStudent(student, config.losses)
        self._ema = EmaStudent(self.student, self._switching())
        self._thresholds = ClassThresholds(
            len(text), config.self_training.keep, config.self_training.threshold_decay, fabric
        )
        self._loop = TrainingLoop(
            fabric,
            self._aligned,
            [{"params": [p for p in self._aligned.parameters() if p.requires_grad]}],
            BatchLoader(samples, collate_zeroshot, config.training, fabric, num_workers),
            config.training,
            {"aligned": self._aligned, "thresholds": self._thresholds, **self._ema.modules},
            run or config,
        )
        self._ema.to(fabric.device)
        self._thresholds.to(fabric.device)
        self._text = text.to(fabric.device)
        self._is_unseen = torch.from_numpy(is_unseen).to(fabric.device)
        self._class_weights = None if class_weights is None else class_weights.to(fabric.device)

    @property
    def student(self) -> Student:
        """The student, in training mode on its device."""
        return self._aligned.student

    def train(
        self,
        report: Callable[[ZeroShotStep], None],
        checkpoint: Path | None = None,
        save_every: int = 500,
    ) -> None:
        """Take all steps that are left, see `TrainingLoop.train`."""
        self._loop.train(self._compute_loss, self._finish_step, report, checkpoint, save_every)

    def _compute_loss(self, batch: ZeroShotBatch, epoch: int, part: int) -> PartLoss:
        pairs, generator = batch.pairs, self._generator(part, _MIX_STREAM)
        mixed = mix_clouds(pairs.points, pairs.batch_index, self._config.augmentation, generator)
        batch = batch.with_clouds(mixed).to(self._fabric.device)
        points = self._loop.module(batch.pairs.points, batch.pairs.batch_index)
        labels = self._label(batch, points.semantic, epoch)
        terms = compute_zeroshot_losses(
            points,
            batch,
            labels,
            self._text,
            self._config.losses,
            self._class_weights,
            self._generator(part, _PATCH_STREAM),
        )
        num_labels = int((labels.labels != IGNORE_LABEL).sum())
        num_pseudo = int(labels.is_pseudo.sum())
        counts = {"num_labelled": num_labels - num_pseudo, "num_pseudo": num_pseudo}
        self._phase = 2 if self._is_self_training(epoch) else 1
        return PartLoss(terms, self._loss_weights, counts)

    def _finish_step(self, taken: TakenStep) -> ZeroShotStep:
        self._ema.update(self.student)
        sums, losses = taken.sums, taken.losses
        total = sum(self._loss_weights[name] * loss for name, loss in losses.items())
        return ZeroShotStep(
            taken.step,
            taken.num_steps,
            phase=self._phase,
            losses={**losses, "total": total},
            num_labelled=int(sums["num_labelled"]),
            num_pseudo=int(sums["num_pseudo"]),
            learning_rate=taken.learning_rates[0],
        )

    def _label(self, batch: ZeroShotBatch, by_student: Tensor, epoch: int) -> PointLabels:
        """Name the points of a batch, as the phase has it."""
        losses = self._config.losses
        is_by_student = self._is_self_training(epoch)
        by_clip = None
        if not is_by_student or self._config.self_training.unsure == "clip":
            by_clip = label_by_teacher(
                batch, self._text, self._is_unseen, self._logit_scale, losses
            )
        if by_clip is not None and not is_by_student:
            return by_clip
        semantic = self._ema.embed(batch.pairs, by_student).detach().float()
        return label_by_student(
            batch,
            F.normalize(semantic, dim=1),
            self._text,
            self._is_unseen,
            self._class_weights,
            self._thresholds,
            losses,
            by_clip,
        )

    def _is_self_training(self, epoch: int) -> bool:
        return epoch >= self._phase_2

    def _switching(self) -> SwitchingConfig:
        """What the moving average is told; without a phase 2 it is not kept."""
        if self._phase_2 >= self._config.training.epochs:
            return SwitchingConfig()
        decay = self._config.self_training.ema_decay
        return SwitchingConfig(granularity="point", source="ema", ema_decay=decay)

    def _generator(self, part: int, stream: int) -> torch.Generator:
        """Make the generator of a random stream for this step, part and process."""
        place = (self._loop.step, part, self._fabric.global_rank)
        return make_generator(self._config.training.seed, *place, stream)
