"""The configuration of pre-training. Its defaults are the shipped profile."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clip2scene_core.config.augmentation import AugmentationConfig
from clip2scene_core.config.parser import build_config, read_config
from clip2scene_core.config.sections import (
    ConsensusConfig,
    InputConfig,
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
    """All settings of a pre-training run; stored in its checkpoint.

    Attributes:
        classes: C names of classes.
        prompts: C prompts, one for each class.
        network: The 3D network.
        input: What the network is told of a sweep.
        teacher: The frozen CLIP.
        consensus: Voting on pseudo labels over a sequence.
        sweeps: The LiDAR sweeps that the network gets.
        augmentation: Random changes of clouds and images.
        losses: The losses and their weights.
        switching: Switchable self-training.
        training: The optimizer and its schedule.
    """

    classes: tuple[str, ...] = tuple(c.name for c in NUSCENES_CLASSES)
    prompts: tuple[str, ...] = tuple(c.prompt for c in NUSCENES_CLASSES)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    input: InputConfig = field(default_factory=InputConfig)
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
