"""Trains a classifier on labels: the loss of a batch and the report of a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.losses.supervised import cross_entropy_loss, lovasz_softmax_loss
from clip2scene_core.network.classifier import Classifier
from clip2scene_core.training.augmentation.mixing import mix_clouds
from clip2scene_core.training.fabric import Fabric
from clip2scene_core.training.finetune.data import (
    LabelledBatch,
    LabelledKeyframe,
    collate_labelled,
)
from clip2scene_core.training.loader import BatchLoader
from clip2scene_core.training.loop import PartLoss, TakenStep, TrainingLoop, make_generator
from clip2scene_core.training.terms import Term


@dataclass(frozen=True)
class FinetuneStep:
    """Report of one step.

    Attributes:
        step: Number of steps that are done.
        num_steps: Number of steps of the run.
        loss: Loss of the batch of all processes and accumulated parts.
        num_labelled: Number of points with a label, in this process.
        learning_rate: Learning rate of the trunk in this step; 0 in a linear probe.
        head_learning_rate: Learning rate of the head in this step.
    """

    step: int
    num_steps: int
    loss: float
    num_labelled: int
    learning_rate: float
    head_learning_rate: float

    @property
    def values(self) -> dict[str, float]:
        """Numbers to log, by name."""
        return {
            "loss/total": self.loss,
            "learning_rate": self.learning_rate,
            "head_learning_rate": self.head_learning_rate,
            "labelled_points": float(self.num_labelled),
        }


class FinetuneTrainer:
    """Trains a classifier, or only its head.

    The cross-entropy is the mean over the labelled points of a batch, however it is cut into parts
    and shared by processes. Lovász-softmax compares all points of a part with each other, so it
    cannot be split: it is the mean over the parts that have a label.

    Args:
        keyframes: K labelled keyframes; keys are (epoch, position in the list).
        classifier: Classifier with its initial weights; it is trained in place.
        config: Learning rates and schedule.
        fabric: Processes and devices.
        num_workers: Number of processes that load keyframes, beside this one.
        run: Dataclass with everything that decides the result; the configuration by default.
    """

    def __init__(
        self,
        keyframes: Dataset[LabelledKeyframe],
        classifier: Classifier,
        config: FinetuneConfig,
        fabric: Fabric,
        num_workers: int = 0,
        run: Any = None,
    ) -> None:
        self._config, self._fabric, self.classifier = config, fabric, classifier
        classifier.network.requires_grad_(not config.head.linear_probe)
        self._loop = TrainingLoop(
            fabric,
            classifier,
            self._parameter_groups(),
            BatchLoader(keyframes, collate_labelled, config.training, fabric, num_workers),
            config.training,
            {"classifier": classifier},
            run or config,
        )

    def train(
        self,
        report: Callable[[FinetuneStep], None],
        checkpoint: Path | None = None,
        save_every: int = 500,
    ) -> None:
        """Take all steps that are left, see `TrainingLoop.train`."""
        self._loop.train(self._compute_loss, self._finish_step, report, checkpoint, save_every)

    def _compute_loss(self, batch: LabelledBatch, _epoch: int, part: int) -> PartLoss:
        if self._config.head.linear_probe:
            self.classifier.network.eval()  # batch norm keeps its statistics
        entropy = (self._config.training.seed, self._loop.step, part, self._fabric.global_rank)
        mixed = mix_clouds(
            batch.points, batch.batch_index, self._config.augmentation, make_generator(*entropy)
        )
        batch = replace(batch, batch_index=mixed).to(self._fabric.device)
        logits = self._loop.module(batch.points, batch.batch_index)
        logits = logits.float()
        num_labelled = (batch.labels != IGNORE_LABEL).sum().float()
        terms = {
            "cross_entropy": Term(cross_entropy_loss(logits, batch.labels), num_labelled),
            "lovasz": Term(lovasz_softmax_loss(logits, batch.labels), num_labelled.clamp(max=1)),
        }
        return PartLoss(terms, dict.fromkeys(terms, 1.0), {"num_labelled": float(num_labelled)})

    def _finish_step(self, taken: TakenStep) -> FinetuneStep:
        head_rate, *trunk_rates = taken.learning_rates
        return FinetuneStep(
            taken.step,
            taken.num_steps,
            loss=sum(taken.losses.values()),
            num_labelled=int(taken.sums["num_labelled"]),
            learning_rate=trunk_rates[0] if trunk_rates else 0.0,
            head_learning_rate=head_rate,
        )

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """Group the parameters of the head first, then those of the trunk if it is trained."""
        head, trunk = self.classifier.head, self.classifier.network
        groups = [{"params": list(head.parameters()), "lr": self._config.head.learning_rate}]
        if not self._config.head.linear_probe:
            groups.append({"params": list(trunk.parameters())})
        return groups
