"""Fine-tuning: trains a classifier on a few labels, from a pre-trained trunk or from scratch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from clip2scene_core.checkpoint import FinetunedCheckpoint, Trunk, save_finetuned
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.network.classifier import Classifier
from clip2scene_core.training.data_check import check_files, check_writable
from clip2scene_core.training.fabric import Fabric, make_fabric
from clip2scene_core.training.finetune.data import (
    LabelledKeyframes,
    check_labels,
    choose_keyframes,
    hash_tokens,
    write_tokens,
)
from clip2scene_core.training.finetune.trainer import FinetuneStep, FinetuneTrainer
from clip2scene_core.training.keyframe_digests import KeyframeDigests
from clip2scene_core.training.point_columns import check_point_columns
from clip2scene_core.training.pretrained import SCRATCH, Pretrained, check_fit, seen_scenes


@dataclass(frozen=True)
class _Run:
    """Everything that decides the result of a run. Only an equal run may resume it.

    Attributes:
        config: Configuration.
        start: SHA-256 of the pre-trained student, or "scratch".
        tokens: SHA-256 of the list of keyframes.
        keyframes: Digest of their points and labels.
    """

    config: FinetuneConfig
    start: str
    tokens: str
    keyframes: str


def make_classifier(
    config: FinetuneConfig, start: Trunk | None, num_classes: int = len(NUSCENES_CLASSES)
) -> Classifier:
    """Make a classifier with its initial weights.

    Args:
        config: Network and seed.
        start: The trunk to copy; None makes a random trunk. The head is always
            random.
        num_classes: Number of classes.

    Raises:
        ValueError: If the configuration describes another network or input than the student's.
    """
    torch.manual_seed(config.training.seed)
    classifier = Classifier(config.network, num_classes)
    if start is not None:
        check_fit(config.network, config.input, start)
        classifier.network.load_state_dict(start.network.state_dict())
    return classifier


def finetune(
    dataset: KeyframeDataset,
    config: FinetuneConfig,
    out: Path,
    start: Pretrained | None,
    fabric: Fabric | None = None,
    num_workers: int = 0,
    save_every: int = 500,
    report: Callable[[FinetuneStep], None] = lambda step: None,
) -> Path:
    """Train a classifier on the labels of a share of the keyframes.

    The tokens of these keyframes are written beside `out`, and their hash is written into it. The
    training checkpoint is beside `out`, too. A run that finds one resumes, and ends with the same
    weights as a run that was never stopped.

    Args:
        dataset: Data set, opened with labels. Images are not read.
        config: Configuration. Together with `start` it decides the result.
        out: Checkpoint to write, .safetensors.
        start: Student whose trunk is copied; None begins with random weights.
        fabric: Processes and devices, launched; one CPU by default.
        num_workers: Number of processes that load keyframes, beside each process that trains.
        save_every: Number of steps between two training checkpoints.
        report: Called after each step.

    Returns:
        `out`.

    Raises:
        ValueError: If the data set was opened without labels, the share has no keyframe, its clouds
            have no such columns as the network reads, or the configuration describes another
            network or input than the student's.

    Source: The protocols of SLidR (CVPR 2022) and CLIP2Scene (CVPR 2023).
    """
    if not dataset.with_labels:
        raise ValueError("the data set was opened without labels; fine-tuning needs them")
    started = time.monotonic()
    fabric = fabric or make_fabric(config)
    scenes = [dataset.scene_token(index) for index in range(len(dataset))]
    keyframes = choose_keyframes(config.labels, scenes)
    check_writable([out.parent] if fabric.is_global_zero else [])
    check_point_columns(dataset, config.network, keyframes[0])
    samples = LabelledKeyframes(dataset, keyframes, config)
    check_files(dataset)
    check_labels(samples)
    classifier = make_classifier(config, start.trunk if start else None, len(dataset.classes))
    token_file = out.with_suffix(".tokens.txt")
    tokens = [dataset.token(index) for index in keyframes]
    tokens_sha256 = hash_tokens(tokens)
    if fabric.is_global_zero:
        write_tokens(token_file, tokens)
    digest = KeyframeDigests(dataset).whole(keyframes)
    trainer = FinetuneTrainer(
        samples,
        classifier,
        config,
        fabric,
        num_workers,
        _Run(config, start.sha256 if start else SCRATCH, tokens_sha256, digest),
    )
    training_checkpoint = out.with_suffix(".state.safetensors")
    trainer.train(report, training_checkpoint, save_every)
    if fabric.is_global_zero:
        record = {
            "from": start.record if start else SCRATCH,
            "tokens": {"file": token_file.name, "sha256": tokens_sha256},
            "num_keyframes": len(keyframes),
            "num_processes": fabric.world_size,
            "seconds": round(time.monotonic() - started),
        }
        seen = seen_scenes(start, [scenes[index] for index in keyframes])
        names = tuple(scene_class.name for scene_class in dataset.classes)
        trained = classifier.cpu().eval()
        save_finetuned(out, FinetunedCheckpoint(trained, names, config, seen, record))
        training_checkpoint.unlink(missing_ok=True)
    fabric.barrier()
    return out
