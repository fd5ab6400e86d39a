"""Random changes of clouds and images in training, so that a network survives other sensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clip2scene_core.config.sections import ConfigError, check_choice

MIXES: Final = ("none", "mix3d", "polarmix")
_PROBABILITIES: Final = (
    "own_robot", "sector_dropout", "elevation_dropout", "beam_dropout", "range_dropout",
    "point_dropout", "intensity_dropout", "mix_probability",
)  # fmt: skip
_AMOUNTS: Final = (
    "height_m", "waves_m", "jitter_m", "beam_range_m", "intensity_range", "intensity_noise",
)  # fmt: skip
_LIMITS: Final = (
    ("tilt_deg", 45), ("beam_elevation_deg", 5), ("scale", 0.9), ("point_dropout", 0.99),
)  # fmt: skip
_FACTORS: Final = ("beam_gain", "intensity_gain", "intensity_gamma")


@dataclass(frozen=True)
class SensorAugmentationConfig:
    """Random changes that make one sensor look like many. Each is off at 0, the default.

    Every sweep draws its own. Points that are dropped take their pairs and labels with them.

    Attributes:
        height_m: The cloud is shifted along z by up to this, up or down, metres.
        tilt_deg: The cloud is turned about a random horizontal axis by up to this, degrees; at
            most 45.
        scale: Coordinates are multiplied by a factor in 1 +- this; below 1.
        waves_m: The ground gets waves of 5 to 40 m length, up to this high, metres.
        jitter_m: Standard deviation of Gaussian noise on every coordinate, cut at three of it,
            metres.
        beam_range_m: Every beam measures all ranges too long or too short by an error of its own,
            whose standard deviation a sweep draws up to this, metres.
        beam_elevation_deg: The same for the elevation of each beam, degrees; at most 5.
        beam_gain: The intensities of every beam are multiplied by a factor of its own, up to one
            that a sweep draws up to this, or divided; 0 or at least 1.
        own_robot: Probability that all points within a random 1 to 3 m of the sensor are dropped.
        sector_dropout: Probability that all points in a random azimuth sector of 30 to 240
            degrees are dropped, as in a sensor that looks forward only.
        elevation_dropout: Probability that the view ends early, below at a random elevation of
            -30 to -10 degrees and above at one of 0 to 15.
        beam_dropout: Probability that only a random share of the beams is kept, a quarter to all.
        range_dropout: Probability that far points are thinned, as by a weaker sensor.
        point_dropout: Up to this share of the points is dropped at random; below 1.
        intensity_range: Intensities are multiplied by (range / 10 m)^k with k up to this, up or
            down: sensors compensate for range or do not.
        intensity_gain: Intensities are multiplied by a factor up to this, or divided; 0 or at
            least 1.
        intensity_gamma: Intensities are raised to a power up to this, or to its inverse; 0 or at
            least 1.
        intensity_noise: Standard deviation of Gaussian noise, as a share of each intensity.
        intensity_dropout: Probability that all intensities of a sweep are 0.
        mix: "mix3d" makes one cloud of two clouds of a batch; "polarmix" swaps an azimuth sector
            between them; "none". A batch of one cloud, in each process and accumulated part, has
            no two.
        mix_probability: Probability that two clouds are mixed.
    """

    height_m: float = 0.0
    tilt_deg: float = 0.0
    scale: float = 0.0
    waves_m: float = 0.0
    jitter_m: float = 0.0
    beam_range_m: float = 0.0
    beam_elevation_deg: float = 0.0
    beam_gain: float = 0.0
    own_robot: float = 0.0
    sector_dropout: float = 0.0
    elevation_dropout: float = 0.0
    beam_dropout: float = 0.0
    range_dropout: float = 0.0
    point_dropout: float = 0.0
    intensity_range: float = 0.0
    intensity_gain: float = 0.0
    intensity_gamma: float = 0.0
    intensity_noise: float = 0.0
    intensity_dropout: float = 0.0
    mix: str = "none"
    mix_probability: float = 0.5

    def __post_init__(self) -> None:
        for name in _PROBABILITIES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(
                    f"augmentation.{name} must be in [0, 1], got {getattr(self, name)}"
                )
        for name in _AMOUNTS:
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(
                    f"augmentation.{name} must be 0 (off) or positive, got {getattr(self, name)}"
                )
        for name in _FACTORS:
            value = getattr(self, name)
            if value != 0 and not 1 <= value < float("inf"):
                raise ConfigError(
                    f"augmentation.{name} must be 0 (off) or a factor of at least 1, got {value}"
                )
        for name, limit in _LIMITS:
            if not 0 <= getattr(self, name) <= limit:
                raise ConfigError(
                    f"augmentation.{name} must be in [0, {limit}], got {getattr(self, name)}"
                )
        check_choice("augmentation.mix", self.mix, MIXES)


@dataclass(frozen=True)
class AugmentationConfig(SensorAugmentationConfig):
    """Random changes of clouds and images in pre-training, see also `SensorAugmentationConfig`.

    Attributes:
        cloud: Whether each sweep is rotated about z by a random angle and mirrored at random.
        image_flip: Whether images are mirrored with probability 0.5, with the pixels of the pairs.
        image_crop: Whether a random part of each image is cut out; pairs outside it are dropped.
            With flip or crop the embeddings of the teacher cannot be cached.
    """

    cloud: bool = True
    image_flip: bool = False
    image_crop: bool = False

    def without_sensors(self) -> AugmentationConfig:
        """Make a copy that leaves the sensor as it is, so that no point is dropped."""
        return AugmentationConfig(
            cloud=self.cloud, image_flip=self.image_flip, image_crop=self.image_crop
        )
