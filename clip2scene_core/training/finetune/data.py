"""Labelled keyframes, alone and in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from clip2scene_core.config.finetune import FinetuneConfig, LabelsConfig
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.training.augmentation import rotate_and_flip


@dataclass(frozen=True)
class LabelledKeyframe:
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

    def to(self, device: torch.device) -> LabelledBatch:
        """Move every tensor."""
        return LabelledBatch(*(getattr(self, f.name).to(device) for f in fields(self)))


class LabelledKeyframes(Dataset[LabelledKeyframe]):
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

    def __getitem__(self, key: tuple[int, int]) -> LabelledKeyframe:
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
        return LabelledKeyframe(points, keyframe.labels[used])


def collate_labelled(clouds: Sequence[LabelledKeyframe]) -> LabelledBatch:
    """Join B >= 1 keyframes."""
    sizes = [len(cloud.points) for cloud in clouds]
    labels = np.concatenate([cloud.labels for cloud in clouds]).astype(np.int64)
    return LabelledBatch(
        points=torch.from_numpy(np.concatenate([cloud.points for cloud in clouds])),
        batch_index=torch.from_numpy(np.repeat(np.arange(len(clouds)), sizes)),
        labels=torch.from_numpy(labels),
    )


def slidr_scene(scene_of_keyframe: Sequence[str], step: int) -> list[int]:
    """Take all keyframes of every n-th scene: the n-th, the 2n-th and so on.

    Args:
        scene_of_keyframe: The scene of each keyframe, scene by scene.
        step: n.

    Returns:
        Indices of keyframes, ascending; none if there are fewer than n scenes.

    Source: SLidR (CVPR 2022), downstream/dataloader_nuscenes.py: 1 % of nuScenes is 7 scenes.
    """
    scenes = list(dict.fromkeys(scene_of_keyframe))
    chosen = set(scenes[step - 1 :: step])
    return [index for index, scene in enumerate(scene_of_keyframe) if scene in chosen]


def clip2scene_keyframe(num_keyframes: int, step: int) -> list[int]:
    """Take every n-th keyframe, beginning with the first; they come from nearly all scenes.

    Args:
        num_keyframes: In the order of scenes and of time.
        step: n.

    Returns:
        Indices of keyframes, ascending.

    Source: CLIP2Scene (CVPR 2023), downstream/dataloader_nuscenes.py: 1 % of nuScenes is 282
    keyframes. Scores are far above those of `slidr_scene`; the two must not be compared.
    """
    return list(range(0, num_keyframes, step))


def choose_keyframes(labels: LabelsConfig, scene_of_keyframe: Sequence[str]) -> list[int]:
    """Choose the keyframes of a labelled share.

    Args:
        labels: The share, and which sampler takes it.
        scene_of_keyframe: The scene of each keyframe, in the order of scenes and of time.

    Returns:
        Indices of keyframes, ascending, at least one.

    Raises:
        ValueError: If the share has no keyframe.
    """
    step = 100 // labels.percent
    if labels.sampler == "slidr_scene":
        chosen = slidr_scene(scene_of_keyframe, step)
    else:
        chosen = clip2scene_keyframe(len(scene_of_keyframe), step)
    if not chosen:
        raise ValueError(
            f"{labels.percent} % by {labels.sampler} is 1 of {step}, and there are "
            f"{len(set(scene_of_keyframe))} scenes with {len(scene_of_keyframe)} keyframes; "
            f"choose a larger percent or another sampler"
        )
    return chosen


def write_tokens(path: Path, tokens: Sequence[str]) -> None:
    """Write tokens, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_token_file(tokens))


def hash_tokens(tokens: Sequence[str]) -> str:
    """SHA-256 of the file that `write_tokens` writes, as `sha256sum` prints it."""
    return hashlib.sha256(_token_file(tokens)).hexdigest()


def _token_file(tokens: Sequence[str]) -> bytes:
    return "".join(f"{token}\n" for token in tokens).encode()
