"""Pre-training: cameras teach, LiDAR learns. The paper as one readable function."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from clip2scene_core.checkpoint import Checkpoint, save_checkpoint
from clip2scene_core.config import PretrainConfig
from clip2scene_core.config_sections import LossesConfig, TeacherConfig
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.prompt_encoder import PromptEncoder
from clip2scene_core.teacher.cache import TeacherCache
from clip2scene_core.teacher.clip import Clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.training.class_weights import class_weights, kept_class_weights
from clip2scene_core.training.consensus_cache import ConsensusCache, fill_consensus
from clip2scene_core.training.fabric import Fabric, make_fabric
from clip2scene_core.training.samples import PairedSamples
from clip2scene_core.training.superpixel_maps import SuperpixelMaps
from clip2scene_core.training.teacher import CachedTeacher, LiveTeacher, fill_cache
from clip2scene_core.training.trainer import StepReport, StudentTrainer
from clip2scene_core.vocabulary import make_vocabulary


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
    report_consensus: Callable[[int, int], None] = lambda done, total: None,
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
        cache: Folder in which the teacher's embeddings, the consensus and superpixels stay, for
            other runs; by default they lie beside `out` and go at the end.
        num_workers: Processes that load keyframes beside each that trains.
        save_every: Steps between two states.
        report_teacher: Called after each keyframe that the teacher embedded, with how many are done
            and how many there are.
        report: Called after each step.
        report_consensus: Called after each drive whose votes were counted, likewise.

    Returns:
        `out`.

    Raises:
        ValueError: If the data set is empty or was opened with labels, or classes are to be
            balanced and no camera sees a point.

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
    logit_scale = float(encoder.clip.model.logit_scale.exp())
    text = vocabulary.embeddings
    is_varied = config.augmentation.image_flip or config.augmentation.image_crop
    kept = TeacherCache(cache_folder, dense_clip)
    cached = CachedTeacher(kept, encoder.clip.embedding_size)
    consensus = None
    if config.consensus.voxel_size_m or not is_varied:
        share = range(fabric.global_rank, len(dataset), fabric.world_size)
        fill_cache(kept, dataset, share, report_teacher)
        fabric.barrier()
    if config.consensus.voxel_size_m:
        consensus = ConsensusCache(kept.folder, text, logit_scale, config)
        place = (fabric.global_rank, fabric.world_size)
        fill_consensus(consensus, dataset, cached, *place, report_consensus)
        fabric.barrier()
    samples = PairedSamples(
        dataset,
        LiveTeacher(dense_clip) if is_varied else cached,  # every epoch would vary other images
        config,
        superpixels_of(config.losses, cache_folder),
        consensus,
    )
    weights = None
    if config.losses.class_balance and is_varied:
        weights = class_weights(samples, text)
    elif config.losses.class_balance:
        tokens = [dataset.token(index) for index in range(len(dataset))]
        weights = kept_class_weights(kept.folder, samples, tokens, text, config)
    trainer = StudentTrainer(samples, text, config, fabric, weights, num_workers, logit_scale)
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
