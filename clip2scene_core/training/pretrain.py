"""Pre-training: cameras teach, LiDAR learns. The paper as one readable function."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.checkpoint import Checkpoint, save_checkpoint
from clip2scene_core.config import PretrainConfig
from clip2scene_core.config_sections import LossesConfig, TeacherConfig
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.prompt_encoder import PromptEncoder
from clip2scene_core.teacher.cache import TeacherCache
from clip2scene_core.teacher.clip import Clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.training.fabric import Fabric, make_fabric
from clip2scene_core.training.samples import PairedSamples, Samples
from clip2scene_core.training.superpixel_maps import SuperpixelMaps
from clip2scene_core.training.teacher import CachedTeacher, LiveTeacher, fill_cache
from clip2scene_core.training.trainer import StepReport, StudentTrainer
from clip2scene_core.vocabulary import make_vocabulary

_KEYFRAMES_FOR_WEIGHTS = 256


def pretrain(
    dataset: NuScenesDataset,
    config: PretrainConfig,
    out: Path,
    fabric: Fabric | None = None,
    cache: Path | None = None,
    num_workers: int = 0,
    save_every: int = 500,
    report_teacher: Callable[[int, int], None] = lambda done, total: None,
    report: Callable[[StepReport], None] = lambda step: None,
) -> Path:
    """Distil the frozen CLIP into a student, without a single 3D label.

    The points of a keyframe's sweeps are paired with the pixels that show them; the teacher embeds
    the pixels and names them by the prompts; the student learns by the paper's losses. The state
    is written beside `out`; a run that finds it goes on from there and ends with the same weights.

    Args:
        dataset: Keyframes with images, opened without labels.
        config: Everything that decides the result.
        out: Checkpoint to write, .safetensors.
        fabric: Launched, with the processes and devices to use; one CPU by default.
        cache: Folder in which the teacher's embeddings and superpixels stay, for other runs; by
            default they lie beside `out` and go at the end.
        num_workers: Processes that load keyframes beside each that trains.
        save_every: Steps between two states.
        report_teacher: Called after each keyframe that the teacher embedded, with how many are done
            and how many there are.
        report: Called after each step.

    Returns:
        `out`.

    Raises:
        ValueError: If the data set is empty or was opened with labels, or no camera sees a point.

    Source: CLIP2Scene (CVPR 2023), section 3.
    """
    if dataset.with_labels or len(dataset) == 0:
        what = "was opened with labels" if dataset.with_labels else "has no keyframe"
        raise ValueError(f"the data set {what}; pre-training reads keyframes without labels")
    started = time.monotonic()
    fabric = fabric or make_fabric(config)
    encoder = PromptEncoder(config.teacher.clip, str(fabric.device))
    vocabulary = make_vocabulary(config.prompts, encoder(config.prompts), config.classes)
    dense_clip = dense_clip_of(config.teacher, encoder.clip)
    cache_folder = cache or out.with_suffix(".teacher")
    teacher: LiveTeacher | CachedTeacher
    if config.augmentation.image_flip or config.augmentation.image_crop:
        teacher = LiveTeacher(dense_clip)  # every epoch shows it other images
    else:
        filled = TeacherCache(cache_folder, dense_clip)
        share = range(fabric.global_rank, len(dataset), fabric.world_size)
        fill_cache(filled, dataset, share, report_teacher)
        fabric.barrier()
        teacher = CachedTeacher(filled, encoder.clip.embedding_size)
    samples = PairedSamples(dataset, teacher, config, superpixels_of(config.losses, cache_folder))
    weights = class_weights(samples, vocabulary.embeddings)
    trainer = StudentTrainer(
        samples,
        vocabulary.embeddings,
        config,
        fabric,
        weights if config.losses.class_balance else None,
        num_workers,
        float(encoder.clip.model.logit_scale.exp()),
    )
    state = out.with_suffix(".state.safetensors")
    if state.exists():
        trainer.restore(state)

    def after_step(step: StepReport) -> None:
        if fabric.is_global_zero and step.step % save_every == 0 and step.step < step.num_steps:
            trainer.save(state)
        report(step)

    trainer.train(after_step)
    if fabric.is_global_zero:
        record = {
            "num_keyframes": len(dataset),
            "num_processes": fabric.world_size,
            "seconds": round(time.monotonic() - started),
        }
        student = trainer.student.cpu().eval()
        scenes = tuple(scene.token for scene in dataset.scenes)
        save_checkpoint(out, Checkpoint(student, vocabulary, config, scenes, record))
        state.unlink(missing_ok=True)
        if cache is None:
            shutil.rmtree(cache_folder, ignore_errors=True)
    fabric.barrier()
    return out


def dense_clip_of(teacher: TeacherConfig, clip: Clip) -> DenseClip:
    """Make the frozen CLIP that a configuration describes."""
    return DenseClip(clip, teacher.image_height, teacher.key_smoothing, teacher.scales)


def superpixels_of(losses: LossesConfig, folder: Path) -> SuperpixelMaps | None:
    """Keep superpixels in a folder, if the losses need any."""
    if losses.contrastive != "slidr":
        return None
    return SuperpixelMaps(folder, losses.superpixels, losses.superpixel_compactness)


def class_weights(samples: Samples, text: Tensor) -> Tensor:
    """Weigh classes by the inverse square root of their share of the teacher's labels.

    Args:
        samples: Keyframes; at most 256, evenly spread, are counted.
        text: (C, D) float32.

    Returns:
        (C,) float32 with mean 1 over the classes that occur; classes that never occur get 0.

    Raises:
        ValueError: If no camera sees any point of them.
    """
    counts: NDArray[np.int64] = np.zeros(len(text), dtype=np.int64)
    spread = np.linspace(0, len(samples) - 1, min(len(samples), _KEYFRAMES_FOR_WEIGHTS))
    for index in spread.round().astype(int).tolist():
        _, embeddings = samples[0, index]
        labels = (embeddings @ text.T).argmax(dim=1)
        counts += torch.bincount(labels, minlength=len(text)).numpy()
    if not counts.any():
        raise ValueError(
            "no camera sees any point of the data set; check its calibration and that it has images"
        )
    occurs = counts > 0
    weights: NDArray[np.float64] = np.zeros(len(text))
    weights[occurs] = 1 / np.sqrt(counts[occurs] / counts.sum())
    return torch.from_numpy((weights / weights[occurs].mean()).astype(np.float32))
