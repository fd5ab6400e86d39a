"""What is compared: all that helps with other sensors, none, one less, one alone, one more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

from clip2scene_core.config.augmentation import AugmentationConfig, SensorAugmentationConfig
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import InputConfig

ALL: Final = "all"
NONE: Final = "none"
WITHOUT: Final = "without "
ONLY: Final = "only "
WITH: Final = "with "

_OPTIONS: Final = tuple(
    one.name for one in fields(SensorAugmentationConfig) if one.name != "mix_probability"
)


def rows_of(config: PretrainConfig) -> dict[str, PretrainConfig]:
    """Vary a configuration by what it does for other sensors.

    Args:
        config: Configuration with augmentations, and perhaps an input for any sensor.

    Returns:
        Configurations by name: "all" is `config`; "none" has neither an augmentation of the sensor
        nor an input for any sensor; "without NAME" lacks one of them, and "only NAME" has one and
        nothing else. NAME is an option of `augmentation`, "level" or "rank"; "only level and rank"
        has the input for any sensor and no augmentation. "with NAME" has one
        thing more than all, which the literature has for strange sensors: the "density" of the
        points as an input, or "polarmix" as the mix.
    """
    bare = replace(config, augmentation=config.augmentation.without_sensors(), input=InputConfig())
    named: dict[str, PretrainConfig] = {ALL: config, NONE: bare}
    for name, (without, only) in _augmentations(config, bare).items():
        named[WITHOUT + name], named[ONLY + name] = without, only
    if config.input.level:
        named[WITHOUT + "level"] = _with_input(config, level=False)
        named[ONLY + "level"] = _with_input(bare, level=True)
    if config.input.intensity != "raw":
        told = config.input.intensity
        named[WITHOUT + told] = _with_input(config, intensity="raw")
        named[ONLY + told] = _with_input(bare, intensity=told)
    if config.input.level and config.input.intensity != "raw":
        named[f"{ONLY}level and {config.input.intensity}"] = replace(bare, input=config.input)
    return named | {
        WITH + name: more for name, more in _additions(config).items() if more != config
    }


def _additions(config: PretrainConfig) -> dict[str, PretrainConfig]:
    features = tuple(dict.fromkeys((*config.network.features, "density")))
    return {
        "density": replace(config, network=replace(config.network, features=features)),
        "polarmix": _with_augmentation(config, {"mix": "polarmix"}),
    }


def _augmentations(
    config: PretrainConfig, bare: PretrainConfig
) -> Mapping[str, tuple[PretrainConfig, PretrainConfig]]:
    """The configuration without each option that it uses, and the bare one with only that."""
    off = AugmentationConfig()
    pairs = {}
    for name in _OPTIONS:
        value = getattr(config.augmentation, name)
        if value != getattr(off, name):
            without = _with_augmentation(config, {name: getattr(off, name)})
            kept = {name: value, "mix_probability": config.augmentation.mix_probability}
            pairs[name] = (without, _with_augmentation(bare, kept))
    return pairs


def reference_of(row: str) -> str:
    """Name the row that a row differs from in one thing: "all", or "none" for those with one."""
    return NONE if row.startswith(ONLY) else ALL


def amount_of(row: str, config: PretrainConfig) -> str:
    """Say how much of what a row lacks or has alone there is in a configuration.

    Returns:
        Such as "0.15", or "mix3d, 0.15"; "" for a row that is about no single option.
    """
    name = row.removeprefix(WITHOUT).removeprefix(ONLY)
    if name not in _OPTIONS:
        return ""
    amount = str(getattr(config.augmentation, name))
    return f"{amount}, {config.augmentation.mix_probability}" if name == "mix" else amount


def _with_augmentation(config: PretrainConfig, values: Mapping[str, Any]) -> PretrainConfig:
    return replace(config, augmentation=replace(config.augmentation, **values))


def _with_input(config: PretrainConfig, **values: Any) -> PretrainConfig:
    return replace(config, input=replace(config.input, **values))
