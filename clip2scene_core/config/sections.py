"""The sections of a pre-training configuration, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names the key and what to do."""


NETWORK_NAMES = ("spvcnn", "minkunet14", "minkunet18", "minkunet34")
POINT_FEATURES = ("intensity", "height", "offsets")


@dataclass(frozen=True)
class NetworkConfig:
    """The 3D network.

    Attributes:
        name: "spvcnn", the paper's on outdoor data, or "minkunet14", "minkunet18" or "minkunet34",
            which have no branch of points.
        width: Multiplies the channels; 1.0 is the published network.
        voxel_size_m: Edge of a voxel, metres.
        features: What the network is told of every point: "intensity", all that the paper uses and
            what served best on rendered scenes (docs/method.md); "height" over the sensor;
            "offsets" from the centre of the voxel.
    """

    name: str = "spvcnn"
    width: float = 1.0
    voxel_size_m: float = 0.1
    features: tuple[str, ...] = ("intensity",)

    def __post_init__(self) -> None:
        check_choice("network.name", self.name, NETWORK_NAMES)
        if min(self.width, self.voxel_size_m) <= 0:
            raise ConfigError("network.width and network.voxel_size_m must be positive")
        known = set(self.features) <= set(POINT_FEATURES)
        if not self.features or not known or len(set(self.features)) < len(self.features):
            raise ConfigError(
                f"network.features must be some of {', '.join(POINT_FEATURES)}, each once, "
                f"got {list(self.features)}"
            )


@dataclass(frozen=True)
class TeacherConfig:
    """The frozen CLIP.

    Attributes:
        clip: "small", or an open_clip model with its weights.
        image_height: Height in pixels that images are resized to; null takes the CLIP's own.
        scales: Multiples of image_height at which every image is read; their embeddings are
            averaged.
        key_smoothing: MaskCLIP's smoothing of pixel embeddings by key similarity.
        occlusion_margin_m: A point is not paired with a pixel that shows something nearer by more
            than this; null pairs every point that projects into the image, as the paper does.
    """

    clip: str = "ViT-B-16/openai"
    image_height: int | None = None
    scales: tuple[float, ...] = (1.0,)
    key_smoothing: bool = False
    occlusion_margin_m: float | None = None


MOVABLE = (
    "bicycle", "bus", "car", "construction vehicle", "motorcycle", "pedestrian", "trailer", "truck",
)  # fmt: skip


@dataclass(frozen=True)
class ConsensusConfig:
    """How the cameras of all keyframes of a drive agree on labels, in voxels of the world.

    Attributes:
        voxel_size_m: Edge of the voxels in which pixels vote through the poses. Every point is then
            named by its voxel, points that no camera sees at that moment too. With 0, every pair is
            named by its own pixel.
        movable: Names of classes that may leave: such a label holds only between the first and the
            last keyframe in which a camera saw the voxel.
    """

    voxel_size_m: float = 0.0
    movable: tuple[str, ...] = MOVABLE

    def __post_init__(self) -> None:
        if self.voxel_size_m < 0:
            raise ConfigError(
                f"consensus.voxel_size_m must be positive, or 0 for no consensus, got "
                f"{self.voxel_size_m}"
            )


@dataclass(frozen=True)
class SweepsConfig:
    """The LiDAR sweeps of a keyframe that pre-training looks at.

    Attributes:
        count: K, the keyframe's own sweep included.
        choice: "nearest" takes the K - 1 sweeps just before the keyframe, "random" draws them from
            the `reach` before it, as the paper's code does.
        reach: How many sweeps before the keyframe "random" draws from.
        is_merged: Put all sweeps into one cloud before the network, the paper's ablation, instead
            of giving each its own place in the batch.
        min_range_m: Nearer points (the ego vehicle) are not used.
        max_range_m: Points farther away are not used.
    """

    count: int = 1
    choice: str = "nearest"
    reach: int = 9
    is_merged: bool = False
    min_range_m: float = 1.5
    max_range_m: float = 80.0

    def __post_init__(self) -> None:
        check_choice("choice", self.choice, ("nearest", "random"))
        if not 1 <= self.count <= self.reach + 1:
            raise ConfigError(f"count must be 1 to reach + 1 = {self.reach + 1}, got {self.count}")


@dataclass(frozen=True)
class AugmentationConfig:
    """How clouds and images are varied.

    Attributes:
        cloud: Rotate every sweep about z by any angle and mirror it, each on its own.
        image_flip: Mirror every second image; its pixels move along.
        image_crop: Cut a random part out of each image; its pixels move along, and pairs outside
            are dropped. With flip or crop the teacher cannot be cached.
    """

    cloud: bool = True
    image_flip: bool = False
    image_crop: bool = False


@dataclass(frozen=True)
class LossesConfig:
    """What the student is trained for.

    Attributes:
        semantic: "cross_entropy" over the class texts, as the paper's code trains; "paper_eq1",
            its Eq. (1) to the letter; "bounded_eq1", with the positives in the denominator too;
            "kl" towards the teacher's whole distribution; "none".
        temperature: Of the semantic loss; labels are the softmax of cosines over it.
        normalize: Whether the cross-entropy brings embeddings to unit length; the paper's code does
            not.
        class_balance: Weigh classes by the inverse square root of their share of pseudo labels
            (cross-entropy alone).
        weigh_by_confidence: Weigh labels by the probability that the teacher, or whoever gave them,
            gives them (cross-entropy alone).
        spatial_temporal: "none"; "paper", Eq. (2) to (4); "official_code", what was released.
        spatial_temporal_weight: Factor of the second loss.
        fusion_temperature: Lambda of Eq. (4).
        grid_size_m: Edge of the grids in which sweeps and pixels meet.
        spatial_normalize: Bring everything in Eq. (2) to (4) to unit length.
        detach_centers: Let no gradient flow through what the points of a grid are drawn to.
        contrastive: "none"; "ppkt", InfoNCE between random points and their pixels; "slidr", the
            same between superpixels, the mean of their points and the mean of their pixels.
        contrastive_weight: Factor of the third loss.
        contrastive_temperature: Of InfoNCE.
        contrastive_pairs: How many pairs "ppkt" draws in each step and process.
        superpixels: Into about how many superpixels SLIC cuts an image for "slidr".
        superpixel_compactness: How much nearness counts against likeness of colour in SLIC.
    """

    semantic: str = "cross_entropy"
    temperature: float = 0.07
    normalize: bool = True
    class_balance: bool = True
    weigh_by_confidence: bool = False
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
        spatial_temporal = ("none", "paper", "official_code")
        check_choice("spatial_temporal", self.spatial_temporal, spatial_temporal)
        check_choice("contrastive", self.contrastive, ("none", "ppkt", "slidr"))
        if self.semantic == self.spatial_temporal == self.contrastive == "none":
            raise ConfigError(
                "semantic, spatial_temporal and contrastive are all none; nothing would train"
            )
        if min(self.temperature, self.fusion_temperature, self.grid_size_m) <= 0:
            raise ConfigError(
                "temperature, fusion_temperature and grid_size_m must be positive, got "
                f"{self.temperature}, {self.fusion_temperature} and {self.grid_size_m}"
            )
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


@dataclass(frozen=True)
class SwitchingConfig:
    """Switchable self-training: pseudo labels of pixels give way to the student's own.

    Attributes:
        granularity: What one toss of the coin decides for: "none", "batch", as the paper's code,
            "sample" or "point".
        start_epoch: First epoch, counted from 0, in which labels may be switched.
        probability: Of switching.
        source: Whose labels: the "student"'s, or those of its moving average ("ema").
        ema_decay: Of the moving average of the weights, per step.
        unseen_points: Whether points that no camera sees learn from those labels too.
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


@dataclass(frozen=True)
class TrainingConfig:
    """The schedule.

    Attributes:
        epochs: Passes over the keyframes.
        batch_size: Keyframes in a step, over all processes and accumulated parts together.
        accumulate: Parts in which a step's keyframes are computed, one after the other.
        optimizer: "adamw" or "sgd".
        learning_rate: Peak of the schedule.
        momentum: Of SGD.
        dampening: Of SGD.
        weight_decay: Of either.
        schedule: "one_cycle", up over the first tenth, then a cosine to 0, by step; "cosine", from
            the peak to 0, by epoch.
        precision: "fp32", or "bf16" mixed with it.
        clip_norm: Longest gradient; 0 clips none.
        seed: Of the weights, the order and the augmentation.
    """

    epochs: int = 20
    batch_size: int = 4
    accumulate: int = 1
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    momentum: float = 0.9
    dampening: float = 0.0
    weight_decay: float = 1e-2
    schedule: str = "one_cycle"
    precision: str = "fp32"
    clip_norm: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("optimizer", self.optimizer, ("adamw", "sgd"))
        check_choice("schedule", self.schedule, ("one_cycle", "cosine"))
        check_choice("precision", self.precision, ("fp32", "bf16"))
        if min(self.epochs, self.batch_size, self.accumulate) < 1 or self.learning_rate <= 0:
            raise ConfigError(
                "epochs, batch_size and accumulate must be at least 1, learning_rate positive"
            )
        if self.batch_size % self.accumulate:
            raise ConfigError(
                f"batch_size must be a multiple of accumulate, got {self.batch_size} and "
                f"{self.accumulate}"
            )


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not one of the choices.

    Raises:
        ConfigError: It names all of them.
    """
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
