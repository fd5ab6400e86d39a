"""The configuration of pre-training; its defaults are the shipped profile."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clip2scene_core.config.parser import build_config, read_config
from clip2scene_core.config.sections import (
    AugmentationConfig,
    ConsensusConfig,
    LossesConfig,
    NetworkConfig,
    SweepsConfig,
    SwitchingConfig,
    TeacherConfig,
    TrainingConfig,
)
from clip2scene_core.labels import NUSCENES_CLASSES


@dataclass(frozen=True)
class PretrainConfig:
    """Everything that decides a pre-training run; stored in its checkpoint.

    Attributes:
        classes: Names of the classes.
        prompts: One prompt for each class.
        network: The 3D network.
        teacher: The frozen CLIP.
        consensus: Whether its labels are voted over the whole drive.
        sweeps: What the network sees.
        augmentation: How it is varied.
        losses: What the network is trained for.
        switching: Self-training.
        training: The schedule.
    """

    classes: tuple[str, ...] = tuple(c.name for c in NUSCENES_CLASSES)
    prompts: tuple[str, ...] = tuple(c.prompt for c in NUSCENES_CLASSES)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    consensus: ConsensusConfig = field(default_factory=ConsensusConfig)
    sweeps: SweepsConfig = field(default_factory=SweepsConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    losses: LossesConfig = field(default_factory=LossesConfig)
    switching: SwitchingConfig = field(default_factory=SwitchingConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


def load_config(path: Path | None) -> PretrainConfig:
    """Read a pre-training configuration; see `read_config`."""
    return read_config(path, PretrainConfig())


def config_from_dict(values: Any, source: str) -> PretrainConfig:
    """Build a pre-training configuration; see `build_config`."""
    return build_config(PretrainConfig(), values, source)
