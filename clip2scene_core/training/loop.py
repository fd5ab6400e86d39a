"""The loop over the steps of a run. Pre-training and fine-tuning share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from clip2scene_core.config.sections import TrainingConfig
from clip2scene_core.training.fabric import Fabric
from clip2scene_core.training.loader import BatchLoader
from clip2scene_core.training.optim import learning_rate_factor, make_optimizer
from clip2scene_core.training.resume import load_training_checkpoint, save_training_checkpoint

_Batch = TypeVar("_Batch")
_Report = TypeVar("_Report")


class PartLoss(NamedTuple):
    """The loss of one part of a batch.

    Attributes:
        loss: () float with a gradient. The loop divides it by the number of parts.
        values: Numbers to report, by name. The loop adds them up over the parts.
    """

    loss: Tensor
    values: Mapping[str, float]


class TakenStep(NamedTuple):
    """One step of the optimizer.

    Attributes:
        step: Number of steps that are done.
        num_steps: Number of steps of the run.
        sums: `PartLoss.values`, summed over the parts.
        learning_rates: Learning rate of each parameter group in this step.
    """

    step: int
    num_steps: int
    sums: Mapping[str, float]
    learning_rates: tuple[float, ...]


class TrainingLoop(Generic[_Batch]):
    """Trains a module step by step. A run can stop and resume between two steps.

    Args:
        fabric: Processes and devices.
        module: Module to train. It is moved to the device.
        parameters: Parameter groups of the module, as torch's optimizers take them. The "lr" of a
            group is the peak of its schedule; the default is the learning rate of `training`.
        loader: Batches of the run.
        training: Optimizer, schedule, accumulation and gradient clipping.
        saved: Modules that the training checkpoint keeps, by name.
        run: Dataclass with everything that decides the result. A training checkpoint can only be
            resumed by an equal run.

    Attributes:
        module: The module as Fabric wraps it. Forward passes must call this one.
        step: Number of steps that are done.
    """

    def __init__(
        self,
        fabric: Fabric,
        module: nn.Module,
        parameters: list[dict[str, Any]],
        loader: BatchLoader[_Batch],
        training: TrainingConfig,
        saved: Mapping[str, nn.Module],
        run: Any,
    ) -> None:
        self._fabric, self._loader, self._training = fabric, loader, training
        self._saved, self._run = saved, run
        self.module, self._optimizer = fabric.setup(module, make_optimizer(parameters, training))
        self._peak_rates = [group["lr"] for group in self._optimizer.param_groups]
        self.step = 0

    def train(
        self,
        compute_loss: Callable[[_Batch, int, int], PartLoss],
        finish_step: Callable[[TakenStep], _Report],
        report: Callable[[_Report], None],
        checkpoint: Path | None = None,
        save_every: int = 500,
    ) -> None:
        """Take all steps that are left. Resume first if the training checkpoint exists.

        Args:
            compute_loss: Computes the loss of a part of a batch, given the part, the epoch (from 0)
                and the number of the part (from 0).
            finish_step: Called after each step. Makes the report of the step.
            report: Called with each report.
            checkpoint: Training checkpoint to resume from and to write; None writes none. The
                caller removes it when the result of the run is written.
            save_every: Number of steps between two training checkpoints.

        Raises:
            ValueError: If the training checkpoint is damaged or belongs to another run.
        """
        if checkpoint is not None and checkpoint.exists():
            self.step = load_training_checkpoint(
                checkpoint, self._saved, self._optimizer, self._run
            )
        for epoch, parts in self._loader.from_step(self.step):
            finished = finish_step(self._take_step(compute_loss, epoch, parts))
            is_due = self.step % save_every == 0 and self.step < self._loader.num_steps
            if checkpoint is not None and is_due and self._fabric.is_global_zero:
                save_training_checkpoint(
                    checkpoint, self._saved, self._optimizer, self._run, self.step
                )
            report(finished)

    def _take_step(
        self,
        compute_loss: Callable[[_Batch, int, int], PartLoss],
        epoch: int,
        parts: Iterator[_Batch],
    ) -> TakenStep:
        """Accumulate the gradients of all parts, then update the parameters once."""
        rates = self._set_learning_rates()
        num_parts, clip_norm = self._training.accumulate, self._training.clip_norm
        sums: dict[str, float] = {}
        self.module.train()
        self._optimizer.zero_grad(set_to_none=True)
        for part in range(num_parts):
            batch = next(parts)
            # Processes exchange gradients once a step, after the last part.
            with self._fabric.no_backward_sync(self.module, enabled=part < num_parts - 1):
                loss, values = compute_loss(batch, epoch, part)
                self._fabric.backward(loss / num_parts)
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value
        if clip_norm > 0:
            self._fabric.clip_gradients(self.module, self._optimizer, max_norm=clip_norm)
        self._optimizer.step()
        self.step += 1
        return TakenStep(self.step, self._loader.num_steps, sums, rates)

    def _set_learning_rates(self) -> tuple[float, ...]:
        """Set the learning rate of every parameter group for the next step."""
        factor = learning_rate_factor(self.step, self._loader.steps_per_epoch, self._training)
        rates = tuple(peak * factor for peak in self._peak_rates)
        for group, rate in zip(self._optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        return rates


def make_generator(*entropy: int) -> torch.Generator:
    """Make a random generator on the CPU that depends only on these numbers."""
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    return torch.Generator().manual_seed(seed)
