"""The loop over the steps of a run. Pre-training and fine-tuning share it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import nn

from clip2scene_core.config.sections import TrainingConfig
from clip2scene_core.training.data_check import check_room
from clip2scene_core.training.fabric import Fabric
from clip2scene_core.training.loader import BatchLoader
from clip2scene_core.training.optim import learning_rate_factor, make_optimizer
from clip2scene_core.training.resume import (
    LossError,
    load_training_checkpoint,
    save_training_checkpoint,
)
from clip2scene_core.training.terms import (
    Term,
    TermGradients,
    add_up,
    detach,
    sum_losses,
    total_weights,
)

_Batch = TypeVar("_Batch")

_MAX_MOMENTS: Final = 2
"""AdamW keeps two numbers for each weight, SGD one."""
_Report = TypeVar("_Report")


class PartLoss(NamedTuple):
    """The losses of one part of a batch.

    Attributes:
        terms: Losses by name, the same names in every part. Parts and processes count by their
            weights, so that a step does not depend on how its batch was cut.
        factors: Factor of each loss in the sum that is trained.
        values: Numbers to report, by name. The loop adds them up over the parts.
    """

    terms: Mapping[str, Term]
    factors: Mapping[str, float]
    values: Mapping[str, float]


class TakenStep(NamedTuple):
    """One step of the optimizer.

    Attributes:
        step: Number of steps that are done.
        num_steps: Number of steps of the run.
        losses: Losses of the whole batch, over all parts and processes, by name.
        sums: `PartLoss.values`, summed over the parts.
        learning_rates: Learning rate of each parameter group in this step.
    """

    step: int
    num_steps: int
    losses: Mapping[str, float]
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
            LossError: If a loss is not finite. The training checkpoint stays as it was written
                last.
        """
        if checkpoint is not None and checkpoint.exists():
            self.step = load_training_checkpoint(
                checkpoint, self._saved, self._optimizer, self._run
            )
        if checkpoint is not None and self._fabric.is_global_zero:
            self._check_room(checkpoint, save_every)
        for epoch, parts in self._loader.from_step(self.step):
            try:
                finished = finish_step(self._take_step(compute_loss, epoch, parts))
            except LossError as error:
                is_kept = checkpoint is not None and checkpoint.exists()
                kept = f"{checkpoint} holds the run up to its last good state" if is_kept else ""
                raise LossError(f"{error}; {kept or 'no state was written yet'}") from None
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
        """Compute the gradient of the whole batch, then update the parameters once."""
        rates = self._set_learning_rates()
        sums: dict[str, float] = {}
        self.module.train()
        self._optimizer.zero_grad(set_to_none=True)
        gradients = TermGradients(self.module.parameters())
        done: list[dict[str, Term]] = []
        is_split = self._training.accumulate > 1
        for part, batch in enumerate(parts):
            # Processes exchange the gradients of a split batch when its weights are known.
            with self._fabric.no_backward_sync(self.module, enabled=is_split):
                terms, factors, values = compute_loss(batch, epoch, part)
                if is_split:
                    gradients.add(terms, self._fabric)
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value
            done.append({name: detach(term) for name, term in terms.items()})
        totals = total_weights(done, self._fabric)
        losses = sum_losses(done, totals, self._fabric)
        self._check_finite(done, losses, rates)
        if is_split:
            gradients.apply(factors, totals, self._fabric)
        else:
            self._fabric.backward(add_up(terms, factors, totals, self._fabric.world_size))
        if self._training.clip_norm > 0:
            self._fabric.clip_gradients(
                self.module, self._optimizer, max_norm=self._training.clip_norm
            )
        self._optimizer.step()
        self.step += 1
        return TakenStep(self.step, self._loader.num_steps, losses, sums, rates)

    def _check_room(self, checkpoint: Path, save_every: int) -> None:
        """Refuse a disk that is too full for what the run ends with."""
        tensors = [t for module in self._saved.values() for t in module.state_dict().values()]
        weights = sum(t.element_size() * t.nelement() for t in tensors)
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        # A state has moments beside the weights, and the older one goes when the new one is whole.
        has_states = self._loader.num_steps > save_every
        num_bytes = (1 + 2 * (1 + _MAX_MOMENTS) * has_states) * weights
        check_room(checkpoint.parent, num_bytes, "the checkpoint and the states of this training")

    def _check_finite(
        self,
        parts: Sequence[Mapping[str, Term]],
        losses: Mapping[str, float],
        rates: tuple[float, ...],
    ) -> None:
        """Stop before a loss that is not finite reaches the weights; all processes stop."""
        wrong = {name: loss for name, loss in losses.items() if not math.isfinite(loss)}
        if not wrong:
            return
        names = [
            keyframe
            for number, terms in enumerate(parts)
            if not all(bool(torch.isfinite(term.sum)) for term in terms.values())
            for keyframe in self._loader.keyframes(self.step, number)
        ]
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise LossError(
            f"step {self.step + 1}: the loss is {next(iter(wrong.values()))} with keyframe "
            f"{shown or 'of another process'}, learning rate {max(rates):g}; check the points of "
            f"the keyframe, or lower training.learning_rate"
        )

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
