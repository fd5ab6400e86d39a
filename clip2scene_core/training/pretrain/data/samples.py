"""Keyframes by index, each with its pixel-point pairs and the teacher's embeddings of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.training.pretrain.data.consensus_cache import ConsensusCache
from clip2scene_core.training.pretrain.data.paired_sample import (
    PairedSample,
    choose_sweeps,
    pair_sample,
)
from clip2scene_core.training.pretrain.data.pixel_embeddings import PixelTeacher
from clip2scene_core.training.pretrain.data.superpixels import SuperpixelMaps


class Samples(Dataset[tuple[PairedSample, Tensor]], ABC):
    """Keyframes, each with the pixel embeddings of its pairs."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of keyframes."""

    @abstractmethod
    def __getitem__(self, key: tuple[int, int]) -> tuple[PairedSample, Tensor]:
        """Load a keyframe as one epoch sees it, with pixel embeddings (P, D) float32, unit length.

        Args:
            key: (epoch, index).
        """


class PairedSamples(Samples):
    """Keyframes of a data set, with pixel embeddings by CLIP.

    Random numbers depend only on the seed, the epoch and the index of the keyframe. So the result
    is the same for any number of processes and workers.

    Args:
        dataset: Data set, opened with images and without labels.
        teacher: Source of the pixel embeddings.
        config: Sweeps, grids, augmentation and seed.
        superpixels: Superpixels of the images; None if no loss needs them.
        consensus: Consensus of the sequences; None if every pair is labelled by its own pixel.
    """

    def __init__(
        self,
        dataset: KeyframeDataset,
        teacher: PixelTeacher,
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

    def token(self, index: int) -> str:
        """The token of a keyframe; opens no file."""
        return self._dataset.token(index)

    def __getitem__(self, key: tuple[int, int]) -> tuple[PairedSample, Tensor]:
        """Load a keyframe as one epoch sees it; the key is (epoch, index)."""
        epoch, index = key
        generator = np.random.default_rng((self._config.training.seed, epoch, index))
        previous = choose_sweeps(self._dataset, index, self._config, generator)
        loaded = self._dataset.load(index, previous, self._reads_pixels(index))
        superpixels = () if self._superpixels is None else self._superpixels.of(loaded)
        consensus = None if self._consensus is None else self._consensus.read(loaded.scene_token)
        sample = pair_sample(loaded, self._config, generator, superpixels, consensus)
        return sample, self._teacher.embed_pairs(sample)

    def _reads_pixels(self, index: int) -> bool:
        """Whether teacher or superpixels look at the images of a keyframe."""
        has_superpixels = self._superpixels is None or self._superpixels.holds(self.token(index))
        return self._teacher.reads_pixels or not has_superpixels
