"""The batches of a run: which keyframes each one has, and a loader that starts at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from torch.utils.data import DataLoader, Dataset, Sampler

from clip2scene_core.config.sections import TrainingConfig
from clip2scene_core.training.fabric import Fabric
from clip2scene_core.training.shared_memory import (
    WORKER_TIMEOUT_S,
    SharedCollate,
    explain_worker_error,
)

_Batch = TypeVar("_Batch")


@runtime_checkable
class Named(Protocol):
    """Keyframes that have names, for messages."""

    def token(self, index: int) -> str:
        """The token of a keyframe; opens no file."""
        ...


class BatchOrder(Sampler[list[tuple[int, int]]]):
    """The keyframes of one process in every batch of an epoch.

    Every epoch has its own random order. A batch of all processes is a run of keyframes in this
    order. It is cut into parts, and each process takes every world_size-th keyframe of a part, so
    the batches do not depend on the number of processes. Keyframes that do not fill a last batch
    are dropped. A data set that is smaller than a batch is one batch.

    Args:
        num_keyframes: Number of keyframes of the data set.
        batch_size: Number of keyframes of a batch, over all parts and processes.
        seed: Seed of the order.
        epoch: Number of the epoch, from 0.
        rank: Number of this process, from 0.
        world_size: Number of processes.
        first: Number of batches to skip at the start, because an earlier run took them.
        parts: Number of parts of a batch. A batch with too few keyframes has fewer, see
            `num_parts`; where they are not of one size, the first ones are larger.

    Attributes:
        num_parts: Number of parts of a batch, at most `parts`.

    Raises:
        ValueError: If the processes cannot share a batch evenly.
    """

    def __init__(
        self,
        num_keyframes: int,
        batch_size: int,
        seed: int,
        epoch: int,
        rank: int = 0,
        world_size: int = 1,
        first: int = 0,
        parts: int = 1,
    ) -> None:
        self._batch_size = min(batch_size, num_keyframes)
        if self._batch_size % world_size:
            raise ValueError(
                f"{world_size} processes cannot share batches of {self._batch_size} keyframes "
                f"evenly; choose a batch_size that is a multiple of {world_size}"
            )
        self._order = np.random.default_rng((seed, epoch)).permutation(num_keyframes)
        self._epoch, self._rank, self._world_size = epoch, rank, world_size
        self._first = first
        self.num_parts = min(parts, self._batch_size // world_size)

    def __len__(self) -> int:
        return (len(self._order) // self._batch_size - self._first) * self.num_parts

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for number in range(self._first, len(self._order) // self._batch_size):
            batch = self._order[number * self._batch_size : (number + 1) * self._batch_size]
            # Every process has the same number of keyframes of a part.
            rounds = batch.reshape(-1, self._world_size)
            for part in np.array_split(rounds, self.num_parts):
                yield [(self._epoch, int(index)) for index in part[:, self._rank]]


class BatchLoader(Generic[_Batch]):
    """Loads the batches of a run, each in parts. Each process loads its own share.

    Args:
        samples: S keyframes; keys are (epoch, index). Errors name them if they are `Named`.
        collate: Joins a list of keyframes to a batch.
        training: Batch size, accumulation, epochs and seed.
        fabric: Processes that share the batches.
        num_workers: Number of processes that load keyframes, beside this one.
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
        """Number of steps of an epoch. Keyframes that do not fill a batch are left out."""
        return max(1, self._num_samples // self._training.batch_size)

    @property
    def num_steps(self) -> int:
        """Number of steps of the whole run."""
        return self._training.epochs * self.steps_per_epoch

    def from_step(self, step: int) -> Iterator[tuple[int, Iterator[_Batch]]]:
        """Iterate over the steps that are left.

        Args:
            step: Number of steps that are done.

        Yields:
            The epoch of a step, from 0, and the parts of its batch. The caller must take all
            parts before it asks for the next step.
        """
        first_epoch, done = divmod(step, self.steps_per_epoch)
        # One loader for all epochs: its workers load the next epoch while this one ends.
        parts = self._load(
            keys
            for epoch in range(first_epoch, self._training.epochs)
            for keys in self._order(epoch, done if epoch == first_epoch else 0)
        )
        num_parts = self._order(first_epoch, done).num_parts
        for number in range(step, self.num_steps):
            yield number // self.steps_per_epoch, islice(parts, num_parts)

    def keyframes(self, step: int, part: int) -> list[str]:
        """Names of the keyframes that this process has in a part of a step, both from 0."""
        epoch, done = divmod(step, self.steps_per_epoch)
        keys = next(islice(self._order(epoch, done), part, None))
        if isinstance(self._samples, Named):
            return [self._samples.token(index) for _, index in keys]
        return [f"number {index}" for _, index in keys]

    def _order(self, epoch: int, done: int) -> BatchOrder:
        """The parts of an epoch's batches, without those of the steps that are done."""
        return BatchOrder(
            self._num_samples,
            self._training.batch_size,
            self._training.seed,
            epoch,
            self._fabric.global_rank,
            self._fabric.world_size,
            first=done,
            parts=self._training.accumulate,
        )

    def _load(self, parts: Iterable[list[tuple[int, int]]]) -> Iterator[_Batch]:
        loader: DataLoader[Any] = DataLoader(
            self._samples,
            batch_sampler=parts,
            collate_fn=(
                SharedCollate(self._collate, self._num_workers)
                if self._num_workers
                else self._collate
            ),
            num_workers=self._num_workers,
            timeout=WORKER_TIMEOUT_S if self._num_workers else 0,
        )
        try:
            yield from loader
        except (ValueError, OSError, LookupError, RuntimeError) as error:
            plain = explain_worker_error(error)
            if plain is None:
                raise
            raise plain from error
