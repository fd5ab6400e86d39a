"""The configuration of fine-tuning. Its defaults are SLidR's protocol for 1 % of nuScenes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from clip2scene_core.config.augmentation import SensorAugmentationConfig
from clip2scene_core.config.sections import (
    ConfigError,
    InputConfig,
    NetworkConfig,
    TrainingConfig,
)

SAMPLERS: Final = ("slidr_scene", "clip2scene_keyframe")


@dataclass(frozen=True)
class LabelsConfig:
    """The share of the labels that is used.

    Attributes:
        percent: Percentage of the labels; a divisor of 100.
        sampler: "slidr_scene" takes every n-th scene, "clip2scene_keyframe" every n-th keyframe.
            Scores of the two must not be compared. SemanticKITTI has 10 sequences for training, so
            1 % of it is "clip2scene_keyframe", every 100th scan.
    """

    percent: int = 1
    sampler: str = "slidr_scene"

    def __post_init__(self) -> None:
        if self.percent < 1 or 100 % self.percent:
            raise ConfigError(
                f"labels.percent must divide 100, such as 1, 5, 10, 25 or 100; got {self.percent}: "
                f"both samplers take every n-th scene or keyframe"
            )
        if self.sampler not in SAMPLERS:
            raise ConfigError(
                f"labels.sampler must be one of {', '.join(SAMPLERS)}, got {self.sampler!r}"
            )


@dataclass(frozen=True)
class CloudsConfig:
    """The points of a keyframe that the network gets.

    Attributes:
        min_range_m: Nearer points (the ego vehicle) are not used, metres.
        max_range_m: Farther points are not used, metres.
        augment: Whether every cloud is rotated about z by a random angle and mirrored at random.
    """

    min_range_m: float = 1.5
    max_range_m: float = 80.0
    augment: bool = True


@dataclass(frozen=True)
class HeadConfig:
    """The training of the linear layer from features to classes.

    Attributes:
        learning_rate: Peak learning rate of the head; training.learning_rate is for the trunk.
        linear_probe: Train only the head; weights and statistics of the trunk do not change.
    """

    learning_rate: float = 2.0
    linear_probe: bool = False

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise ConfigError(f"head.learning_rate must be positive, got {self.learning_rate}")


def _slidr_schedule() -> TrainingConfig:
    return TrainingConfig(
        epochs=100,
        batch_size=16,
        optimizer="sgd",
        learning_rate=0.02,
        momentum=0.9,
        dampening=0.1,
        weight_decay=1e-4,
        schedule="cosine",
    )


@dataclass(frozen=True)
class FinetuneConfig:
    """All settings of a fine-tuning run; stored in its checkpoint.

    Attributes:
        network: The 3D network; the network of the student if training starts from a student.
        input: What the network is told of a cloud; the input of the student if training starts from
            a student.
        labels: The share of labelled keyframes.
        clouds: The points of a keyframe that the network gets.
        augmentation: Random changes of the clouds that make one sensor look like many.
        head: Training of the new linear layer.
        training: The optimizer and its schedule.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    input: InputConfig = field(default_factory=InputConfig)
    labels: LabelsConfig = field(default_factory=LabelsConfig)
    clouds: CloudsConfig = field(default_factory=CloudsConfig)
    augmentation: SensorAugmentationConfig = field(default_factory=SensorAugmentationConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    training: TrainingConfig = field(default_factory=_slidr_schedule)
