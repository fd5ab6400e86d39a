"""A configuration that trains in seconds, and points whose height determines their class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tiny_words import TINY_WORDS
from torch import Tensor

from clip2scene_core.config.parser import override
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import NetworkConfig, TeacherConfig
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.augmentation.clouds import rotate_and_flip
from clip2scene_core.training.pretrain.data.paired_sample import PairedSample
from clip2scene_core.training.pretrain.data.samples import Samples

CLASSES = TINY_WORDS
TEXT = torch.eye(16)[:3]


def make_config(clip: Path | str, *assignments: str) -> PretrainConfig:
    config = PretrainConfig(
        classes=CLASSES,
        prompts=CLASSES,
        network=NetworkConfig("minkunet14", width=0.125, voxel_size_m=1.0),
        teacher=TeacherConfig(clip=f"small:{clip}"),
    )
    return override(config, ["training.epochs=3", "training.batch_size=1", *assignments])


class SeparableSamples(Samples):
    """Ground, objects on it and tree crowns above: the height determines the class."""

    def __init__(self, num_keyframes: int = 4) -> None:
        self.num_keyframes = num_keyframes

    def __len__(self) -> int:
        return self.num_keyframes

    def __getitem__(self, key: tuple[int, int]) -> tuple[PairedSample, Tensor]:
        generator = np.random.default_rng(key[1])
        points = generator.uniform(-8, 8, (600, 4)).astype(np.float32)
        labels = np.arange(600) % 3
        points[:, 2] = np.array([-1.5, -0.2, 2.0])[labels]
        seen = np.arange(0, 600, 2 + 2 * (key[1] % 2))
        nothing = np.zeros(len(seen), dtype=np.int64)
        sample = PairedSample(
            token=str(key[1]),
            clouds=(rotate_and_flip(points, np.random.default_rng(key)),),
            images=(),
            cloud_index=nothing,
            point_index=seen,
            image_index=nothing,
            pixels=np.zeros((len(seen), 2), dtype=np.float32),
            metre_px=np.full(len(seen), np.inf, dtype=np.float32),
            grid_index=np.arange(len(seen)) // 4,
            superpixel_index=labels[seen] * 10 + np.arange(len(seen)) % 10,
            labels=np.full(600, IGNORE_LABEL, dtype=np.uint8),
            confidences=np.zeros(600, dtype=np.float32),
            true_labels=np.full(600, IGNORE_LABEL, dtype=np.uint8),
        )
        return sample, TEXT[labels[seen]]
