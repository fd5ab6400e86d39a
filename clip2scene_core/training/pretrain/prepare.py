"""Prepares pre-training: teacher embeddings, consensus, superpixels and class weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from clip2scene_core.config.augmentation import AugmentationConfig
from clip2scene_core.config.losses import LossesConfig
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import TeacherConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.device import find_device
from clip2scene_core.prompts.text_encoder import TextEncoder, is_taught_by
from clip2scene_core.prompts.vocabulary import Vocabulary, make_vocabulary
from clip2scene_core.teacher.cache import TeacherCache
from clip2scene_core.teacher.clip import Clip, load_clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.tiles import TilePyramid
from clip2scene_core.training.data_check import check_files
from clip2scene_core.training.fabric import Fabric
from clip2scene_core.training.keyframe_digests import KeyframeDigests
from clip2scene_core.training.pretrain.class_weights import (
    cached_label_counts,
    class_weights,
    weigh_labels,
)
from clip2scene_core.training.pretrain.data.consensus_cache import (
    ConsensusCache,
    fill_consensus,
)
from clip2scene_core.training.pretrain.data.kept_samples import KeptSamples
from clip2scene_core.training.pretrain.data.pair_check import check_pairs
from clip2scene_core.training.pretrain.data.pixel_embeddings import (
    CachedTeacher,
    LiveTeacher,
    PixelTeacher,
    fill_cache,
)
from clip2scene_core.training.pretrain.data.samples import PairedSamples
from clip2scene_core.training.pretrain.data.student_votes import StudentVotes
from clip2scene_core.training.pretrain.data.superpixels import SuperpixelMaps
from clip2scene_core.training.pretrain.label_counts import LabelCounts
from clip2scene_core.training.pretrained import Pretrained


@dataclass(frozen=True)
class PreparedTeacher:
    """The frozen CLIP, ready to be asked about the images of a data set.

    Attributes:
        vocabulary: Classes with their text embeddings.
        logit_scale: Inverse temperature of the teacher.
        dense_clip: The teacher itself.
        cache: Its embeddings on disk.
        pixels: Source of the embeddings of pixels: the cache, or live if images are augmented.
        consensus: Consensus of the sequences; None if the config asks for none.
        digests: Of the keyframes, to which all of these belong.
    """

    vocabulary: Vocabulary
    logit_scale: float
    dense_clip: DenseClip
    cache: TeacherCache
    pixels: PixelTeacher
    consensus: ConsensusCache | None
    digests: KeyframeDigests

    @property
    def source(self) -> str:
        """Digest of keyframes, teacher and texts: what a training is made of, beside its config."""
        texts = hashlib.sha256(self.vocabulary.embeddings.numpy().tobytes()).hexdigest()[:16]
        return f"{self.digests.whole()}-{self.cache.folder.name}-{texts}"


@dataclass(frozen=True)
class DistillationData:
    """Everything that pre-training distils.

    Attributes:
        samples: Keyframes with pixel embeddings.
        vocabulary: Classes with their text embeddings.
        class_weights: (P,) float32, one for each text, or None for equal weights.
        label_counts: What the teacher labelled; None if nothing depends on it, or images vary.
        logit_scale: Inverse temperature of the teacher.
        source: See `PreparedTeacher.source`.
    """

    samples: PairedSamples
    vocabulary: Vocabulary
    class_weights: Tensor | None
    label_counts: LabelCounts | None
    logit_scale: float
    source: str


def prepare_distillation(
    dataset: KeyframeDataset,
    config: PretrainConfig,
    folder: Path,
    fabric: Fabric,
    report_teacher: Callable[[int, int], None] = lambda done, total: None,
    report_consensus: Callable[[int, int], None] = lambda done, total: None,
    voter: Pretrained | None = None,
) -> DistillationData:
    """Compute teacher embeddings, consensus and class weights of a data set.

    Teacher embeddings are computed once if images are not augmented, else in every epoch.

    Args:
        dataset: Data set, opened with images and without labels.
        config: Configuration of the pre-training.
        folder: Folder for everything that is kept on disk.
        fabric: Processes that share the work.
        report_teacher: Called after each keyframe that the teacher embedded, with the number of
            keyframes done and in total.
        report_consensus: Called after each sequence whose consensus was computed, with the number
            of sequences done and in total.
        voter: The student that votes beside the cameras if `ConsensusConfig.student_weight` asks
            one; None if there is none.

    Raises:
        ValueError: If classes are to be balanced and no camera sees a point, or a student is to
            vote and there is none, or another CLIP taught it.
    """
    teacher = prepare_teacher(
        dataset, config, folder, fabric, report_teacher, report_consensus, voter
    )
    text = teacher.vocabulary.embeddings
    samples = PairedSamples(
        dataset,
        teacher.pixels,
        config,
        superpixels_of(config.losses, folder, teacher.digests),
        teacher.consensus,
        KeptSamples() if config.training.epochs > 1 else None,
    )
    weights, counts = None, None
    is_balanced = config.losses.class_balance and config.losses.semantic == "cross_entropy"
    if is_balanced and isinstance(teacher.pixels, LiveTeacher):
        weights = class_weights(samples, text, config.losses.class_balance_power)
    elif is_balanced:
        # Points that another sensor would miss count, too: the weights are those of the labels.
        whole = replace(config, augmentation=AugmentationConfig(cloud=False))
        counted = PairedSamples(dataset, teacher.pixels, whole, consensus=teacher.consensus)
        keyframes = teacher.digests.whole()
        counts = cached_label_counts(
            teacher.cache.folder, counted, keyframes, text, config, teacher.consensus
        )
        weights = weigh_labels(counts, config.losses.class_balance_power)
    return DistillationData(
        samples, teacher.vocabulary, weights, counts, teacher.logit_scale, teacher.source
    )


def prepare_teacher(
    dataset: KeyframeDataset,
    config: PretrainConfig,
    folder: Path,
    fabric: Fabric,
    report_teacher: Callable[[int, int], None] = lambda done, total: None,
    report_consensus: Callable[[int, int], None] = lambda done, total: None,
    voter: Pretrained | None = None,
) -> PreparedTeacher:
    """Compute teacher embeddings and consensus of a data set; see `prepare_distillation`."""
    check_files(dataset, _reach(config))
    check_pairs(dataset, config)
    encoder = TextEncoder(config.teacher.clip, str(fabric.device))
    vocabulary = make_vocabulary(
        config.prompts, encoder(config.texts), config.classes, config.texts_of_label
    )
    text, logit_scale = vocabulary.embeddings, float(encoder.clip.model.logit_scale.exp())
    dense_clip = dense_clip_of(config.teacher, encoder.clip)
    cache = TeacherCache(folder, dense_clip, pyramid_of(config.teacher, dense_clip))
    digests = KeyframeDigests(dataset, _reach(config))
    digests.exchange(fabric)
    cached_teacher = CachedTeacher(cache, encoder.clip.embedding_size, digests)
    if needs_cache(config):
        share = range(fabric.global_rank, len(dataset), fabric.world_size)
        fill_cache(cache, dataset, share, report_teacher, digests, _reach(config))
        fabric.barrier()
    consensus = None
    if config.consensus.voxel_size_m:
        student = _votes_of(voter, config, encoder.clip, text, fabric)
        identity = "" if student is None else student.identity
        consensus = ConsensusCache(cache.folder, text, logit_scale, config, digests, identity)
        place = (fabric.global_rank, fabric.world_size)
        fill_consensus(consensus, dataset, cached_teacher, *place, report_consensus, student)
        fabric.barrier()
    # With augmentation there are other images in every epoch.
    pixels: PixelTeacher = cached_teacher
    if config.augmentation.image_flip or config.augmentation.image_crop:
        pixels = LiveTeacher(dense_clip, cache.pyramid)
    return PreparedTeacher(vocabulary, logit_scale, dense_clip, cache, pixels, consensus, digests)


def _votes_of(
    voter: Pretrained | None, config: PretrainConfig, clip: Clip, text: Tensor, fabric: Fabric
) -> StudentVotes | None:
    """Let a student vote beside the cameras, if the configuration asks for it."""
    weight = config.consensus.student_weight
    if weight == 0:
        return None
    if voter is None:
        raise ValueError(
            f"consensus.student_weight is {weight}, but the training begins with random weights; "
            f"name the student that votes beside the cameras with --voter"
        )
    if voter.student is not None and not is_taught_by(voter.student.vocabulary, clip):
        voter = replace(voter, student=None)  # heads into another space
    return StudentVotes(voter, text, float(clip.model.logit_scale.exp()), weight, fabric.device)


def embed_share(
    dataset: KeyframeDataset,
    teacher: TeacherConfig,
    cache: Path,
    device: str,
    part: int = 0,
    parts: int = 1,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> str:
    """Let the teacher embed a share of the images of a data set, for trainings to come.

    Processes that know nothing of each other may embed one share each into one folder. A share that
    was stopped goes on where it was.

    Args:
        dataset: Data set, opened with images.
        teacher: The teacher of those trainings.
        cache: Folder that they are given.
        device: Where the teacher runs, such as "cpu".
        part: Which share, from 0.
        parts: Number of shares.
        report: Called after each keyframe with the number of keyframes done and in total.

    Returns:
        Name of the teacher's folder in `cache`.

    Raises:
        OSError: If the disk has too little space left.
        ValueError: If the teacher cannot be used.
    """
    dense_clip = dense_clip_of(teacher, load_clip(teacher.clip, find_device(device)))
    kept = TeacherCache(cache, dense_clip, pyramid_of(teacher, dense_clip))
    fill_cache(kept, dataset, range(part, len(dataset), parts), report)
    return kept.folder.name


def dense_clip_of(teacher: TeacherConfig, clip: Clip) -> DenseClip:
    """Make the teacher: the frozen CLIP, set up as a configuration says."""
    return DenseClip(
        clip,
        teacher.image_height,
        teacher.key_smoothing,
        teacher.scales,
        teacher.readout,
        teacher.window,
        teacher.window_step,
        teacher.refinement,
        teacher.precision,
    )


def pyramid_of(teacher: TeacherConfig, dense_clip: DenseClip) -> TilePyramid:
    """Make the tiles at which a teacher looks, as its configuration says."""
    return TilePyramid(teacher.levels, dense_clip.image_height, teacher.metre_px)


def needs_cache(config: PretrainConfig) -> bool:
    """Whether a training reads embeddings of whole images, and not of newly augmented ones only."""
    is_augmented = config.augmentation.image_flip or config.augmentation.image_crop
    return config.consensus.voxel_size_m > 0 or not is_augmented


def _reach(config: PretrainConfig) -> int:
    """Number of sweeps before a keyframe that a training may read."""
    sweeps = config.sweeps
    return sweeps.reach if sweeps.choice == "random" and sweeps.count > 1 else sweeps.count - 1


def superpixels_of(
    losses: LossesConfig, folder: Path, digests: KeyframeDigests
) -> SuperpixelMaps | None:
    """Open the superpixels in a folder; None if no loss needs them."""
    if losses.contrastive != "slidr":
        return None
    return SuperpixelMaps(folder, losses.superpixels, losses.superpixel_compactness, digests)
