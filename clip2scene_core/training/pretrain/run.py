"""Pre-training: distils a frozen CLIP into a LiDAR network. The whole run in one function."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip2scene_core.checkpoint import Checkpoint, save_checkpoint
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.training.data_check import check_writable
from clip2scene_core.training.fabric import Fabric, make_fabric
from clip2scene_core.training.point_columns import check_point_columns
from clip2scene_core.training.pretrain.prepare import prepare_distillation
from clip2scene_core.training.pretrain.trainer import StepReport, StudentTrainer
from clip2scene_core.training.pretrained import (
    SCRATCH,
    Pretrained,
    check_fit,
    check_voter,
    keep_fitting_heads,
    record_start,
    seen_scenes,
)


@dataclass(frozen=True)
class _Run:
    """Everything that decides the result of a run. Only an equal run may resume it.

    Attributes:
        config: Configuration.
        keyframes: Digest of keyframes, teacher and texts, see `PreparedTeacher.source`.
        start: SHA-256 of the checkpoint that it begins with, or "scratch".
        voter: SHA-256 of the checkpoint that votes beside the cameras; empty if none was named.
    """

    config: PretrainConfig
    keyframes: str
    start: str
    voter: str


def pretrain(
    dataset: KeyframeDataset,
    config: PretrainConfig,
    out: Path,
    fabric: Fabric | None = None,
    cache: Path | None = None,
    num_workers: int = 0,
    save_every: int = 500,
    report_teacher: Callable[[int, int], None] = lambda done, total: None,
    report: Callable[[StepReport], None] = lambda step: None,
    report_consensus: Callable[[int, int], None] = lambda done, total: None,
    start: Pretrained | None = None,
    voter: Pretrained | None = None,
) -> Path:
    """Distil the frozen CLIP into a student, without any 3D label.

    The points of a keyframe's sweeps are paired with the pixels that show them. The teacher embeds
    the pixels, and labels them by the nearest prompt. The student learns by the losses of the
    paper. The training checkpoint is beside `out`. A run that finds one resumes, and ends with the
    same weights as a run that was never stopped.

    Args:
        dataset: Data set, opened with images and without labels.
        config: Configuration. It decides the result.
        out: Checkpoint to write, .safetensors.
        fabric: Processes and devices, launched; one CPU by default.
        cache: Folder that keeps the teacher's embeddings, the consensus and the superpixels for
            other runs. By default they are beside `out`, and are removed at the end.
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
        voter: Student that votes beside the cameras, of whatever network; see
            `ConsensusConfig.student_weight`. By default `start`.

    Returns:
        `out`.

    Raises:
        ValueError: If the data set is empty or was opened with labels, its clouds have no such
            columns as the network reads, classes are to be balanced and no camera sees a point,
            the student that is to vote cannot, or `voter` would not be asked.

    Source: CLIP2Scene (CVPR 2023), section 3.
    """
    if dataset.with_labels or len(dataset) == 0:
        what = "was opened with labels" if dataset.with_labels else "has no keyframe"
        raise ValueError(f"the data set {what}; pre-training reads keyframes without labels")
    check_point_columns(dataset, config.network)
    check_voter(voter, config.consensus)
    started = time.monotonic()
    fabric = fabric or make_fabric(config)
    folder = cache or out.with_suffix(".teacher")
    check_writable([out.parent, folder] if fabric.is_global_zero else [folder])
    if start is not None:
        check_fit(config.network, config.input, start.trunk)
        start = keep_fitting_heads(start, config.teacher.clip, fabric.device)
    data = prepare_distillation(
        dataset, config, folder, fabric, report_teacher, report_consensus, voter or start
    )
    trainer = StudentTrainer(
        data.samples,
        data.vocabulary.embeddings,
        config,
        fabric,
        data.class_weights,
        num_workers,
        data.logit_scale,
        _Run(
            config,
            data.source,
            start.sha256 if start else SCRATCH,
            voter.sha256 if voter else "",
        ),
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
        }
        if voter is not None:
            record["voter"] = voter.record
        if data.label_counts is not None:
            record["labels"] = data.label_counts.to_record()
        student = trainer.student.cpu().eval()
        scenes = seen_scenes(start, [scene.token for scene in dataset.scenes])
        save_checkpoint(out, Checkpoint(student, data.vocabulary, config, scenes, record))
        training_checkpoint.unlink(missing_ok=True)
        if cache is None:
            shutil.rmtree(folder, ignore_errors=True)
    fabric.barrier()
    return out
