"""The configuration of pre-training. Its defaults are the shipped profile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clip2scene_core.config.augmentation import AugmentationConfig
from clip2scene_core.config.losses import LossesConfig, SwitchingConfig
from clip2scene_core.config.parser import build_config, read_config
from clip2scene_core.config.sections import (
    ConfigError,
    ConsensusConfig,
    InputConfig,
    NetworkConfig,
    SweepsConfig,
    TeacherConfig,
    TrainingConfig,
)
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES


@dataclass(frozen=True)
class PretrainConfig:
    """All settings of a pre-training run; stored in its checkpoint.

    Attributes:
        classes: C names of classes.
        prompts: C prompts, one for each class: a text, or several with bars between, such as
            "car | sedan | van". Training tells all texts apart; labels are the classes.
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

    def __post_init__(self) -> None:
        texts = self.texts
        if not all(texts):
            raise ConfigError(
                f"prompts must be texts, or texts with bars between, got {list(self.prompts)}"
            )
        twice = [text for text, count in Counter(texts).items() if count > 1]
        if twice and len(texts) > len(self.prompts):
            raise ConfigError(f"prompts name {', '.join(map(repr, twice))} twice; leave one")
        if len(texts) >= IGNORE_LABEL:
            raise ConfigError(f"prompts must be at most {IGNORE_LABEL - 1} texts, got {len(texts)}")
        if self.consensus.object_gap_m and not set(self.classes) & set(self.consensus.ground):
            raise ConfigError(
                f"consensus.object_gap_m parts objects by the ground between them, but no class is "
                f"ground: consensus.ground is {list(self.consensus.ground)}, classes are "
                f"{list(self.classes)}"
            )

    @property
    def texts_of_label(self) -> tuple[tuple[str, ...], ...]:
        """The texts of each of the C prompts."""
        return tuple(tuple(text.strip() for text in p.split("|")) for p in self.prompts)

    @property
    def texts(self) -> tuple[str, ...]:
        """The P texts of all prompts, in order."""
        return tuple(text for texts in self.texts_of_label for text in texts)

    @property
    def class_of_text(self) -> tuple[str, ...]:
        """The name of the class of each of the P texts."""
        pairs = zip(self.classes, self.texts_of_label, strict=True)
        return tuple(name for name, texts in pairs for _ in texts)


def load_config(path: Path | None) -> PretrainConfig:
    """Read a pre-training configuration; see `read_config`."""
    return read_config(path, PretrainConfig())


def config_from_dict(values: Any, source: str) -> PretrainConfig:
    """Build a pre-training configuration; see `build_config`."""
    return build_config(PretrainConfig(), values, source)
