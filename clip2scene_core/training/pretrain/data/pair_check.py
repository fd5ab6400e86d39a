"""Whether the cameras of a data set see anything, before a teacher is asked for hours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clip2scene_core.config.augmentation import AugmentationConfig
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.sample import DatasetError
from clip2scene_core.training.pretrain.data.paired_sample import pair_sample

_NOT_AUGMENTED = AugmentationConfig(cloud=False, image_flip=False, image_crop=False)


def check_pairs(dataset: KeyframeDataset, config: PretrainConfig) -> None:
    """Refuse a data set without a single pixel-point pair: nothing would be learned of it.

    Keyframes are loaded until one has a pair; that is usually the first. Keyframes without pairs,
    such as one without images, do no harm among others.

    Raises:
        DatasetError: If there is no pair; the message says whether there are images at all.
    """
    plain = replace(config, augmentation=_NOT_AUGMENTED, sweeps=replace(config.sweeps, count=1))
    num_images = num_points = 0
    for index in range(len(dataset)):
        sample = dataset.load(index, (), with_pixels=False)
        paired = pair_sample(sample, plain, np.random.default_rng(0))
        if len(paired.point_index):
            return
        num_images += len(sample.cameras)
        num_points += len(paired.clouds[0])
    if not num_points:
        raise DatasetError(
            "no keyframe has a point to learn from; check the ranges in sweeps and, in the "
            "inductive protocol of zero-shot training, that seen classes have labels"
        )
    reason = "no keyframe has an image" if not num_images else "check calibration and poses"
    raise DatasetError(
        f"no camera sees any point of the data set's {len(dataset)} keyframes, so nothing can be "
        f"learned: {reason}; the ranges in sweeps leave points out, too"
    )
