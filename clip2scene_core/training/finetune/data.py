"""Labelled keyframes: which ones fine-tuning may use, and batches of them."""

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

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.config.finetune import FinetuneConfig, LabelsConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.augmentation.clouds import augment_cloud


def choose_keyframes(labels: LabelsConfig, scene_of_keyframe: Sequence[str]) -> list[int]:
    """Choose the keyframes of a labelled share.

    Args:
        labels: Size of the share in percent, and the sampler that takes it.
        scene_of_keyframe: Scene of each keyframe, in the order of scenes and of time.

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


def slidr_scene(scene_of_keyframe: Sequence[str], step: int) -> list[int]:
    """Take all keyframes of every n-th scene: of scene n, 2n and so on, counted from 1.

    Args:
        scene_of_keyframe: Scene of each keyframe, scene by scene.
        step: Number of scenes from one chosen scene to the next, n.

    Returns:
        Indices of keyframes, ascending; none if there are fewer than n scenes.

    Source: SLidR (CVPR 2022), downstream/dataloader_nuscenes.py: 1 % of nuScenes is 7 scenes.
    """
    scenes = list(dict.fromkeys(scene_of_keyframe))
    chosen = set(scenes[step - 1 :: step])
    return [index for index, scene in enumerate(scene_of_keyframe) if scene in chosen]


def clip2scene_keyframe(num_keyframes: int, step: int) -> list[int]:
    """Take every n-th keyframe, beginning with the first. They come from nearly all scenes.

    Args:
        num_keyframes: Number of keyframes, in the order of scenes and of time.
        step: Number of keyframes from one chosen keyframe to the next, n.

    Returns:
        Indices of keyframes, ascending.

    Source: CLIP2Scene (CVPR 2023), downstream/dataloader_nuscenes.py: 1 % of nuScenes is 282
    keyframes. Scores are far above those of `slidr_scene`; the two must not be compared. 1 % of
    SemanticKITTI is taken like this by SLidR and CLIP2Scene: 192 of 19,130 scans.
    """
    return list(range(0, num_keyframes, step))


def write_tokens(path: Path, tokens: Sequence[str]) -> None:
    """Write tokens of keyframes to a text file, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        draft.write_bytes(_token_file(tokens))


def hash_tokens(tokens: Sequence[str]) -> str:
    """SHA-256 of the file that `write_tokens` writes, as `sha256sum` prints it."""
    return hashlib.sha256(_token_file(tokens)).hexdigest()


def _token_file(tokens: Sequence[str]) -> bytes:
    return "".join(f"{token}\n" for token in tokens).encode()


@dataclass(frozen=True)
class LabelledKeyframe:
    """The points of one keyframe with their labels.

    Attributes:
        points: (N, 4) float32, levelled and augmented: x, y, z in metres, intensity in [0, 1], as
            `InputConfig` says.
        labels: (N,) uint8, IGNORE_LABEL where there is none.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.uint8]


class LabelledKeyframes(Dataset[LabelledKeyframe]):
    """The keyframes whose labels fine-tuning may use. No other label is read.

    Random numbers depend only on the seed, the epoch and the keyframe's position in the list.

    Args:
        dataset: Data set, opened with labels.
        keyframes: Indices of K keyframes in the data set.
        config: Range, input, augmentation and seed.
    """

    def __init__(
        self, dataset: KeyframeDataset, keyframes: Sequence[int], config: FinetuneConfig
    ) -> None:
        self._dataset, self._keyframes, self._config = dataset, keyframes, config

    def __len__(self) -> int:
        return len(self._keyframes)

    def token(self, position: int) -> str:
        """The token of the keyframe at a position in the list; opens no file."""
        return self._dataset.token(self._keyframes[position])

    def __getitem__(self, key: tuple[int, int]) -> LabelledKeyframe:
        """Load a keyframe as one epoch sees it; the key is (epoch, position in the list)."""
        epoch, position = key
        clouds = self._config.clouds
        keyframe = self._dataset.load(self._keyframes[position], ()).keyframe
        assert keyframe.labels is not None  # the data set was opened with labels
        range_m = np.linalg.norm(keyframe.points[:, :3], axis=1)
        used = (range_m >= clouds.min_range_m) & (range_m <= clouds.max_range_m)
        generator = np.random.default_rng((self._config.training.seed, epoch, position))
        points, kept = augment_cloud(
            keyframe.points[used],
            self._config.augmentation,
            self._config.input,
            generator,
            may_rotate=clouds.augment,
        )
        return LabelledKeyframe(points, keyframe.labels[used][kept])


def check_labels(keyframes: LabelledKeyframes) -> None:
    """Refuse a share without a single label: nothing would be learned of it.

    Keyframes are loaded until one has a labelled point; that is usually the first.

    Raises:
        ValueError: If there is none.
    """
    for position in range(len(keyframes)):
        if (keyframes[0, position].labels != IGNORE_LABEL).any():
            return
    raise ValueError(
        f"none of the {len(keyframes)} keyframes has a point within range with a label of a class; "
        f"check the labels, and clouds.min_range_m and max_range_m"
    )


@dataclass(frozen=True)
class LabelledBatch:
    """The points of B keyframes, one keyframe after the other.

    Attributes:
        points: (N, 4) float32: x, y, z in metres, intensity in [0, 1].
        batch_index: (N,) int64 in [0, B), the keyframe of each point.
        labels: (N,) int64, 255 = IGNORE_LABEL where there is none.
    """

    points: Tensor
    batch_index: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> LabelledBatch:
        """Move every tensor."""
        return LabelledBatch(*(getattr(self, f.name).to(device) for f in fields(self)))


def collate_labelled(keyframes: Sequence[LabelledKeyframe]) -> LabelledBatch:
    """Join B >= 1 keyframes to a batch."""
    sizes = [len(keyframe.points) for keyframe in keyframes]
    labels = np.concatenate([keyframe.labels for keyframe in keyframes]).astype(np.int64)
    return LabelledBatch(
        points=torch.from_numpy(np.concatenate([keyframe.points for keyframe in keyframes])),
        batch_index=torch.from_numpy(np.repeat(np.arange(len(keyframes)), sizes)),
        labels=torch.from_numpy(labels),
    )
