"""Fine-tuning: a few labels, and a trunk that has been taught by cameras or by nobody."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from clip2scene_core.checkpoint import (
    SMALL_STUDENT,
    Checkpoint,
    FinetunedCheckpoint,
    load_checkpoint,
    save_finetuned,
)
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.network.classifier import Classifier
from clip2scene_core.training.fabric import Fabric, make_fabric
from clip2scene_core.training.finetune.data import (
    LabelledKeyframes,
    choose_keyframes,
    hash_tokens,
    write_tokens,
)
from clip2scene_core.training.finetune.trainer import FinetuneStep, FinetuneTrainer


@dataclass(frozen=True)
class PretrainedStudent:
    """The pre-trained student to begin with.

    Attributes:
        name: As the user named it.
        sha256: Of its file.
        checkpoint: What is in it.
    """

    name: str
    sha256: str
    checkpoint: Checkpoint


@dataclass(frozen=True)
class _Run:
    """What a state belongs to: going on with other weights or labels would be another run."""

    config: FinetuneConfig
    start: str
    tokens: str


def load_pretrained(weights: str) -> PretrainedStudent:
    """Read the student to begin with.

    Args:
        weights: A checkpoint of pre-training, or "small" for the one that ships.

    Raises:
        CheckpointError: If the file cannot be used.
    """
    checkpoint = load_checkpoint(weights)
    path = SMALL_STUDENT if weights == "small" else Path(weights)
    return PretrainedStudent(weights, hashlib.sha256(path.read_bytes()).hexdigest(), checkpoint)


def make_classifier(config: FinetuneConfig, start: Checkpoint | None) -> Classifier:
    """Make the network to begin with; the head is random by the seed, both are without a start.

    Raises:
        ValueError: If the configuration describes another network than the student's.
    """
    torch.manual_seed(config.training.seed)
    classifier = Classifier(config.network, len(NUSCENES_CLASSES))
    if start is not None:
        if config.network != start.config.network:
            raise ValueError(
                f"the configuration's network is {config.network}, but the student's is "
                f"{start.config.network}; leave 'network' out of the configuration"
            )
        classifier.network.load_state_dict(start.student.network.state_dict())
    return classifier


def finetune(
    dataset: NuScenesDataset,
    config: FinetuneConfig,
    out: Path,
    start: PretrainedStudent | None,
    fabric: Fabric | None = None,
    num_workers: int = 0,
    save_every: int = 500,
    report: Callable[[FinetuneStep], None] = lambda step: None,
) -> Path:
    """Train a classifier on the labels of a share of the keyframes.

    The tokens of these keyframes are written beside `out`, and their hash into it. So is the state:
    a run that finds it goes on from there and ends with the same weights.

    Args:
        dataset: Opened with labels; pictures are not read.
        config: Everything that decides the result, beside the start.
        out: Checkpoint to write, .safetensors.
        start: The student whose trunk is taken; None begins with random weights.
        fabric: Launched, with the processes and devices to use; one CPU by default.
        num_workers: Processes that load keyframes beside each that trains.
        save_every: Steps between two states.
        report: Called after each step.

    Returns:
        `out`.

    Raises:
        ValueError: If the data set was opened without labels, the share has no keyframe, or the
            configuration describes another network than the student's.

    Source: the protocols of SLidR (CVPR 2022) and CLIP2Scene (CVPR 2023).
    """
    if not dataset.with_labels:
        raise ValueError("the data set was opened without labels; fine-tuning needs them")
    started = time.monotonic()
    fabric = fabric or make_fabric(config)
    scenes = [dataset.scene_token(index) for index in range(len(dataset))]
    keyframes = choose_keyframes(config.labels, scenes)
    classifier = make_classifier(config, start.checkpoint if start else None)
    token_file = out.with_suffix(".tokens.txt")
    tokens = [dataset.token(index) for index in keyframes]
    tokens_sha256 = hash_tokens(tokens)
    if fabric.is_global_zero:
        write_tokens(token_file, tokens)
    trainer = FinetuneTrainer(
        LabelledKeyframes(dataset, keyframes, config),
        classifier,
        config,
        fabric,
        num_workers,
        _Run(config, start.sha256 if start else "scratch", tokens_sha256),
    )
    training_checkpoint = out.with_suffix(".state.safetensors")
    trainer.train(report, training_checkpoint, save_every)
    if fabric.is_global_zero:
        record = {
            "from": {"weights": start.name, "sha256": start.sha256} if start else "scratch",
            "tokens": {"file": token_file.name, "sha256": tokens_sha256},
            "num_keyframes": len(keyframes),
            "num_processes": fabric.world_size,
            "seconds": round(time.monotonic() - started),
        }
        seen = (*(start.checkpoint.scene_tokens if start else ()), *(scenes[i] for i in keyframes))
        names = tuple(scene_class.name for scene_class in NUSCENES_CLASSES)
        trained = classifier.cpu().eval()
        checkpoint = FinetunedCheckpoint(trained, names, config, tuple(dict.fromkeys(seen)), record)
        save_finetuned(out, checkpoint)
        training_checkpoint.unlink(missing_ok=True)
    fabric.barrier()
    return out
