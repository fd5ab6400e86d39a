"""Keyframes by index, each with its pixel-point pairs and the teacher's embeddings of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.pretrain.data.consensus_cache import ConsensusCache
from clip2scene_core.training.pretrain.data.kept_samples import KeptSamples
from clip2scene_core.training.pretrain.data.paired_sample import (
    PairedSample,
    augment_pairs,
    choose_sweeps,
    pair_points,
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
        teacher: Source of the pixel embeddings. It is asked for pixels of points with a consensus
            only if a loss reads them.
        config: Sweeps, grids, augmentation and seed.
        superpixels: Superpixels of the images; None if no loss needs them.
        consensus: Consensus of the sequences; None if every pair is labelled by its own pixel.
        kept: Memory for what does not differ from epoch to epoch; None keeps nothing.
    """

    def __init__(
        self,
        dataset: KeyframeDataset,
        teacher: PixelTeacher,
        config: PretrainConfig,
        superpixels: SuperpixelMaps | None = None,
        consensus: ConsensusCache | None = None,
        kept: KeptSamples | None = None,
    ) -> None:
        self._dataset = dataset
        self._teacher = teacher
        self._config = config
        self._superpixels, self._consensus = superpixels, consensus
        is_same_in_epochs = config.sweeps.count == 1 or config.sweeps.choice == "nearest"
        self._kept = kept if is_same_in_epochs and not teacher.reads_pixels else None

    def __len__(self) -> int:
        return len(self._dataset)

    def token(self, index: int) -> str:
        """The token of a keyframe; opens no file."""
        return self._dataset.token(index)

    def __getitem__(self, key: tuple[int, int]) -> tuple[PairedSample, Tensor]:
        """Load a keyframe as one epoch sees it; the key is (epoch, index)."""
        epoch, index = key
        generator = np.random.default_rng((self._config.training.seed, epoch, index))
        paired = None if self._kept is None else self._kept.find(index)
        sample = augment_pairs(paired or self._pair(index, generator), self._config, generator)
        is_asked = None
        if not self._config.losses.reads_pixel_embeddings:
            is_asked = sample.consensus_of_pairs == IGNORE_LABEL
        return sample, self._teacher.embed_pairs(sample, is_asked)

    def _pair(self, index: int, generator: np.random.Generator) -> PairedSample:
        previous = choose_sweeps(self._dataset, index, self._config, generator)
        reads_pixels = self._reads_pixels(index)
        loaded = self._dataset.load(index, previous, reads_pixels)
        superpixels = () if self._superpixels is None else self._superpixels.of(loaded)
        consensus = None if self._consensus is None else self._consensus.read(loaded.scene_token)
        paired = pair_points(loaded, self._config, superpixels, consensus)
        if self._kept is not None and not reads_pixels:
            self._kept.keep(index, paired)
        return paired

    def _reads_pixels(self, index: int) -> bool:
        """Whether teacher or superpixels look at the images of a keyframe."""
        has_superpixels = self._superpixels is None or self._superpixels.holds(self.token(index))
        return self._teacher.reads_pixels or not has_superpixels
