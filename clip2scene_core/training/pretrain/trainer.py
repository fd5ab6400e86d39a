"""The loop that trains a student: batches in, weights out; can stop and go on between two steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.network.student import Student
from clip2scene_core.training.fabric import Fabric
from clip2scene_core.training.loader import BatchLoader
from clip2scene_core.training.optim import learning_rate, make_optimizer
from clip2scene_core.training.pretrain.data.batch import PretrainBatch, collate
from clip2scene_core.training.pretrain.data.samples import Samples
from clip2scene_core.training.pretrain.distiller import Distiller, Embedded
from clip2scene_core.training.pretrain.ema import EmaStudent
from clip2scene_core.training.pretrain.objective import Term, compute_losses
from clip2scene_core.training.pretrain.pseudo_labels import (
    Labels,
    is_switching,
    student_pseudo_labels,
    switch_labels,
    teacher_pseudo_labels,
)
from clip2scene_core.training.resume import load_training_checkpoint, save_training_checkpoint

# What chance decides in a step: each has a stream of its own.
_OF_LABELS, _OF_PAIRS = 0, 1


@dataclass(frozen=True)
class StepReport:
    """What a step did.

    Attributes:
        step: Steps that are done.
        num_steps: Steps of the run.
        losses: Of the batch of all processes, by name, and "total".
        num_pairs: Pixel-point pairs of this process.
        switched: Share of their labels that were the student's own.
        learning_rate: As it was.
    """

    step: int
    num_steps: int
    losses: Mapping[str, float]
    num_pairs: int
    switched: float
    learning_rate: float

    @property
    def values(self) -> dict[str, float]:
        """What a log keeps."""
        return {
            **{f"loss/{name}": value for name, value in self.losses.items()},
            "learning_rate": self.learning_rate,
            "pairs": float(self.num_pairs),
            "switched": self.switched,
        }


class StudentTrainer:
    """Trains a student on paired keyframes.

    Args:
        samples: S keyframes.
        text: (C, D) float32 text embeddings of the classes, unit length.
        config: Network, losses and schedule.
        fabric: The processes and devices.
        class_weights: (C,) float32, or None for equal ones.
        num_workers: Processes that load keyframes beside this one.
        logit_scale: The teacher's inverse temperature, for the loss "kl".
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
    ) -> None:
        self._config, self._fabric, self._logit_scale = config, fabric, logit_scale
        self._batches = BatchLoader(samples, collate, config.training, fabric, num_workers)
        torch.manual_seed(config.training.seed)
        student = Student(config.network, text.shape[1])
        self._distiller = Distiller(student, config.losses)
        self._average = EmaStudent(student, config.switching)
        trained = [p for p in self._distiller.parameters() if p.requires_grad]
        optimizer = make_optimizer(trained, config.training)
        self._wrapped, self._optimizer = fabric.setup(self._distiller, optimizer)
        self._average.to(fabric.device)
        self._text = text.to(fabric.device)
        self._class_weights = None if class_weights is None else class_weights.to(fabric.device)
        self.step = 0

    @property
    def student(self) -> Student:
        """The student, in training mode on its device."""
        return self._distiller.student

    def save(self, path: Path) -> None:
        """Write everything that the next step depends on; one process is enough."""
        save_training_checkpoint(path, self._modules(), self._optimizer, self._config, self.step)

    def restore(self, path: Path) -> None:
        """Go on from a state.

        Raises:
            ValueError: If it is damaged or belongs to another configuration.
        """
        self.step = load_training_checkpoint(path, self._modules(), self._optimizer, self._config)

    def train(self, after_step: Callable[[StepReport], None]) -> None:
        """Take all steps that are left.

        Args:
            after_step: Called after each.
        """
        for epoch, parts in self._batches.from_step(self.step):
            after_step(self._take_step(epoch, parts))

    def _take_step(self, epoch: int, parts: Iterator[PretrainBatch]) -> StepReport:
        config, training = self._config, self._config.training
        rate = learning_rate(self.step, self._batches.steps_per_epoch, training)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        losses: dict[str, float] = {}
        num_pairs = num_switched = 0
        self._wrapped.train()
        self._optimizer.zero_grad(set_to_none=True)
        for part in range(training.accumulate):
            batch = next(parts).to(self._fabric.device)
            is_last = part == training.accumulate - 1
            with self._fabric.no_backward_sync(self._wrapped, enabled=not is_last):
                embedded = self._wrapped(batch.points, batch.batch_index, batch.pixel_embeddings)
                labels, switched = self._label(batch, embedded, epoch, part)
                terms = compute_losses(
                    embedded,
                    batch,
                    labels,
                    self._text,
                    config.losses,
                    self._class_weights,
                    self._logit_scale,
                    self._generator(part, _OF_PAIRS),
                )
                total = self._add_up(terms, losses)
                self._fabric.backward(total / training.accumulate)
            num_pairs += len(batch.point_index)
            num_switched += switched
        if training.clip_norm > 0:
            self._fabric.clip_gradients(self._wrapped, self._optimizer, max_norm=training.clip_norm)
        self._optimizer.step()
        self._average.update(self.student)
        self.step += 1
        share = num_switched / max(1, num_pairs)
        num_steps = self._batches.num_steps
        return StepReport(self.step, num_steps, losses, num_pairs, share, rate)

    def _label(
        self, batch: PretrainBatch, embedded: Embedded, epoch: int, part: int
    ) -> tuple[Labels, int]:
        """Name points by the teacher, or by the student itself; and count the pairs of that."""
        by_teacher = teacher_pseudo_labels(batch, self._text, self._logit_scale)
        switching = self._config.switching
        if not is_switching(switching, epoch):
            return by_teacher, 0
        semantic = self._average.embed(batch, embedded).detach().float()
        own, probabilities = student_pseudo_labels(
            F.normalize(semantic, dim=1),
            self._text,
            1 / self._config.losses.temperature,
            self._class_weights,
        )
        labels = switch_labels(
            by_teacher, own, probabilities, batch, switching, self._generator(part, _OF_LABELS)
        )
        return labels, int((labels.of_pairs != by_teacher.of_pairs).sum())

    def _generator(self, part: int, what: int) -> torch.Generator:
        """Chance of this step; a toss for the whole batch falls alike in all processes."""
        is_common = what == _OF_LABELS and self._config.switching.granularity == "batch"
        place = (0, 0) if is_common else (part, self._fabric.global_rank)
        entropy = (self._config.training.seed, self.step, *place, what)
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        return torch.Generator().manual_seed(seed)

    def _add_up(self, terms: Mapping[str, Term], losses: dict[str, float]) -> Tensor:
        """Weigh this process's share of each loss, note the loss of all, and add the shares up."""
        total = torch.zeros((), device=self._fabric.device)
        factors = {
            "spatial_temporal": self._config.losses.spatial_temporal_weight,
            "contrastive": self._config.losses.contrastive_weight,
        }
        accumulate = self._config.training.accumulate
        for name, term in terms.items():
            whole = self._sum_of_all(term.weight)
            share = term.value * term.weight / torch.where(whole > 0, whole, 1)
            losses[name] = losses.get(name, 0.0) + float(self._sum_of_all(share)) / accumulate
            # Gradients are averaged over the processes, the shares must be summed.
            total = total + factors.get(name, 1.0) * share * self._fabric.world_size
        losses["total"] = sum(factors.get(name, 1.0) * losses[name] for name in terms)
        return total

    def _sum_of_all(self, value: Tensor) -> Tensor:
        """Sum over the processes, without a gradient."""
        total = self._fabric.all_reduce(value.detach().clone(), reduce_op="sum")
        assert isinstance(total, Tensor)
        return total

    def _modules(self) -> dict[str, nn.Module]:
        return {"distiller": self._distiller, **self._average.modules}
