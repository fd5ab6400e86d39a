"""Students with random weights that the shipped CLIP could have taught."""

from __future__ import annotations

from pathlib import Path

import torch

from clip2scene_core.checkpoint import Checkpoint, save_checkpoint
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import NetworkConfig, TeacherConfig, TrainingConfig
from clip2scene_core.network.student import Student
from clip2scene_core.prompts.text_encoder import TextEncoder
from clip2scene_core.prompts.vocabulary import make_vocabulary


def random_student(
    seed: int = 0,
    image_height: int | None = None,
    prompts: tuple[str, ...] = PretrainConfig().prompts,
) -> Checkpoint:
    """Make a tiny student of the 16 classes; different seeds are different weights.

    Args:
        seed: Of the weights.
        image_height: Pixels in which its CLIP sees images; the CLIP's own by default.
        prompts: One for each class, or several texts with bars.
    """
    torch.manual_seed(seed)
    config = PretrainConfig(
        prompts=prompts,
        network=NetworkConfig(width=0.125, voxel_size_m=0.5),
        teacher=TeacherConfig("small", image_height, key_smoothing=True, occlusion_margin_m=0.5),
        training=TrainingConfig(seed=seed),
    )
    embeddings = TextEncoder("small")(config.texts)
    student = Student(config.network, embeddings.shape[1]).eval().requires_grad_(False)
    vocabulary = make_vocabulary(config.prompts, embeddings, config.classes, config.texts_of_label)
    return Checkpoint(student, vocabulary, config, (), {})


def save_random_student(folder: Path, seed: int = 0, image_height: int | None = None) -> Path:
    """Write one to a file."""
    path = folder / f"random-{seed}.safetensors"
    save_checkpoint(path, random_student(seed, image_height))
    return path
