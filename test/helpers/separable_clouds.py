"""A fine-tuning that takes seconds, and points whose class their height tells."""

import numpy as np
from torch.utils.data import Dataset

from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import override
from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.training.finetune.data import LabelledKeyframe

NETWORK = NetworkConfig(width=0.125, voxel_size_m=0.5)
NAMES = tuple(c.name for c in NUSCENES_CLASSES)


class SeparableClouds(Dataset):
    """The height gives the class away; every tenth point has no label."""

    def __init__(self, num_keyframes: int = 2) -> None:
        self.num_keyframes = num_keyframes

    def __len__(self) -> int:
        return self.num_keyframes

    def __getitem__(self, key: tuple[int, int]) -> LabelledKeyframe:
        points = np.random.default_rng(key[1]).uniform(-8, 8, (120, 4)).astype(np.float32)
        labels = (np.arange(120) % 3).astype(np.uint8)
        points[:, 2] = np.array([-1.5, -0.2, 2.0])[labels]
        labels[::10] = IGNORE_LABEL
        return LabelledKeyframe(points, labels)


def make_config(*assignments: str) -> FinetuneConfig:
    config = FinetuneConfig(network=NETWORK)
    basics = ["labels.percent=100", "training.epochs=3", "training.batch_size=1"]
    return override(config, [*basics, *assignments])
