"""Typed configuration: defaults in code, overrides in YAML, unknown keys are errors."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from clip2scene_core.labels import NUSCENES_CLASSES


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names the key and what to do."""


@dataclass(frozen=True)
class NetworkConfig:
    """The 3D network.

    Attributes:
        width: Multiplies the channels of SPVCNN; 1.0 is the paper's network.
        voxel_size_m: Edge of a voxel, metres.
    """

    width: float = 1.0
    voxel_size_m: float = 0.1


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


@dataclass(frozen=True)
class TrainingConfig:
    """Pre-training.

    Attributes:
        epochs: Passes over the keyframes.
        batch_size: Keyframes in a batch.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Of AdamW.
        loss: "cross_entropy" over the class texts, as the paper's code trains, or "paper_eq1", its
            Eq. (1) to the letter.
        temperature: Of the loss.
        class_balance: Weigh classes by the inverse square root of their share of pseudo labels.
        min_range_m: Nearer points (the ego vehicle) are not used.
        max_range_m: Points farther away are not used.
        seed: Of the weights, the order and the augmentation.
    """

    epochs: int = 20
    batch_size: int = 4
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    loss: str = "cross_entropy"
    temperature: float = 0.07
    class_balance: bool = True
    min_range_m: float = 1.5
    max_range_m: float = 80.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in ("cross_entropy", "paper_eq1"):
            raise ConfigError(f"loss must be cross_entropy or paper_eq1, got {self.loss!r}")
        if min(self.epochs, self.batch_size) < 1 or min(self.learning_rate, self.temperature) <= 0:
            raise ConfigError(
                "epochs and batch_size must be at least 1, learning_rate and temperature positive"
            )


@dataclass(frozen=True)
class PretrainConfig:
    """Everything that decides a pre-training run; stored in its checkpoint.

    Attributes:
        classes: Names of the classes.
        prompts: One prompt for each class.
        network: The 3D network.
        teacher: The frozen CLIP.
        training: The schedule.
    """

    classes: tuple[str, ...] = tuple(c.name for c in NUSCENES_CLASSES)
    prompts: tuple[str, ...] = tuple(c.prompt for c in NUSCENES_CLASSES)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


Config = TypeVar("Config")

_SECTIONS: dict[str, type[Any]] = {
    "network": NetworkConfig,
    "teacher": TeacherConfig,
    "training": TrainingConfig,
}


def load_config(path: Path) -> PretrainConfig:
    """Read a pre-training configuration.

    Args:
        path: YAML file; keys that it leaves out keep their defaults.

    Returns:
        The resolved configuration.

    Raises:
        ConfigError: If the file is missing or no YAML mapping, or a key or value does not fit.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
    return config_from_dict({} if values is None else values, str(path))


def config_from_dict(values: Any, source: str) -> PretrainConfig:
    """Build the configuration from nested dictionaries.

    Args:
        values: What YAML or JSON gave.
        source: Named in errors.

    Raises:
        ConfigError: If a key or value does not fit.
    """
    return _build(PretrainConfig, values, source, prefix="")


def config_to_dict(config: PretrainConfig) -> dict[str, Any]:
    """Turn the configuration into nested dictionaries that JSON and YAML can hold."""
    return dataclasses.asdict(config)


def _build(config_type: type[Config], values: Any, source: str, prefix: str) -> Config:
    if not isinstance(values, dict):
        raise ConfigError(
            f"{source}: {prefix.rstrip('.') or 'the file'} must be a mapping, got {values!r}"
        )
    defaults = config_type()
    known = [f.name for f in dataclasses.fields(defaults)]  # type: ignore[arg-type]
    arguments = {}
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
            raise ConfigError(
                f"{source}: unknown key '{prefix}{key}'; did you mean '{prefix}{near[0]}'?"
            )
        where = f"{prefix}{key}"
        if key in _SECTIONS:
            arguments[key] = _build(_SECTIONS[key], value, source, where + ".")
        else:
            arguments[key] = _fit(value, getattr(defaults, key), source, where)
    try:
        return config_type(**arguments)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def _fit(value: Any, default: Any, source: str, where: str) -> Any:
    """Check a value against its default's type; ints fit floats, lists fit tuples."""
    if isinstance(default, tuple):
        fits = isinstance(value, (list, tuple)) and all(
            isinstance(item, type(default[0])) for item in value
        )
        value = tuple(value) if fits else value
    elif default is None:
        fits = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    elif isinstance(default, bool) or isinstance(value, bool):
        fits = isinstance(value, bool) and isinstance(default, bool)
    elif isinstance(default, float):
        fits = isinstance(value, (int, float))
        value = float(value) if fits else value
    else:
        fits = isinstance(value, type(default))
    if not fits:
        expected = "a number or null" if default is None else f"like {default!r}"
        raise ConfigError(f"{source}: '{where}' must be {expected}, got {value!r}")
    return value
