"""References for every result: the majority class, perfect 2D labels, and full supervision."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.bench.splits import count_points
from clip2scene_core.checkpoint import Checkpoint, save_checkpoint
from clip2scene_core.config.losses import SwitchingConfig
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets import KeyframeDataset, Sample
from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.inference.camera_segmenter import DEFAULT_OCCLUSION_MARGIN_M
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.text_encoder import TextEncoder
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.training.augmentation.clouds import augment_cloud
from clip2scene_core.training.fabric import Fabric, make_fabric
from clip2scene_core.training.pretrain.class_weights import class_weights
from clip2scene_core.training.pretrain.data.paired_sample import PairedSample, is_in_range
from clip2scene_core.training.pretrain.data.samples import Samples
from clip2scene_core.training.pretrain.trainer import StudentTrainer


def majority_class(dataset: KeyframeDataset) -> int:
    """Find the most frequent class among the points of a data set.

    Args:
        dataset: Training split, opened with labels.

    Raises:
        ValueError: If no point has a class.
    """
    counts = count_points(dataset).sum(axis=0)
    if not counts.any():
        raise ValueError("no point of the training split has a class; check its labels")
    return int(counts.argmax())


def label_by_class_images(
    sample: Sample, class_images: Sequence[NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Give each point the true class of its nearest pixel: the limit of a 2D teacher.

    Points and pixels are paired as for the teacher. The remaining errors come from the projection:
    parallax, hidden points, objects that move between the stamps, and points in no view.

    Args:
        sample: N points and V cameras.
        class_images: V images (H, W) uint8, the true class of each pixel or IGNORE_LABEL, in the
            order of the cameras.

    Returns:
        (N,) uint8 labels, IGNORE_LABEL where no pixel with a class shows the point. Where two
        cameras show it, the first one decides.

    Raises:
        ValueError: If the images do not fit the cameras.
    """
    sizes = [image.shape for image in class_images]
    wanted = [camera.image.shape[:2] for camera in sample.cameras]
    if sizes != wanted:
        raise ValueError(f"class images must be as large as the pictures {wanted}, got {sizes}")
    pairs = pair_pixels_with_points(
        [sample.keyframe], sample.cameras, occlusion_margin_m=DEFAULT_OCCLUSION_MARGIN_M
    )
    columns, rows = np.rint(pairs.pixels).astype(np.int64).T
    labels = np.full(len(sample.keyframe.points), IGNORE_LABEL, dtype=np.uint8)
    for index in reversed(range(len(class_images))):
        here = pairs.camera_index == index
        classes = class_images[index][rows[here], columns[here]]
        known = classes != IGNORE_LABEL
        labels[pairs.point_index[here][known]] = classes[known]
    return labels


class LabelledSamples(Samples):
    """Keyframes in which the text of its true class teaches every labelled point.

    Args:
        dataset: Data set, opened with labels.
        text: (C, D) float32 of unit length, the text embedding of each class.
        config: Gives range, input, augmentation and seed.
    """

    def __init__(self, dataset: KeyframeDataset, text: Tensor, config: PretrainConfig) -> None:
        self._dataset, self._text, self._config = dataset, text, config

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, key: tuple[int, int]) -> tuple[PairedSample, Tensor]:
        """Load a keyframe with the augmentation of one epoch; the key is (epoch, index)."""
        epoch, index = key
        generator = np.random.default_rng((self._config.training.seed, epoch, index))
        keyframe = self._dataset.load(index, ()).keyframe
        assert keyframe.labels is not None  # the data set was opened with labels
        used = is_in_range(keyframe.points, self._config.sweeps)
        config = self._config
        cloud, kept = augment_cloud(
            keyframe.points[used],
            config.augmentation,
            config.input,
            generator,
            may_rotate=config.augmentation.cloud,
        )
        labels = keyframe.labels[used][kept]
        labelled = np.flatnonzero(labels != IGNORE_LABEL)
        unused = np.zeros(len(labelled), dtype=np.int64)
        sample = PairedSample(
            token=self._dataset.token(index),
            clouds=(cloud,),
            images=(),
            cloud_index=unused,
            point_index=labelled,
            image_index=unused,
            pixels=np.zeros((len(labelled), 2), dtype=np.float32),
            metre_px=np.full(len(labelled), np.inf, dtype=np.float32),
            grid_index=unused,
            superpixel_index=unused,
            labels=np.full(len(cloud), IGNORE_LABEL, dtype=np.uint8),
            confidences=np.zeros(len(cloud), dtype=np.float32),
            true_labels=labels,
        )
        return sample, self._text[torch.from_numpy(labels[labelled].astype(np.int64))]


def supervise(
    dataset: KeyframeDataset, config: PretrainConfig, out: Path, fabric: Fabric | None = None
) -> Path:
    """Train the network of a student with the true label of every point and the same schedule.

    Args:
        dataset: Training split, opened with labels; images are not read.
        config: Configuration of the student, with the seed. Only the cross-entropy of its losses
            is used.
        out: Checkpoint to write, .safetensors.
        fabric: Device of the training; the CPU by default.

    Returns:
        `out`.
    """
    started = time.monotonic()
    config = replace(
        config,
        # A true class says nothing about its texts: it teaches the first of them.
        prompts=tuple(texts[0] for texts in config.texts_of_label),
        losses=replace(
            config.losses,
            semantic="cross_entropy",
            feature="none",
            spatial_temporal="none",
            contrastive="none",
        ),
        switching=SwitchingConfig(),
    )
    embed_prompts = TextEncoder(config.teacher.clip)
    vocabulary = make_vocabulary(config.prompts, embed_prompts(config.prompts), config.classes)
    samples = LabelledSamples(dataset, vocabulary.embeddings, config)
    power = config.losses.class_balance_power
    weights = class_weights(samples, vocabulary.embeddings, power)
    trainer = StudentTrainer(
        samples,
        vocabulary.embeddings,
        config,
        fabric or make_fabric(config),
        weights if config.losses.class_balance else None,
    )
    trainer.train(lambda step: None)
    record = {
        "supervision": "3D labels of every point",
        "num_keyframes": len(dataset),
        "seconds": round(time.monotonic() - started),
    }
    scenes = tuple(scene.token for scene in dataset.scenes)
    student = trainer.student.cpu().eval()
    save_checkpoint(out, Checkpoint(student, vocabulary, config, scenes, record))
    return out
