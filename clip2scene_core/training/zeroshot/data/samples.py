"""Keyframes by index: points with labels of seen classes, pixel-point pairs, and patches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.sample import Sample
from clip2scene_core.training.pretrain.data.consensus_cache import ConsensusCache
from clip2scene_core.training.pretrain.data.paired_sample import (
    PairedSample,
    is_in_range,
    pair_sample,
)
from clip2scene_core.training.pretrain.data.pixel_embeddings import PixelTeacher
from clip2scene_core.training.zeroshot.data.patches import find_patches


@dataclass(frozen=True)
class ZeroShotSample:
    """A keyframe as zero-shot training sees it.

    Attributes:
        paired: Points with P pairs. `true_labels` are those of seen classes; `labels` are of the
            consensus among the unseen classes.
        pixel_embeddings: (P, D) float32, the teacher's, of the pairs' pixels, unit length.
        patch_index: (P,) int64 in [0, Q), the patch that shows each pair.
        patch_embeddings: (Q, D) float32, the teacher's, of the patches, unit length.
    """

    paired: PairedSample
    pixel_embeddings: Tensor
    patch_index: NDArray[np.int64]
    patch_embeddings: Tensor


class ZeroShotSamples(Dataset[ZeroShotSample]):
    """Keyframes of a data set, with embeddings by CLIP; keys are (epoch, index).

    A keyframe without any point, as the inductive protocol may leave it, gives none to learn from.
    In its place stands the next one that has points, beginning anew after the last one.

    Random numbers depend only on the seed, the epoch and the index of the keyframe.

    Args:
        dataset: Data set with images; labels, if any, are those of the seen classes.
        teacher: Source of the embeddings.
        config: Ranges, augmentation and seed.
        is_unseen: (C,) bool, the classes that the consensus may name.
        patch_grid: Gives the (rows, columns) of the teacher's patches for the (height, width) of an
            image.
        consensus: Consensus of the sequences; None if every pair is named by its own pixel.
    """

    def __init__(
        self,
        dataset: KeyframeDataset,
        teacher: PixelTeacher,
        config: PretrainConfig,
        is_unseen: NDArray[np.bool_],
        patch_grid: Callable[[tuple[int, int]], tuple[int, int]],
        consensus: ConsensusCache | None = None,
    ) -> None:
        self._dataset, self._teacher, self._config = dataset, teacher, config
        self._is_unseen, self._patch_grid, self._consensus = is_unseen, patch_grid, consensus

    def __len__(self) -> int:
        return len(self._dataset)

    def token(self, index: int) -> str:
        """The token of a keyframe; opens no file."""
        return self._dataset.token(index)

    def __getitem__(self, key: tuple[int, int]) -> ZeroShotSample:
        """Load a keyframe as one epoch sees it; the key is (epoch, index).

        Raises:
            ValueError: If no keyframe has a point.
        """
        epoch, index = key
        generator = np.random.default_rng((self._config.training.seed, epoch, index))
        loaded = self._load_with_points(index)
        consensus = None
        if self._consensus is not None:
            consensus = self._consensus.read(loaded.scene_token).among(self._is_unseen)
        paired = pair_sample(loaded, self._config, generator, consensus=consensus)
        return embed_with_patches(paired, self._teacher, self._patch_grid)

    def _load_with_points(self, index: int) -> Sample:
        """Load a keyframe, or else the next one with a point within range."""
        for step in range(len(self)):
            loaded = self._dataset.load((index + step) % len(self), (), self._teacher.reads_pixels)
            if is_in_range(loaded.keyframe.points, self._config.sweeps).any():
                return loaded
        raise ValueError(
            "no keyframe has a point to learn from; check the ranges in sweeps and, in the "
            "inductive protocol, that seen classes have labels"
        )


def embed_with_patches(
    paired: PairedSample,
    teacher: PixelTeacher,
    patch_grid: Callable[[tuple[int, int]], tuple[int, int]],
) -> ZeroShotSample:
    """Ask the teacher for the pixels of all pairs and for the patches that they lie in."""
    sizes = [image.shape[:2] for image in paired.images]
    grids = [patch_grid((height, width)) for height, width in sizes]
    patches = find_patches(
        paired.pixels,
        paired.image_index,
        np.array(sizes, dtype=np.int64).reshape(-1, 2),
        np.array(grids, dtype=np.int64).reshape(-1, 2),
    )
    # The embedding at the center of a patch is the patch's own.
    both = replace(
        paired,
        pixels=np.concatenate([paired.pixels, patches.centers]),
        metre_px=np.concatenate(
            [paired.metre_px, np.full(len(patches.centers), np.inf, dtype=np.float32)]
        ),
        image_index=np.concatenate([paired.image_index, patches.image_index]),
    )
    embeddings = teacher.embed_pairs(both)
    num_pairs = len(paired.pixels)
    return ZeroShotSample(paired, embeddings[:num_pairs], patches.index, embeddings[num_pairs:])
