"""The configuration of zero-shot training: labels of seen classes, CLIP for the unseen ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from clip2scene_core.config.augmentation import AugmentationConfig
from clip2scene_core.config.losses import LossesConfig, check_class_balance_power
from clip2scene_core.config.parser import read_config
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import (
    ConfigError,
    ConsensusConfig,
    InputConfig,
    NetworkConfig,
    SweepsConfig,
    TeacherConfig,
    TrainingConfig,
    check_choice,
)
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.zeroshot_splits import ZEROSHOT_SPLITS, ZeroShotSplit

PROTOCOLS: Final = ("transductive", "inductive")
ALIGNED_FEATURES: Final = ("trunk", "embedding")
UNSURE_LABELS: Final = ("none", "clip")
OWN_SPLIT: Final = "own"
ANNOTATION_FREE: Final = "annotation_free"
SPLIT_NAMES: Final = (*ZEROSHOT_SPLITS, OWN_SPLIT, ANNOTATION_FREE)


@dataclass(frozen=True)
class ClassSplitConfig:
    """Which classes have labels.

    Attributes:
        name: A published split, see `ZEROSHOT_SPLITS`; "own", the classes in `unseen`; or
            "annotation_free": every class is unseen, and no label is read.
        unseen: Names of the unseen classes of an own split.
        ignored: Names of classes that an own split leaves out: no label, no prompt.
        protocol: "transductive": points of unseen classes are there, without a label.
            "inductive": points without a seen label are removed before anything else.
    """

    name: str = "nuscenes"
    unseen: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    protocol: str = "transductive"

    def __post_init__(self) -> None:
        check_choice("class_split.name", self.name, SPLIT_NAMES)
        check_choice("class_split.protocol", self.protocol, PROTOCOLS)
        if (self.name == OWN_SPLIT) != bool(self.unseen):
            raise ConfigError(
                f"class_split.unseen is for class_split.name {OWN_SPLIT!r} and needed there, got "
                f"the name {self.name!r} and unseen {list(self.unseen)}"
            )
        if self.ignored and self.name != OWN_SPLIT:
            raise ConfigError(
                f"class_split.ignored is for class_split.name {OWN_SPLIT!r}, got {self.name!r}"
            )
        if self.name == ANNOTATION_FREE and self.protocol == "inductive":
            raise ConfigError(
                "class_split.protocol must be transductive where class_split.name is "
                "'annotation_free': the inductive one removes points without a label"
            )

    def resolve(self, classes: tuple[str, ...]) -> ZeroShotSplit:
        """Name the unseen and the ignored among all classes.

        Raises:
            ConfigError: If the split does not fit the classes.
        """
        try:
            if self.name == ANNOTATION_FREE:
                split = ZeroShotSplit(classes)
            elif self.name == OWN_SPLIT:
                split = ZeroShotSplit(self.unseen, self.ignored)
            else:
                split = ZEROSHOT_SPLITS[self.name]
            split.check(classes)
        except ValueError as error:
            raise ConfigError(f"class_split: {error}") from error
        return split


@dataclass(frozen=True)
class ZeroShotLossesConfig:
    """The losses: output level (labels) and feature level (MCFA).

    Attributes:
        temperature: Temperature of the cross-entropy over the texts of all classes.
        class_balance: Whether classes are weighted by their share of the labels and pseudo labels,
            rare ones more.
        class_balance_power: The weight is the share to the power of minus this.
        pseudo_weight: Weight of a pseudo label against a label; 0 removes all pseudo labels, those
            of self-training too.
        min_confidence: Points get no pseudo label of CLIP that is less probable than this, among
            the unseen classes; in [0, 1).
        prototype_weight: Factor of the class prototype loss; 0 removes it.
        patch_weight: Factor of the patch feature loss; 0 removes it.
        alignment_temperature: Temperature of both.
        max_patches: Most patches that the patch feature loss compares, in each step and process.
        aligned: 3D features that both losses align: "trunk", through a linear layer that labels do
            not use; or "embedding", those that are compared with the texts.
    """

    temperature: float = 0.07
    class_balance: bool = True
    class_balance_power: float = 0.5
    pseudo_weight: float = 1.0
    min_confidence: float = 0.5
    prototype_weight: float = 0.1
    patch_weight: float = 0.1
    alignment_temperature: float = 0.07
    max_patches: int = 4096
    aligned: str = "trunk"

    def __post_init__(self) -> None:
        check_choice("losses.aligned", self.aligned, ALIGNED_FEATURES)
        for name in ("temperature", "alignment_temperature"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"losses.{name} must be positive, got {getattr(self, name)}")
        check_class_balance_power("losses.class_balance_power", self.class_balance_power)
        for name in ("pseudo_weight", "prototype_weight", "patch_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(
                    f"losses.{name} must be 0 (off) or positive, got {getattr(self, name)}"
                )
        if not 0 <= self.min_confidence < 1:
            raise ConfigError(f"losses.min_confidence must be in [0, 1), got {self.min_confidence}")
        if self.max_patches < 1:
            raise ConfigError(f"losses.max_patches must be at least 1, got {self.max_patches}")

    @property
    def is_aligning(self) -> bool:
        """Whether any of the two losses on features is in use."""
        return self.prototype_weight > 0 or self.patch_weight > 0


@dataclass(frozen=True)
class SelfTrainingConfig:
    """Phase 2: pseudo labels of the student's own moving average replace CLIP's.

    Attributes:
        start: Share of the epochs that phase 1 takes; 1 leaves phase 2 out.
        keep: Share of the points of each unseen class that keep their own pseudo label, the most
            probable ones, in (0, 1].
        unsure: What the other points are called: "none", nothing; or "clip", as in phase 1. With
            "none" the share of unseen classes among the labels falls by 1 - keep, and the student
            leans towards the seen ones.
        ema_decay: Decay of the moving average of the weights, per step.
        threshold_decay: Decay of the moving average of each class's threshold, per step.
    """

    start: float = 0.5
    keep: float = 0.5
    unsure: str = "none"
    ema_decay: float = 0.99
    threshold_decay: float = 0.9

    def __post_init__(self) -> None:
        check_choice("self_training.unsure", self.unsure, UNSURE_LABELS)
        if not (0 <= self.start <= 1 and 0 < self.keep <= 1):
            raise ConfigError(
                f"self_training.start must be in [0, 1] and keep in (0, 1], got {self.start} and "
                f"{self.keep}"
            )
        if not (0 <= self.ema_decay < 1 and 0 <= self.threshold_decay < 1):
            raise ConfigError(
                f"self_training.ema_decay and threshold_decay must be in [0, 1), got "
                f"{self.ema_decay} and {self.threshold_decay}"
            )

    def first_epoch(self, epochs: int) -> int:
        """First epoch of phase 2, counted from 0; `epochs` if there is none."""
        return math.ceil(self.start * epochs)


@dataclass(frozen=True)
class ZeroShotConfig:
    """All settings of a zero-shot training; its checkpoint's record holds them.

    Attributes:
        classes: C names of classes; those with labels are called as in the data set.
        prompts: C texts, one for each class: the weights of the 2D and of the 3D classifier.
        class_split: Which classes have labels.
        network: The 3D network.
        input: What the network is told of a sweep.
        teacher: The frozen CLIP.
        consensus: Voting on pseudo labels over a sequence.
        sweeps: Ranges of the points. There is one sweep: others than the keyframe's have no label.
        augmentation: Random changes of clouds and images.
        losses: The losses and their weights.
        self_training: Phase 2.
        training: The optimizer and its schedule.
    """

    classes: tuple[str, ...] = tuple(c.name for c in NUSCENES_CLASSES)
    prompts: tuple[str, ...] = tuple(c.prompt for c in NUSCENES_CLASSES)
    class_split: ClassSplitConfig = field(default_factory=ClassSplitConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    input: InputConfig = field(default_factory=InputConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    consensus: ConsensusConfig = field(default_factory=ConsensusConfig)
    sweeps: SweepsConfig = field(default_factory=SweepsConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    losses: ZeroShotLossesConfig = field(default_factory=ZeroShotLossesConfig)
    self_training: SelfTrainingConfig = field(default_factory=SelfTrainingConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.prompts):
            raise ConfigError(
                f"there are {len(self.classes)} classes and {len(self.prompts)} prompts; give one "
                f"prompt for each class"
            )
        several = [prompt for prompt in self.prompts if "|" in prompt]
        if several:
            raise ConfigError(
                f"a label must be one text's, so prompts have no bars here, got {several[0]!r}"
            )
        if self.sweeps.count != 1:
            raise ConfigError(
                f"sweeps.count must be 1, got {self.sweeps.count}: only keyframes have labels"
            )
        self.class_split.resolve(self.classes)

    @property
    def named_split(self) -> ZeroShotSplit:
        """The unseen and the ignored classes."""
        return self.class_split.resolve(self.classes)

    @property
    def seen(self) -> tuple[str, ...]:
        """Names of the classes that have labels."""
        return self.named_split.seen(self.classes)

    @property
    def student(self) -> PretrainConfig:
        """The same as the pre-training of a student, without the ignored classes.

        It prepares the teacher and the samples, and stands in the student's checkpoint. In the
        inductive protocol no point gets a pseudo label, so there is no consensus.
        """
        ignored = self.named_split.ignored
        kept = [
            (name, prompt)
            for name, prompt in zip(self.classes, self.prompts, strict=True)
            if name not in ignored
        ]
        is_inductive = self.class_split.protocol == "inductive"
        return PretrainConfig(
            classes=tuple(name for name, _ in kept),
            prompts=tuple(prompt for _, prompt in kept),
            network=self.network,
            input=self.input,
            teacher=self.teacher,
            consensus=replace(self.consensus, voxel_size_m=0.0) if is_inductive else self.consensus,
            sweeps=self.sweeps,
            augmentation=self.augmentation,
            losses=LossesConfig(
                temperature=self.losses.temperature,
                class_balance=self.losses.class_balance,
                class_balance_power=self.losses.class_balance_power,
            ),
            training=self.training,
        )


def load_zeroshot_config(path: Path | None) -> ZeroShotConfig:
    """Read a configuration of zero-shot training; see `read_config`."""
    return read_config(path, ZeroShotConfig())
