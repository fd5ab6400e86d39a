"""Zero-shot training: labels of seen classes, CLIP for the others. The run in one function."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.checkpoint import Checkpoint, save_checkpoint
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.config.zeroshot import ZeroShotConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.datasets.seen_labels import SeenLabelsDataset
from clip2scene_core.labels import IGNORE_COLOR, SemanticClass
from clip2scene_core.training.data_check import check_writable
from clip2scene_core.training.fabric import Fabric, make_fabric
from clip2scene_core.training.point_columns import check_point_columns
from clip2scene_core.training.pretrain.prepare import PreparedTeacher, prepare_teacher
from clip2scene_core.training.pretrained import (
    SCRATCH,
    Pretrained,
    check_fit,
    keep_fitting_heads,
    record_start,
    seen_scenes,
)
from clip2scene_core.training.zeroshot.data.samples import ZeroShotSamples
from clip2scene_core.training.zeroshot.labels import count_class_weights
from clip2scene_core.training.zeroshot.trainer import ZeroShotStep, ZeroShotTrainer


@dataclass(frozen=True)
class _Run:
    """Everything that decides the result of a run. Only an equal run may resume it.

    Attributes:
        config: Configuration.
        keyframes: Digest of keyframes, teacher and texts, see `PreparedTeacher.source`.
        start: SHA-256 of the checkpoint that it begins with, or "scratch".
    """

    config: ZeroShotConfig
    keyframes: str
    start: str


def train_zeroshot(
    dataset: KeyframeDataset,
    config: ZeroShotConfig,
    out: Path,
    fabric: Fabric | None = None,
    cache: Path | None = None,
    num_workers: int = 0,
    save_every: int = 500,
    report_teacher: Callable[[int, int], None] = lambda done, total: None,
    report: Callable[[ZeroShotStep], None] = lambda step: None,
    report_consensus: Callable[[int, int], None] = lambda done, total: None,
    start: Pretrained | None = None,
) -> Path:
    """Train a student of seen and unseen classes.

    Points of seen classes have their labels. In phase 1 the others get pseudo labels of the unseen
    classes by CLIP; in phase 2 by a moving average of the student. The texts are the weights of the
    classifiers of pixels and points, whose features are aligned by class and by patch. The result
    labels from LiDAR alone, as every student does.

    The training checkpoint is beside `out`. A run that finds one resumes, and ends with the same
    weights as a run that was never stopped.

    Args:
        dataset: Data set, opened with images, and with labels unless no class is seen. Labels of
            other than seen classes are removed as soon as they are read.
        config: Configuration. It decides the result.
        out: Checkpoint to write, .safetensors.
        fabric: Processes and devices, launched; one CPU by default.
        cache: Folder that keeps the teacher's embeddings and the consensus for other runs, also of
            pre-training. By default they are beside `out`, and are removed at the end.
        num_workers: Number of processes that load keyframes, beside each process that trains.
        save_every: Number of steps between two training checkpoints.
        report_teacher: Called after each keyframe that the teacher embedded, with the number of
            keyframes done and in total.
        report: Called after each step.
        report_consensus: Called after each sequence whose consensus was computed, with the number
            of sequences done and in total.
        start: Trained network to begin with, from `load_pretrained`. Its heads are kept if the same
            CLIP taught them, else drawn anew; the record says which. None begins with random
            weights.

    Returns:
        `out`.

    Raises:
        ValueError: If the data set is empty, has labels although no class is seen or none although
            some are, lacks a seen class or the columns that the network reads, or no point is left
            or gets any label.

    Source: "Transferring CLIP's Knowledge into Zero-Shot Point Cloud Semantic Segmentation" (ACM MM
    2023, arXiv 2312.07221); our reconstruction.
    """
    if len(dataset) == 0:
        raise ValueError("the data set has no keyframe; check the names of the scenes")
    started = time.monotonic()
    fabric = fabric or make_fabric(config)
    folder = cache or out.with_suffix(".teacher")
    check_writable([out.parent, folder] if fabric.is_global_zero else [folder])
    if start is not None:
        check_fit(config.student.network, config.student.input, start.trunk)
        start = keep_fitting_heads(start, config.teacher.clip, fabric.device)
    dataset = read_seen_labels(dataset, config)
    check_point_columns(dataset, config.student.network)
    teacher = prepare_teacher(
        dataset, config.student, folder, fabric, report_teacher, report_consensus, start
    )
    is_unseen = np.isin(config.student.classes, config.named_split.unseen)
    trainer = ZeroShotTrainer(
        _make_samples(dataset, teacher, config, is_unseen),
        teacher.vocabulary.embeddings,
        is_unseen,
        config,
        fabric,
        _weigh_classes(dataset, teacher, config, is_unseen),
        num_workers,
        teacher.logit_scale,
        _Run(config, teacher.source, start.sha256 if start else SCRATCH),
        start,
    )
    training_checkpoint = out.with_suffix(".state.safetensors")
    trainer.train(report, training_checkpoint, save_every)
    if fabric.is_global_zero:
        record: dict[str, Any] = {
            "from": record_start(start),
            "num_keyframes": len(dataset),
            "num_processes": fabric.world_size,
            "seconds": round(time.monotonic() - started),
            "zeroshot": config_to_dict(config),
        }
        student = trainer.student.cpu().eval()
        scenes = seen_scenes(start, [scene.token for scene in dataset.scenes])
        save_checkpoint(
            out, Checkpoint(student, teacher.vocabulary, config.student, scenes, record)
        )
        training_checkpoint.unlink(missing_ok=True)
        if cache is None:
            shutil.rmtree(folder, ignore_errors=True)
    fabric.barrier()
    return out


def read_seen_labels(dataset: KeyframeDataset, config: ZeroShotConfig) -> KeyframeDataset:
    """Let a training read the labels of its seen classes, and no others.

    Args:
        dataset: Data set, opened with labels if any class is seen.
        config: Split and protocol. In the inductive protocol, points without a seen label are
            removed, because nearly every keyframe shows some unseen class (terrain): without such
            keyframes there would be none. Points of ignored classes go, too. If it were otherwise,
            what is left would depend on the labels of unseen classes. Where no point is left, the
            next keyframe is taken instead, see `ZeroShotSamples`.

    Raises:
        ValueError: If labels and seen classes do not go together.
    """
    if not config.seen:
        if dataset.with_labels:
            raise ValueError(
                "the data set was opened with labels, but no class is seen; open it without"
            )
        return dataset
    colors = {one.name: one.color for one in dataset.classes}
    student = config.student
    classes = [
        SemanticClass(name, prompt, colors.get(name, IGNORE_COLOR))
        for name, prompt in zip(student.classes, student.prompts, strict=True)
    ]
    is_inductive = config.class_split.protocol == "inductive"
    return SeenLabelsDataset(dataset, classes, config.seen, is_inductive)


def _make_samples(
    dataset: KeyframeDataset,
    teacher: PreparedTeacher,
    config: ZeroShotConfig,
    is_unseen: NDArray[np.bool_],
) -> ZeroShotSamples:
    return ZeroShotSamples(
        dataset,
        teacher.pixels,
        config.student,
        is_unseen,
        teacher.dense_clip.map_size,
        teacher.consensus,
    )


def _weigh_classes(
    dataset: KeyframeDataset,
    teacher: PreparedTeacher,
    config: ZeroShotConfig,
    is_unseen: NDArray[np.bool_],
) -> Tensor | None:
    """Count the labels of phase 1, on clouds as the sensor saw them; None for equal weights."""
    if not config.losses.class_balance:
        return None
    whole = replace(config, augmentation=config.augmentation.without_sensors())
    return count_class_weights(
        _make_samples(dataset, teacher, whole, is_unseen),
        teacher.vocabulary.embeddings,
        is_unseen,
        teacher.logit_scale,
        config.losses,
    )
