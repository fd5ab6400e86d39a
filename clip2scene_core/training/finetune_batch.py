"""Labelled keyframes, alone and in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.finetune_config import FinetuneConfig
from clip2scene_core.training.augmentation import rotate_and_flip


@dataclass(frozen=True)
class LabelledCloud:
    """One keyframe.

    Attributes:
        points: (N, 4) float32, augmented: x, y, z in metres, intensity.
        labels: (N,) uint8, IGNORE_LABEL where there is none.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class LabelledBatch:
    """The clouds of B keyframes, one after the other.

    Attributes:
        points: (N, 4) float32.
        batch_index: (N,) int64, the cloud of each point.
        labels: (N,) int64, 255 where there is none.
    """

    points: Tensor
    batch_index: Tensor
    labels: Tensor


class LabelledClouds(Dataset[LabelledCloud]):
    """The keyframes that fine-tuning may use; no other label is read.

    All chance comes from the seed, the epoch and the keyframe's place in the list.

    Args:
        dataset: Opened with labels.
        keyframes: Indices into it.
        config: Range, augmentation and seed.
    """

    def __init__(
        self, dataset: NuScenesDataset, keyframes: Sequence[int], config: FinetuneConfig
    ) -> None:
        self._dataset, self._keyframes, self._config = dataset, keyframes, config

    def __len__(self) -> int:
        return len(self._keyframes)

    def __getitem__(self, key: tuple[int, int]) -> LabelledCloud:
        """Load a keyframe as one epoch sees it; the key is (epoch, place in the list)."""
        epoch, place = key
        clouds = self._config.clouds
        keyframe = self._dataset.load(self._keyframes[place], ()).keyframe
        assert keyframe.labels is not None  # the data set was opened with labels
        range_m = np.linalg.norm(keyframe.points[:, :3], axis=1)
        used = (range_m >= clouds.min_range_m) & (range_m <= clouds.max_range_m)
        points = keyframe.points[used]
        if clouds.augment:
            generator = np.random.default_rng((self._config.training.seed, epoch, place))
            points = rotate_and_flip(points, generator)
        return LabelledCloud(points, keyframe.labels[used])


def collate_labelled(clouds: Sequence[LabelledCloud]) -> LabelledBatch:
    """Join B >= 1 keyframes."""
    sizes = [len(cloud.points) for cloud in clouds]
    labels = np.concatenate([cloud.labels for cloud in clouds]).astype(np.int64)
    return LabelledBatch(
        points=torch.from_numpy(np.concatenate([cloud.points for cloud in clouds])),
        batch_index=torch.from_numpy(np.repeat(np.arange(len(clouds)), sizes)),
        labels=torch.from_numpy(labels),
    )
