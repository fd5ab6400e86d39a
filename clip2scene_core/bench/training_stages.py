"""Stages that train: teacher embeddings, students, and networks with full supervision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from clip2scene_core.bench.measure.references import supervise
from clip2scene_core.bench.provenance import digest_of
from clip2scene_core.bench.runs import StudentRun
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import NetworkConfig, TeacherConfig
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.device import find_device
from clip2scene_core.teacher.cache import TeacherCache
from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.data.pixel_embeddings import fill_cache
from clip2scene_core.training.pretrain.prepare import dense_clip_of
from clip2scene_core.training.pretrain.run import pretrain

_QUICK_NETWORK: Final = NetworkConfig(width=0.125, voxel_size_m=0.5)


_QUICK_IMAGE_HEIGHT: Final = 64


def quick_config(config: PretrainConfig) -> PretrainConfig:
    """Make a configuration whose training takes seconds and is worth nothing."""
    return replace(
        config,
        network=_QUICK_NETWORK,
        teacher=replace(config.teacher, image_height=_QUICK_IMAGE_HEIGHT),
        training=replace(config.training, epochs=1),
    )


def embed_images(work: Path, teacher: TeacherConfig, device: str) -> str:
    """Let a teacher embed every training image; gives the name of its cache."""
    dense_clip = dense_clip_of(teacher, load_clip(teacher.clip, find_device(device)))
    cache = TeacherCache(work / "teacher", dense_clip)
    dataset = NuScenesDataset(work / "train")
    fill_cache(cache, dataset, range(len(dataset)), lambda done, total: None)
    return cache.folder.name


def pretrain_student(work: Path, run: StudentRun, device: str) -> str:
    """Train a student; gives the digest of its checkpoint."""
    dataset = NuScenesDataset(work / "train")
    fabric = make_fabric(run.config, device)
    return digest_of(pretrain(dataset, run.config, run.weights, fabric, work / "teacher"))


def supervise_network(train: Path, run: StudentRun, out: Path, device: str) -> str:
    """Train its network with 3D labels; gives the digest of its checkpoint."""
    dataset = NuScenesDataset(train, with_labels=True, with_images=False)
    return digest_of(supervise(dataset, run.config, out, make_fabric(run.config, device)))
