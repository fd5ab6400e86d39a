"""The sections of a configuration, with their defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names the key and the fix."""


NETWORK_NAMES = ("spvcnn", "minkunet14", "minkunet18", "minkunet34")
MAX_WIDTH = 16
POINT_FEATURES = ("intensity", "height", "offsets", "position", "color", "density")
INTENSITIES = ("raw", "rank", "none")


@dataclass(frozen=True)
class InputConfig:
    """What the network is told of a sweep, so that clouds of different sensors look alike.

    Attributes:
        level: Whether a cloud is turned and shifted so that its ground is level, at
            z = -sensor_height_m.
        sensor_height_m: Nominal height of the sensor above the ground, metres.
        intensity: "raw" is the sensor's own; "rank" is the rank within the sweep, in [0, 1], which
            no sensor's response changes; "none" is 0.5 for all points.
    """

    level: bool = False
    sensor_height_m: float = 1.84
    intensity: str = "raw"

    def __post_init__(self) -> None:
        check_choice("input.intensity", self.intensity, INTENSITIES)
        if not 0 < self.sensor_height_m < math.inf:
            raise ConfigError(
                f"input.sensor_height_m must be positive metres, got {self.sensor_height_m}"
            )


@dataclass(frozen=True)
class VoxelsConfig:
    """How points become voxels, and voxels points again.

    The defaults are this package's own. The other values are those of the code that CLIP2Scene,
    SPVNAS and SLidR released: a network that was trained with it needs them to say the same here.

    Attributes:
        coordinates: "cartesian"; "cylindrical": distance from the z axis and height in voxels,
            azimuth in degrees, whatever the edge of a voxel is.
        origin: "sensor" lays the grid at the LiDAR; "minimum" lays it at the lowest voxel of each
            cloud, axis by axis. It decides which voxels make a coarser one.
        value: Input features of a voxel: the "mean" of its points, or those of its "first" one.
        points: "all"; "voxels" makes a point of every voxel, at its lowest corner, and all points
            of a voxel get the same output.
        weights: Features are interpolated as if they lay at the "center" of a voxel, or at its
            lowest "corner".
    """

    coordinates: str = "cartesian"
    origin: str = "sensor"
    value: str = "mean"
    points: str = "all"
    weights: str = "center"

    def __post_init__(self) -> None:
        check_choice("voxels.coordinates", self.coordinates, ("cartesian", "cylindrical"))
        check_choice("voxels.origin", self.origin, ("sensor", "minimum"))
        check_choice("voxels.value", self.value, ("mean", "first"))
        check_choice("voxels.points", self.points, ("all", "voxels"))
        check_choice("voxels.weights", self.weights, ("center", "corner"))


@dataclass(frozen=True)
class NetworkConfig:
    """The 3D network.

    Attributes:
        name: "spvcnn", the paper's network for outdoor data, or "minkunet14", "minkunet18" or
            "minkunet34", which have no point branch.
        width: Factor on the number of channels; 1.0 is the published network.
        voxel_size_m: Edge of a voxel, metres.
        features: Input features of a point. "intensity" is the only one in the paper and was best
            on synthetic scenes (docs/method.md); "height" is z over the sensor; "offsets" are from
            the centre of the voxel; "position" is x, y, z in metres, as SPVNAS has it;
            "color" is the red, green, blue of a depth camera's cloud, as on ScanNet;
            "density" is the logarithm of the number of points in the voxel.
        intensity_scale: Factor on intensities, which are in [0, 1]; 255 for a network that was
            trained on nuScenes' own numbers.
        intensity_offset: Added to them after that.
        voxels: How points become voxels, and voxels points again.
    """

    name: str = "spvcnn"
    width: float = 1.0
    voxel_size_m: float = 0.1
    features: tuple[str, ...] = ("intensity",)
    intensity_scale: float = 1.0
    intensity_offset: float = 0.0
    voxels: VoxelsConfig = field(default_factory=VoxelsConfig)

    def __post_init__(self) -> None:
        check_choice("network.name", self.name, NETWORK_NAMES)
        if not 0 < self.width <= MAX_WIDTH or not 0 < self.voxel_size_m < math.inf:
            raise ConfigError(
                f"network.width must be positive and at most {MAX_WIDTH}, network.voxel_size_m "
                f"positive, got {self.width} and {self.voxel_size_m}"
            )
        known = set(self.features) <= set(POINT_FEATURES)
        if not self.features or not known or len(set(self.features)) < len(self.features):
            raise ConfigError(
                f"network.features must be some of {', '.join(POINT_FEATURES)}, each once, "
                f"got {list(self.features)}"
            )
        if not 0 < self.intensity_scale < math.inf or not math.isfinite(self.intensity_offset):
            raise ConfigError(
                "network.intensity_scale must be positive and network.intensity_offset finite, got "
                f"{self.intensity_scale} and {self.intensity_offset}"
            )
        if self.voxels.coordinates == "cylindrical" and "offsets" in self.features:
            raise ConfigError(
                "network.features cannot hold offsets if network.voxels.coordinates is "
                "cylindrical: they are metres from the centre of a cube"
            )


READOUTS: Final = ("maskclip", "clearclip", "naclip", "sc_clip")
"""Read-outs of a CLIP, see `DenseClip`."""


@dataclass(frozen=True)
class TeacherConfig:
    """The frozen CLIP.

    Attributes:
        clip: "small", or an open_clip model with its weights, such as "ViT-B-16/openai".
        image_height: Height in pixels to which images are resized; null means the CLIP's default.
        scales: Factors on image_height. Every image is embedded at each scale, and the embeddings
            are averaged.
        levels: Training reads far pixels from tiles of the images: from halves of their height on
            the second level, from quarters on the third, each as large as the whole image when CLIP
            sees it. 1 reads whole images alone, as the camera modes always do.
        metre_px: A pixel is read at the first level at which a metre at its depth has at least this
            many pixels, or else at the last level. With 35 and 224 rows, nuScenes' front camera is
            read in halves from 9 m and in quarters from 18 m.
        key_smoothing: Whether MaskCLIP smooths pixel embeddings by key similarity.
        readout: What stands for the last attention of a ViT: "maskclip" (the paper's), "clearclip",
            "naclip" or "sc_clip", see `DenseClip`.
        window: Edge of square windows that slide over the resized image, pixels, a multiple of
            CLIP's patch; 0 reads the image at once.
        window_step: From one window to the next, pixels; 0 is half of the window.
        refinement: Iterations of a refinement by colors, see `DenseClip`; 0 for none.
        precision: "fp32", or "bf16" for an image tower that runs in bfloat16, faster where the
            processor has it.
        occlusion_margin_m: A point is not paired with a pixel whose surface is nearer by more than
            this, metres; null pairs every point that projects into the image, as the paper does. A
            camera with a depth image pairs the points that lie where it measured, in any case.
    """

    clip: str = "ViT-B-16/openai"
    image_height: int | None = None
    scales: tuple[float, ...] = (1.0,)
    levels: int = 1
    metre_px: float = 35.0
    key_smoothing: bool = False
    occlusion_margin_m: float | None = None
    readout: str = "maskclip"
    window: int = 0
    window_step: int = 0
    refinement: int = 0
    precision: str = "fp32"

    def __post_init__(self) -> None:
        check_choice("teacher.readout", self.readout, READOUTS)
        check_choice("teacher.precision", self.precision, ("fp32", "bf16"))
        if not 1 <= self.levels <= 6 or not 0 < self.metre_px < math.inf:
            raise ConfigError(
                f"teacher.levels must be 1 to 6 and teacher.metre_px positive pixels, got "
                f"{self.levels} and {self.metre_px}"
            )
        if min(self.window, self.refinement) < 0 or not 0 <= self.window_step <= self.window:
            raise ConfigError(
                "teacher.window and refinement must not be negative, and window_step at most the "
                f"window, got {self.window}, {self.refinement} and {self.window_step}"
            )


MOVABLE = (
    "bicycle", "bus", "car", "construction vehicle", "motorcycle", "pedestrian", "trailer", "truck",
)  # fmt: skip
GROUND = ("driveable surface", "other flat", "sidewalk", "terrain")


@dataclass(frozen=True)
class ConsensusConfig:
    """Voting on pseudo labels over all keyframes of a sequence, in voxels of the global frame.

    Attributes:
        voxel_size_m: Edge of a voxel, metres. The pixels of all keyframes vote on the label of a
            voxel, and a point gets the label of its voxel, also if no camera sees the point. With
            0, every pair gets the label of its own pixel.
        movable: Names of classes that can move. Such a label is valid only between the first and
            the last keyframe in which a camera saw the voxel.
        student_weight: How much a student votes, too, the one that `pretrain --voter` names or
            that the training begins with: its logits are added this many times to those of the
            pixels. 0: cameras alone.
        object_gap_m: Points of a sweep between which there is no larger gap are one object, whose
            points get one label, that of the mean of their votes. 0: every point its own.
        object_size_m: What is larger across the ground is no object; 12 m are a bus.
        ground: Names of classes of what objects stand on. Points with such a label are no part of
            an object, and would connect all.
    """

    voxel_size_m: float = 0.0
    movable: tuple[str, ...] = MOVABLE
    student_weight: float = 0.0
    object_gap_m: float = 0.0
    object_size_m: float = 12.0
    ground: tuple[str, ...] = GROUND

    def __post_init__(self) -> None:
        if self.student_weight < 0:
            raise ConfigError(
                f"consensus.student_weight must be 0 or more, got {self.student_weight}"
            )
        if self.student_weight > 0 and self.voxel_size_m == 0:
            raise ConfigError(
                f"consensus.student_weight is {self.student_weight}, but there is no consensus to "
                f"take part in; set consensus.voxel_size_m, such as 0.8"
            )
        if min(self.object_gap_m, self.object_size_m) < 0:
            raise ConfigError(
                f"consensus.object_gap_m and object_size_m must be 0 m or more, got "
                f"{self.object_gap_m} and {self.object_size_m}"
            )
        if self.object_gap_m > 0 and self.voxel_size_m == 0:
            raise ConfigError(
                f"consensus.object_gap_m is {self.object_gap_m}, but there is no consensus whose "
                f"votes an object could share; set consensus.voxel_size_m, such as 0.8"
            )
        if self.voxel_size_m < 0:
            raise ConfigError(
                f"consensus.voxel_size_m must be positive, or 0 for no consensus, got "
                f"{self.voxel_size_m}"
            )


@dataclass(frozen=True)
class SweepsConfig:
    """The LiDAR sweeps of a keyframe in pre-training.

    Attributes:
        count: K, number of sweeps, including the sweep of the keyframe.
        choice: "nearest" takes the K - 1 sweeps just before the keyframe; "random" draws them from
            the `reach` sweeps before it, as the paper's code does.
        reach: Number of sweeps before the keyframe from which "random" draws.
        is_merged: Whether all sweeps are merged into one cloud before the network (an ablation of
            the paper). Otherwise each sweep is one cloud of the batch.
        min_range_m: Nearer points (the ego vehicle) are not used, metres.
        max_range_m: Farther points are not used, metres.
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
class TrainingConfig:
    """The optimizer and its schedule.

    Attributes:
        epochs: Number of passes over the keyframes.
        batch_size: Keyframes in a step, over all processes and accumulated parts together.
        accumulate: Number of parts of a step, computed one after the other.
        optimizer: "adamw" or "sgd".
        learning_rate: Peak learning rate.
        momentum: Momentum of SGD.
        dampening: Dampening of SGD.
        weight_decay: Weight decay of both optimizers.
        schedule: "one_cycle" rises over the first tenth, then falls as a cosine to 0, per step;
            "cosine" falls from the peak to 0, per epoch.
        precision: "fp32", or "bf16" for mixed precision.
        clip_norm: Maximum norm of the gradient; 0 means no clipping.
        seed: Seed of the weights, the order of keyframes and the augmentation.
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
        ConfigError: If it is not; the message lists the choices.
    """
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
