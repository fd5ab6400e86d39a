"""What pre-training learns from: keyframes, and all that a frozen CLIP says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import LossesConfig, TeacherConfig
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.prompts.text_encoder import TextEncoder
from clip2scene_core.prompts.vocabulary import Vocabulary, make_vocabulary
from clip2scene_core.teacher.cache import TeacherCache
from clip2scene_core.teacher.clip import Clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.training.fabric import Fabric
from clip2scene_core.training.pretrain.class_weights import (
    class_weights,
    kept_class_weights,
)
from clip2scene_core.training.pretrain.data.consensus_cache import (
    ConsensusCache,
    fill_consensus,
)
from clip2scene_core.training.pretrain.data.pixel_embeddings import (
    CachedTeacher,
    LiveTeacher,
    fill_cache,
)
from clip2scene_core.training.pretrain.data.samples import PairedSamples
from clip2scene_core.training.pretrain.data.superpixels import SuperpixelMaps


@dataclass(frozen=True)
class DistillationData:
    """Keyframes with their teacher.

    Attributes:
        samples: The keyframes.
        vocabulary: The classes, as the teacher embeds them.
        class_weights: (C,) float32, or None for equal ones.
        logit_scale: The teacher's inverse temperature.
    """

    samples: PairedSamples
    vocabulary: Vocabulary
    class_weights: Tensor | None
    logit_scale: float


def prepare_distillation(
    dataset: NuScenesDataset,
    config: PretrainConfig,
    folder: Path,
    fabric: Fabric,
    report_teacher: Callable[[int, int], None] = lambda done, total: None,
    report_consensus: Callable[[int, int], None] = lambda done, total: None,
) -> DistillationData:
    """Let the teacher speak, once for all epochs if nobody varies its images; see `pretrain`.

    Args:
        dataset: Opened with images and without labels.
        config: Everything that decides what is said.
        folder: Where it stays.
        fabric: Its processes share the work.
        report_teacher: Called after each keyframe that the teacher embedded, with how many are done
            and how many there are.
        report_consensus: Called after each drive whose votes were counted, likewise.

    Raises:
        ValueError: If classes are to be balanced and no camera sees a point.
    """
    encoder = TextEncoder(config.teacher.clip, str(fabric.device))
    vocabulary = make_vocabulary(config.prompts, encoder(config.prompts), config.classes)
    text, logit_scale = vocabulary.embeddings, float(encoder.clip.model.logit_scale.exp())
    dense_clip = dense_clip_of(config.teacher, encoder.clip)
    kept = TeacherCache(folder, dense_clip)
    cached = CachedTeacher(kept, encoder.clip.embedding_size)
    is_varied = config.augmentation.image_flip or config.augmentation.image_crop
    if config.consensus.voxel_size_m or not is_varied:
        share = range(fabric.global_rank, len(dataset), fabric.world_size)
        fill_cache(kept, dataset, share, report_teacher)
        fabric.barrier()
    consensus = None
    if config.consensus.voxel_size_m:
        consensus = ConsensusCache(kept.folder, text, logit_scale, config)
        place = (fabric.global_rank, fabric.world_size)
        fill_consensus(consensus, dataset, cached, *place, report_consensus)
        fabric.barrier()
    samples = PairedSamples(
        dataset,
        LiveTeacher(dense_clip) if is_varied else cached,  # every epoch shows it other images
        config,
        superpixels_of(config.losses, folder),
        consensus,
    )
    weights = None
    is_balanced = config.losses.class_balance and config.losses.semantic == "cross_entropy"
    if is_balanced and is_varied:
        weights = class_weights(samples, text)
    elif is_balanced:
        tokens = [dataset.token(index) for index in range(len(dataset))]
        weights = kept_class_weights(kept.folder, samples, tokens, text, config)
    return DistillationData(samples, vocabulary, weights, logit_scale)


def dense_clip_of(teacher: TeacherConfig, clip: Clip) -> DenseClip:
    """Make the frozen CLIP that a configuration describes."""
    return DenseClip(clip, teacher.image_height, teacher.key_smoothing, teacher.scales)


def superpixels_of(losses: LossesConfig, folder: Path) -> SuperpixelMaps | None:
    """Keep superpixels in a folder, if the losses need any."""
    if losses.contrastive != "slidr":
        return None
    return SuperpixelMaps(folder, losses.superpixels, losses.superpixel_compactness)
