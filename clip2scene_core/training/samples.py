"""Keyframes in the order of training, the same for any number of processes and workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from clip2scene_core.config import PretrainConfig
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.training.consensus_cache import ConsensusCache
from clip2scene_core.training.paired_sample import PairedSample, choose_sweeps, pair_sample
from clip2scene_core.training.superpixel_maps import SuperpixelMaps
from clip2scene_core.training.teacher import CachedTeacher, LiveTeacher


class Samples(Dataset[tuple[PairedSample, Tensor]], ABC):
    """Keyframes, each with what a teacher says of its pairs."""

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @abstractmethod
    def __getitem__(self, key: tuple[int, int]) -> tuple[PairedSample, Tensor]:
        """Load a keyframe as one epoch sees it, with pixel embeddings (P, D) of unit length.

        Args:
            key: (epoch, index).
        """


class PairedSamples(Samples):
    """Keyframes with their pairs and what the teacher says of them.

    All chance comes from the seed, the epoch and the keyframe's number, so it matters neither who
    loads a keyframe nor when.

    Args:
        dataset: Opened with images and without labels.
        teacher: Live or cached.
        config: Sweeps, grids, augmentation and seed.
        superpixels: Of the images, or None where no loss needs them.
        consensus: Of the drives, or None where every pair is named by its own pixel.
    """

    def __init__(
        self,
        dataset: NuScenesDataset,
        teacher: LiveTeacher | CachedTeacher,
        config: PretrainConfig,
        superpixels: SuperpixelMaps | None = None,
        consensus: ConsensusCache | None = None,
    ) -> None:
        self._dataset = dataset
        self._teacher = teacher
        self._config = config
        self._superpixels, self._consensus = superpixels, consensus

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, key: tuple[int, int]) -> tuple[PairedSample, Tensor]:
        """Load a keyframe as one epoch sees it; the key is (epoch, index)."""
        epoch, index = key
        generator = np.random.default_rng((self._config.training.seed, epoch, index))
        previous = choose_sweeps(self._dataset, index, self._config, generator)
        loaded = self._dataset.load(index, previous)
        superpixels = () if self._superpixels is None else self._superpixels.of(loaded)
        consensus = None if self._consensus is None else self._consensus.read(loaded.scene_token)
        sample = pair_sample(loaded, self._config, generator, superpixels, consensus)
        return sample, self._teacher.embed_pairs(sample)


class BatchOrder(Sampler[list[tuple[int, int]]]):
    """One process's share of every batch of an epoch.

    Every epoch has its own order. A batch of all processes is a run of that order, and each process
    takes every world_size-th keyframe of it, so the batches are the same however many share them.
    What is left at the end of an epoch is dropped, unless it is all that there is.

    Args:
        num_keyframes: Of the data set.
        batch_size: Keyframes of a batch, over all processes.
        seed: Decides the order.
        epoch: Which one.
        rank: Of this process.
        world_size: How many processes there are.
        first: Batches at the beginning that are left out, since an earlier run took them.

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

    def __len__(self) -> int:
        return len(self._order) // self._batch_size - self._first

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for number in range(self._first, self._first + len(self)):
            batch = self._order[number * self._batch_size : (number + 1) * self._batch_size]
            yield [(self._epoch, int(index)) for index in batch[self._rank :: self._world_size]]
