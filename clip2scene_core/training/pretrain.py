"""Pre-training: cameras teach, LiDAR learns. The paper's first loss as one readable function."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.checkpoint import Checkpoint, save_checkpoint
from clip2scene_core.config import PretrainConfig, TrainingConfig
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.losses.semantic_consistency import (
    paper_semantic_consistency_loss,
    semantic_consistency_loss,
)
from clip2scene_core.network.student import Student
from clip2scene_core.prompt_encoder import PromptEncoder
from clip2scene_core.training.batch import PretrainBatch, collate_pretrain
from clip2scene_core.training.pseudo_labels import PseudoLabelledSweep, pseudo_labels_of
from clip2scene_core.training.state import load_state, save_state
from clip2scene_core.vocabulary import Vocabulary, make_vocabulary


@dataclass(frozen=True)
class PretrainProgress:
    """Where a run stands.

    Attributes:
        stage: "teacher" while keyframes get their pseudo labels, then "student".
        step: Steps done in this stage.
        num_steps: Steps of this stage.
        loss: Of the last step; NaN in stage "teacher".
        num_pairs: Pixel-point pairs of the last step.
    """

    stage: str
    step: int
    num_steps: int
    loss: float
    num_pairs: int


ReportProgress = Callable[[PretrainProgress], None]


def pretrain(
    dataset: NuScenesDataset,
    config: PretrainConfig,
    out: Path,
    report: ReportProgress = lambda progress: None,
    device: str = "cpu",
    pseudo_labels: Path | None = None,
) -> Path:
    """Distil the frozen CLIP into a student, without a single 3D label.

    The teacher labels the pixels that points fall on, once; the student learns to put each point's
    embedding near the text of its pseudo label. Pseudo labels, and after each epoch the state, are
    written beside `out`; a run that finds them goes on from there and ends with the same weights.

    Args:
        dataset: Keyframes with images, opened without labels.
        config: Everything that decides the result.
        out: Checkpoint to write, .safetensors.
        report: Called after each keyframe and step.
        device: For example "cpu" or "cuda".
        pseudo_labels: A file of pseudo labels that stays, for other runs with this teacher; see
            `pseudo_labels_of`.

    Returns:
        `out`.

    Raises:
        ValueError: If the data set is empty or was opened with labels, or no camera sees a point.

    Source: CLIP2Scene (CVPR 2023), section 3.2.2, semantic consistency regularisation.
    """
    if dataset.with_labels or len(dataset) == 0:
        what = "was opened with labels" if dataset.with_labels else "has no keyframe"
        raise ValueError(f"the data set {what}; pre-training reads keyframes without labels")
    started = time.monotonic()
    encoder = PromptEncoder(config.teacher.clip, device)
    vocabulary = make_vocabulary(config.prompts, encoder(config.prompts), config.classes)
    labels_path = pseudo_labels or out.with_suffix(".labels.safetensors")

    def report_labelled(done: int, num_pairs: int) -> None:
        report(PretrainProgress("teacher", done, len(dataset), math.nan, num_pairs))

    sweeps = pseudo_labels_of(
        dataset, config, encoder.clip, vocabulary, labels_path, report_labelled
    )
    student, loss = train_student(sweeps, vocabulary, config, out, report, device)
    record = {
        "num_keyframes": len(dataset),
        "seconds": round(time.monotonic() - started),
        "last_loss": round(loss, 4),
    }
    scene_tokens = tuple(scene.token for scene in dataset.scenes)
    save_checkpoint(out, Checkpoint(student.cpu().eval(), vocabulary, config, scene_tokens, record))
    if pseudo_labels is None:
        labels_path.unlink()
    return out


def train_student(
    sweeps: Sequence[PseudoLabelledSweep],
    vocabulary: Vocabulary,
    config: PretrainConfig,
    out: Path,
    report: ReportProgress = lambda progress: None,
    device: str = "cpu",
) -> tuple[Student, float]:
    """Train a student on pseudo labels.

    Args:
        sweeps: S pseudo-labelled sweeps.
        vocabulary: C classes.
        config: Network and schedule.
        out: The state is kept beside this path until training ends.
        report: Called after each step.
        device: Where to train.

    Returns:
        The student in training mode on `device`, and the loss of the last step.
    """
    training = config.training
    torch.manual_seed(training.seed)
    text = vocabulary.embeddings.to(device)
    student = Student(config.network.width, config.network.voxel_size_m, text.shape[1]).to(device)
    # The spatial head belongs to the second loss; without it, decay alone would move its weights.
    trained = [*student.network.parameters(), *student.semantic_head.parameters()]
    optimiser = torch.optim.AdamW(trained, lr=0.0, weight_decay=training.weight_decay)
    weights = class_weights(sweeps, len(vocabulary)).to(device) if training.class_balance else None
    state = out.with_suffix(".state.safetensors")
    done = load_state(state, student, optimiser, config) if state.exists() else 0
    batches = math.ceil(len(sweeps) / training.batch_size)
    loss = math.nan
    for epoch in range(done, training.epochs):
        for number, batch in enumerate(_epoch_batches(sweeps, training, epoch)):
            step = epoch * batches + number
            rate = one_cycle(step / (training.epochs * batches), training.learning_rate)
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = _train_step(student, optimiser, batch, text, weights, training)
            num_pairs = len(batch.point_index)
            total = training.epochs * batches
            report(PretrainProgress("student", step + 1, total, loss, num_pairs))
        save_state(state, student, optimiser, config, epoch + 1)
    state.unlink(missing_ok=True)
    return student, loss


def class_weights(sweeps: Sequence[PseudoLabelledSweep], num_classes: int) -> Tensor:
    """Weigh classes by the inverse square root of their share of the pseudo labels.

    Returns:
        (C,) float32 with mean 1 over the classes that occur; classes that never occur get 0.
    """
    counts = np.zeros(num_classes)
    for sweep in sweeps:
        counts += np.bincount(sweep.pseudo_labels, minlength=num_classes)
    occurs = counts > 0
    weights: NDArray[np.float64] = np.zeros(num_classes)
    weights[occurs] = 1 / np.sqrt(counts[occurs] / counts.sum())
    return torch.from_numpy((weights / weights[occurs].mean()).astype(np.float32))


def one_cycle(fraction: float, peak: float) -> float:
    """Learning rate after a fraction of all steps: up over the first tenth, then a cosine to 0."""
    if fraction < 0.1:
        return peak * (0.1 + 9 * fraction)
    return peak * 0.5 * (1 + math.cos(math.pi * (fraction - 0.1) / 0.9))


def _epoch_batches(
    sweeps: Sequence[PseudoLabelledSweep], training: TrainingConfig, epoch: int
) -> Iterator[PretrainBatch]:
    # Chance depends on seed and epoch alone, so a resumed run draws what an unbroken one draws.
    generator = np.random.default_rng((training.seed, epoch))
    order = generator.permutation(len(sweeps))
    for start in range(0, len(order), training.batch_size):
        chosen = order[start : start + training.batch_size]
        yield collate_pretrain([sweeps[index] for index in chosen], generator)


def _train_step(
    student: Student,
    optimiser: torch.optim.Optimizer,
    batch: PretrainBatch,
    text: Tensor,
    weights: Tensor | None,
    training: TrainingConfig,
) -> float:
    student.train()
    device = text.device
    embeddings = student.embed_semantics(batch.points.to(device), batch.batch_index.to(device))
    paired = embeddings[batch.point_index.to(device)]  # (P, D)
    pseudo_labels = batch.pseudo_labels.to(device)
    if training.loss == "paper_eq1":
        loss = paper_semantic_consistency_loss(paired, text, pseudo_labels, training.temperature)
    else:
        loss = semantic_consistency_loss(paired, text, pseudo_labels, training.temperature, weights)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float(loss.detach())
