"""The stages before anything is measured: they render, embed and train.

In all functions `train` are the scenes that teach, `cache` is the folder of what is computed once
for all students, `weights` is the checkpoint to write, and `device` is the device of CLIP or
training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from clip2scene_core.bench.measure.references import supervise
from clip2scene_core.bench.provenance import digest_of
from clip2scene_core.bench.runs import StudentRun, groups_of
from clip2scene_core.bench.splits import Scenes, write_split
from clip2scene_core.bench.stages import BenchOptions, SceneReport, Stage
from clip2scene_core.config.losses import LossesConfig
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import NetworkConfig, TeacherConfig
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.keyframe_digests import KeyframeDigests
from clip2scene_core.training.pretrain.prepare import embed_share, superpixels_of
from clip2scene_core.training.pretrain.run import pretrain
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.splits import TRAINING_WORLDS

QUICK_NETWORK: Final = NetworkConfig(width=0.125, voxel_size_m=0.5)
QUICK_IMAGE_HEIGHT: Final = 64

_PARTS: Final = 2


def quick_config(config: PretrainConfig) -> PretrainConfig:
    """Make a configuration that trains within seconds, with S3 in its only epoch.

    The numbers of its student mean nothing.
    """
    return replace(
        config,
        network=QUICK_NETWORK,
        teacher=replace(config.teacher, image_height=QUICK_IMAGE_HEIGHT),
        training=replace(config.training, epochs=1),
        switching=replace(config.switching, start_epoch=0),
    )


def world_stages(
    options: BenchOptions, worlds: Mapping[str, WorldOptions], report: SceneReport
) -> list[Stage]:
    """Make the stages that render splits by their names, each into the folder of its name.

    They share the workers of `options` themselves, so this process must run them.
    """
    return [
        Stage(
            f"world-{name}",
            partial(
                write_split, options.work / name, world, partial(report, name), options.workers
            ),
        )
        for name, world in worlds.items()
    ]


def training_scenes(work: Path) -> Scenes:
    """The scenes of `TRAINING_WORLDS`, rendered into the folder of a bench."""
    first, *others = (work / name for name in TRAINING_WORLDS)
    return Scenes(first, others=tuple(others))


def teacher_stages(work: Path, runs: Sequence[StudentRun], device: str = "cpu") -> list[Stage]:
    """Embed the images of the training scenes into `work/teacher`, once for all seeds."""
    train, cache = training_scenes(work), work / "teacher"
    return [
        Stage(
            f"teacher-{group}",
            partial(embed_images, train, members[0].config.teacher, cache, device),
        )
        for group, members in groups_of(runs).items()
        if not members[0].is_given
    ]


def teacher_parts(train: Scenes, teacher: TeacherConfig, cache: Path, device: str) -> list[Stage]:
    """Make the stages in which one teacher embeds the images of all rows, a share in each.

    The number of shares is fixed, as that of the workers may change.
    """
    embed = partial(embed_images, train, teacher, cache, device, parts=_PARTS)
    return [Stage(f"teacher-{part}", partial(embed, part=part)) for part in range(_PARTS)]


def student_stages(work: Path, runs: Sequence[StudentRun], device: str = "cpu") -> list[Stage]:
    """Train each student with the embeddings in `work/teacher`; of a given one, take the digest."""
    train, cache = training_scenes(work), work / "teacher"
    return [
        Stage(
            f"student-{run.name}",
            partial(digest_of, run.weights)
            if run.is_given
            else partial(pretrain_student, train, run.config, run.weights, cache, device),
        )
        for run in runs
    ]


def embed_images(
    train: Scenes, teacher: TeacherConfig, cache: Path, device: str, part: int = 0, parts: int = 1
) -> str:
    """Embed share `part` of `parts` of the images by the teacher; return the name of its cache."""
    return embed_share(train.open(), teacher, cache, device, part, parts)


def cut_superpixels(train: Scenes, losses: LossesConfig, cache: Path, part: int, parts: int) -> str:
    """Cut share `part` of `parts` of the images into superpixels; return the name of the folder."""
    dataset = train.open()
    superpixels = superpixels_of(losses, cache, KeyframeDigests(dataset))
    assert superpixels is not None  # the losses need them
    for index in range(part, len(dataset), parts):
        superpixels.of(dataset.load(index, ()))
    return superpixels.folder.name


def pretrain_student(
    train: Scenes, config: PretrainConfig, weights: Path, cache: Path, device: str
) -> str:
    """Pre-train a student without labels; return the digest of its checkpoint."""
    return digest_of(pretrain(train.open(), config, weights, make_fabric(config, device), cache))


def supervise_network(train: Scenes, config: PretrainConfig, weights: Path, device: str) -> str:
    """Train the network of a student with 3D labels; return the digest of its checkpoint."""
    dataset = train.open(with_labels=True, with_images=False)
    return digest_of(supervise(dataset, config, weights, make_fabric(config, device)))
