"""Keyframes in the order of training, the same for any number of processes and workers."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.training.pretrain.data.consensus_cache import ConsensusCache
from clip2scene_core.training.pretrain.data.paired_sample import (
    PairedSample,
    choose_sweeps,
    pair_sample,
)
from clip2scene_core.training.pretrain.data.pixel_embeddings import (
    CachedTeacher,
    LiveTeacher,
)
from clip2scene_core.training.pretrain.data.superpixels import SuperpixelMaps


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
