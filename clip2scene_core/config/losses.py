"""The losses of pre-training, and whose labels they learn from."""

from __future__ import annotations

from dataclasses import dataclass

from clip2scene_core.config.sections import ConfigError, check_choice


@dataclass(frozen=True)
class LossesConfig:
    """The losses of pre-training.

    Attributes:
        semantic: "cross_entropy" over the class texts, as in the paper's code; "paper_eq1", Eq. (1)
            as published; "bounded_eq1", Eq. (1) with the positives in the denominator; "kl", the
            divergence from the teacher's class distribution; "none".
        temperature: Temperature of the semantic loss; pseudo labels use the softmax of cosines /
            temperature.
        normalize: Whether the cross-entropy scales embeddings to unit length; the paper's code does
            not.
        class_balance: Whether classes are weighted by their share of the pseudo labels, rare ones
            more (only cross-entropy).
        class_balance_power: The weight is the share to the power of minus this: 1 makes all
            classes count alike, and a student that is not sure then says the rarer one.
        weigh_by_confidence: Whether a label is weighted by its probability under the model that
            gave it (only cross-entropy).
        feature: "none"; "cosine", 1 - the cosine between a point and the pixel that shows it, on
            the head that labels: what the texts of training do not tell apart stays apart.
        feature_weight: Factor of the feature loss.
        spatial_temporal: "none"; "paper", Eq. (2) to (4); "official_code", the released code.
        spatial_temporal_weight: Factor of the spatial-temporal loss.
        fusion_temperature: Lambda of Eq. (4).
        grid_size_m: Edge of a grid cell that gathers points and pixels, metres.
        spatial_normalize: Whether all embeddings in Eq. (2) to (4) have unit length.
        detach_centers: Whether no gradient flows through the centres of the grid cells.
        contrastive: "none"; "ppkt", InfoNCE between random points and their pixels; "slidr",
            InfoNCE between the mean of the points and the mean of the pixels of superpixels.
        contrastive_weight: Factor of the contrastive loss.
        contrastive_temperature: Temperature of InfoNCE.
        contrastive_pairs: Number of pairs that "ppkt" draws in each step and process.
        superpixels: Approximate number of SLIC superpixels in an image, for "slidr".
        superpixel_compactness: Weight of distance against colour difference in SLIC.
    """

    semantic: str = "cross_entropy"
    temperature: float = 0.07
    normalize: bool = True
    class_balance: bool = True
    class_balance_power: float = 0.5
    weigh_by_confidence: bool = False
    feature: str = "none"
    feature_weight: float = 1.0
    spatial_temporal: str = "none"
    spatial_temporal_weight: float = 1.0
    fusion_temperature: float = 1.0
    grid_size_m: float = 0.1
    spatial_normalize: bool = False
    detach_centers: bool = False
    contrastive: str = "none"
    contrastive_weight: float = 1.0
    contrastive_temperature: float = 0.07
    contrastive_pairs: int = 4096
    superpixels: int = 150
    superpixel_compactness: float = 6.0

    def __post_init__(self) -> None:
        semantic = ("cross_entropy", "paper_eq1", "bounded_eq1", "kl", "none")
        check_choice("semantic", self.semantic, semantic)
        check_choice("feature", self.feature, ("none", "cosine"))
        spatial_temporal = ("none", "paper", "official_code")
        check_choice("spatial_temporal", self.spatial_temporal, spatial_temporal)
        check_choice("contrastive", self.contrastive, ("none", "ppkt", "slidr"))
        if {self.semantic, self.feature, self.spatial_temporal, self.contrastive} == {"none"}:
            raise ConfigError(
                "semantic, feature, spatial_temporal and contrastive are all none; "
                "nothing would train"
            )
        if min(self.temperature, self.fusion_temperature, self.grid_size_m) <= 0:
            raise ConfigError(
                "temperature, fusion_temperature and grid_size_m must be positive, got "
                f"{self.temperature}, {self.fusion_temperature} and {self.grid_size_m}"
            )
        check_class_balance_power("class_balance_power", self.class_balance_power)
        if self.feature_weight <= 0:
            raise ConfigError(f"feature_weight must be positive, got {self.feature_weight}")
        if min(self.contrastive_temperature, self.superpixel_compactness) <= 0:
            raise ConfigError(
                "contrastive_temperature and superpixel_compactness must be positive, got "
                f"{self.contrastive_temperature} and {self.superpixel_compactness}"
            )
        if min(self.contrastive_pairs, self.superpixels) < 1:
            raise ConfigError(
                "contrastive_pairs and superpixels must be at least 1, got "
                f"{self.contrastive_pairs} and {self.superpixels}"
            )

    @property
    def reads_pixel_embeddings(self) -> bool:
        """Whether a loss reads the embeddings of pixels themselves, not only their labels."""
        return (
            self.semantic == "kl"
            or self.feature != "none"
            or self.spatial_temporal == "paper"
            or self.contrastive != "none"
        )


@dataclass(frozen=True)
class SwitchingConfig:
    """Switchable self-training: labels of the student replace the pseudo labels of pixels.

    Attributes:
        granularity: Unit for which one random draw decides: "none", "batch" (as in the paper's
            code), "sample" or "point".
        start_epoch: First epoch, counted from 0, in which labels may be switched.
        probability: Probability of switching, in [0, 1].
        source: Model that gives the labels: "student", or its moving average, "ema".
        ema_decay: Decay of the moving average of the weights, per step.
        unseen_points: Whether points that no camera sees also learn from these labels.
    """

    granularity: str = "none"
    start_epoch: int = 10
    probability: float = 0.5
    source: str = "student"
    ema_decay: float = 0.99
    unseen_points: bool = False

    def __post_init__(self) -> None:
        check_choice("granularity", self.granularity, ("none", "batch", "sample", "point"))
        check_choice("source", self.source, ("student", "ema"))
        if not (0 <= self.probability <= 1 and 0 <= self.ema_decay < 1):
            raise ConfigError(
                f"probability must be in [0, 1] and ema_decay in [0, 1), got {self.probability} "
                f"and {self.ema_decay}"
            )


def check_class_balance_power(name: str, value: float) -> None:
    """Refuse powers that weigh no rare class more, or make it count more than a common one.

    Raises:
        ConfigError: If the value is not in (0, 1].
    """
    if not 0 < value <= 1:
        raise ConfigError(
            f"{name} must be in (0, 1], got {value}; with class_balance: false all points count "
            f"alike"
        )
