"""The configuration of fine-tuning; its defaults are SLidR's protocol for 1 % of nuScenes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from clip2scene_core.config.sections import ConfigError, NetworkConfig, TrainingConfig

SAMPLERS: Final = ("slidr_scene", "clip2scene_keyframe")


@dataclass(frozen=True)
class LabelsConfig:
    """The share of the labels that may be used.

    Attributes:
        percent: Divides 100.
        sampler: "slidr_scene", every n-th scene, or "clip2scene_keyframe", every n-th keyframe.
            Their scores must not be compared.
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
    """What the network sees of a keyframe.

    Attributes:
        min_range_m: Nearer points (the ego vehicle) are not used.
        max_range_m: Points farther away are not used.
        augment: Rotate every cloud about z by any angle and mirror it.
    """

    min_range_m: float = 1.5
    max_range_m: float = 80.0
    augment: bool = True


@dataclass(frozen=True)
class HeadConfig:
    """The linear layer from features to classes, and what is trained beside it.

    Attributes:
        learning_rate: Peak of the head's own schedule; the trunk's is training.learning_rate.
        linear_probe: Train the head alone; the trunk's weights and statistics stay as they are.
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
    """Everything that decides a fine-tuning run; stored in its checkpoint.

    Attributes:
        network: The 3D network; that of the student to start from, if there is one.
        labels: Which keyframes.
        clouds: What is seen of them.
        head: The new layer.
        training: The schedule.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    labels: LabelsConfig = field(default_factory=LabelsConfig)
    clouds: CloudsConfig = field(default_factory=CloudsConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    training: TrainingConfig = field(default_factory=_slidr_schedule)
