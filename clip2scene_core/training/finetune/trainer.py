"""The loop that trains a classifier on labels; can stop and go on between two steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils.data import Dataset

from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.losses.supervised import supervised_loss
from clip2scene_core.network.classifier import Classifier
from clip2scene_core.training.fabric import Fabric
from clip2scene_core.training.finetune.data import (
    LabelledBatch,
    LabelledKeyframe,
    collate_labelled,
)
from clip2scene_core.training.loader import BatchLoader
from clip2scene_core.training.optim import learning_rate, make_optimizer
from clip2scene_core.training.resume import load_training_checkpoint, save_training_checkpoint


@dataclass(frozen=True)
class FinetuneStep:
    """What a step did.

    Attributes:
        step: Steps that are done.
        num_steps: Steps of the run.
        loss: Mean over the processes and the accumulated parts.
        num_labelled: Points with a label, of this process.
        learning_rate: Of the trunk, as it was; 0 in a linear probe.
        head_learning_rate: Of the head.
    """

    step: int
    num_steps: int
    loss: float
    num_labelled: int
    learning_rate: float
    head_learning_rate: float

    @property
    def values(self) -> dict[str, float]:
        """What a log keeps."""
        return {
            "loss/total": self.loss,
            "learning_rate": self.learning_rate,
            "head_learning_rate": self.head_learning_rate,
            "labelled_points": float(self.num_labelled),
        }


class FinetuneTrainer:
    """Trains a classifier, or its head alone.

    The loss of a step is the mean of those of its parts: Lovász-softmax, which compares all points
    of a part with each other, can't be split over parts or processes.

    Args:
        clouds: K labelled keyframes; keys are (epoch, place).
        classifier: To begin with.
        config: Learning rates and schedule.
        fabric: The processes and devices.
        num_workers: Processes that load keyframes beside this one.
        run: A dataclass of what a state belongs to; the configuration by default.
    """

    def __init__(
        self,
        clouds: Dataset[LabelledKeyframe],
        classifier: Classifier,
        config: FinetuneConfig,
        fabric: Fabric,
        num_workers: int = 0,
        run: Any = None,
    ) -> None:
        self._config, self._fabric, self._run = config, fabric, run or config
        self._batches = BatchLoader(clouds, collate_labelled, config.training, fabric, num_workers)
        self.classifier = classifier
        classifier.network.requires_grad_(not config.head.linear_probe)
        optimizer = make_optimizer(self._groups(), config.training)
        self._wrapped, self._optimizer = fabric.setup(classifier, optimizer)
        self.step = 0

    def save(self, path: Path) -> None:
        """Write everything that the next step depends on; one process is enough."""
        save_training_checkpoint(path, self._modules(), self._optimizer, self._run, self.step)

    def restore(self, path: Path) -> None:
        """Go on from a state.

        Raises:
            ValueError: If it is damaged or belongs to another run.
        """
        self.step = load_training_checkpoint(path, self._modules(), self._optimizer, self._run)

    def train(self, after_step: Callable[[FinetuneStep], None]) -> None:
        """Take all steps that are left.

        Args:
            after_step: Called after each.
        """
        for _, parts in self._batches.from_step(self.step):
            after_step(self._take_step(parts))

    def _take_step(self, parts: Iterator[LabelledBatch]) -> FinetuneStep:
        training, device = self._config.training, self._fabric.device
        trunk_rate, head_rate = self._set_learning_rates()
        self._wrapped.train()
        if self._config.head.linear_probe:
            self.classifier.network.eval()  # batch norm keeps its statistics
        self._optimizer.zero_grad(set_to_none=True)
        loss, num_labelled = 0.0, 0
        for part in range(training.accumulate):
            batch = next(parts)
            labels = batch.labels.to(device)
            is_last = part == training.accumulate - 1
            with self._fabric.no_backward_sync(self._wrapped, enabled=not is_last):
                logits = self._wrapped(batch.points.to(device), batch.batch_index.to(device))
                share = supervised_loss(logits.float(), labels) / training.accumulate
                self._fabric.backward(share)
            loss += float(self._mean_of_all(share))
            num_labelled += int((labels != IGNORE_LABEL).sum())
        if training.clip_norm > 0:
            self._fabric.clip_gradients(self._wrapped, self._optimizer, max_norm=training.clip_norm)
        self._optimizer.step()
        self.step += 1
        num_steps = self._batches.num_steps
        return FinetuneStep(self.step, num_steps, loss, num_labelled, trunk_rate, head_rate)

    def _groups(self) -> list[dict[str, Any]]:
        """The head first, then the trunk if it is trained: modules, since names can be mistaken."""
        head = {"params": list(self.classifier.head.parameters())}
        if self._config.head.linear_probe:
            return [head]
        return [head, {"params": list(self.classifier.network.parameters())}]

    def _set_learning_rates(self) -> tuple[float, float]:
        """Set both rates, and return the trunk's and the head's."""
        training = self._config.training
        of_head = replace(training, learning_rate=self._config.head.learning_rate)
        head_rate = learning_rate(self.step, self._batches.steps_per_epoch, of_head)
        head, *trunk = self._optimizer.param_groups
        head["lr"] = head_rate
        if not trunk:
            return 0.0, head_rate
        trunk[0]["lr"] = learning_rate(self.step, self._batches.steps_per_epoch, training)
        return trunk[0]["lr"], head_rate

    def _mean_of_all(self, value: Tensor) -> Tensor:
        """Mean over the processes, without a gradient."""
        mean = self._fabric.all_reduce(value.detach().clone(), reduce_op="mean")
        assert isinstance(mean, Tensor)
        return mean

    def _modules(self) -> dict[str, nn.Module]:
        return {"classifier": self.classifier}
