"""The batches of a run, step by step, from any step on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from torch.utils.data import DataLoader, Dataset

from clip2scene_core.config_sections import TrainingConfig
from clip2scene_core.training.fabric import Fabric
from clip2scene_core.training.samples import BatchOrder

_Batch = TypeVar("_Batch")


class Batches(Generic[_Batch]):
    """This process's share of every batch of a run.

    Args:
        samples: S keyframes; keys are (epoch, index).
        collate: Joins a list of them to a batch.
        training: Sizes, epochs and seed.
        fabric: The processes that share the batches.
        num_workers: Processes that load keyframes beside this one.
    """

    def __init__(
        self,
        samples: Dataset[Any],
        collate: Callable[[list[Any]], _Batch],
        training: TrainingConfig,
        fabric: Fabric,
        num_workers: int,
    ) -> None:
        self._samples, self._collate = samples, collate
        self._training, self._fabric, self._num_workers = training, fabric, num_workers
        self._num_samples = len(samples)  # type: ignore[arg-type]

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch; what does not fill a batch is left out."""
        return max(1, self._num_samples // self._training.batch_size)

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return self._training.epochs * self.steps_per_epoch

    def from_step(self, step: int) -> Iterator[tuple[int, Iterator[_Batch]]]:
        """Give the epoch of each step that is left, and the batches of its accumulated parts.

        The step must take all of its parts before the next one begins.

        Args:
            step: Steps that are done.
        """
        parts: Iterator[_Batch] = iter(())
        for number in range(step, self.num_steps):
            epoch, done = divmod(number, self.steps_per_epoch)
            if number == step or done == 0:
                parts = self._load(epoch, done)
            yield epoch, parts

    def _load(self, epoch: int, done: int) -> Iterator[_Batch]:
        accumulate = self._training.accumulate
        order = BatchOrder(
            self._num_samples,
            self._training.batch_size // accumulate,
            self._training.seed,
            epoch,
            self._fabric.global_rank,
            self._fabric.world_size,
            first=done * accumulate,
        )
        loader: DataLoader[Any] = DataLoader(
            self._samples,
            batch_sampler=order,
            collate_fn=self._collate,
            num_workers=self._num_workers,
        )
        return iter(loader)
