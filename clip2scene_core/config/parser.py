"""Read configurations: defaults come from code, other values from YAML; unknown keys are errors."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from clip2scene_core.config.sections import ConfigError
from clip2scene_core.renamed import renamed_hint

Config = TypeVar("Config")


def read_config(path: Path | None, default: Config) -> Config:
    """Read a configuration of any kind.

    Args:
        path: YAML file. Keys that are not in it keep their defaults. None means all defaults.
        default: Frozen dataclass with the default values; it may hold other such dataclasses.

    Returns:
        The configuration, of the type of `default`.

    Raises:
        ConfigError: If the file is missing, is not a YAML mapping, or a key or value is wrong.
    """
    if path is None:
        return default
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = renamed_hint(path) if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"{path}: cannot be read ({error.strerror}){hint}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
    return build_config(default, {} if values is None else values, str(path))


def override(config: Config, assignments: Sequence[str]) -> Config:
    """Change single values of a configuration.

    Args:
        config: Configuration to change.
        assignments: Strings such as "training.epochs=3"; values are read as YAML.

    Returns:
        A changed copy of `config`.

    Raises:
        ConfigError: If a string has no "=", or a key or value is wrong.
    """
    values = config_to_dict(config)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"an override is KEY=VALUE, got {assignment!r}")
        *sections, last = key.split(".")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{assignment!r}: '{section}' is a value, not a section")
        try:
            place[last] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{assignment!r}: not valid YAML") from error
    # The defaults of the class show which values may be null. A number in `config` does not.
    return build_config(type(config)(), values, "override")


def config_to_dict(config: Any) -> dict[str, Any]:
    """Turn a configuration into nested dictionaries that JSON and YAML can hold."""
    return dataclasses.asdict(config)


def build_config(default: Config, values: Any, source: str, prefix: str = "") -> Config:
    """Build a configuration from nested dictionaries.

    Args:
        default: Gives the keys, the types, and the values that are not in `values`.
        values: Mapping from YAML or JSON.
        source: Name of the source, for error messages.
        prefix: Section names before the keys in error messages, with a dot at the end.

    Raises:
        ConfigError: If a key or value is wrong.
    """
    if not isinstance(values, dict):
        raise ConfigError(
            f"{source}: {prefix.rstrip('.') or 'the file'} must be a mapping, got {values!r}"
        )
    known = [f.name for f in dataclasses.fields(default)]  # type: ignore[arg-type]
    arguments = {}
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
            raise ConfigError(
                f"{source}: unknown key '{prefix}{key}'; did you mean '{prefix}{near[0]}'?"
            )
        where, own = f"{prefix}{key}", getattr(default, key)
        if dataclasses.is_dataclass(own):
            arguments[key] = build_config(own, value, source, where + ".")
        else:
            arguments[key] = _fit(value, own, source, where)
    try:
        built: Config = dataclasses.replace(default, **arguments)  # type: ignore[type-var]
        return built
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def _fit(value: Any, default: Any, source: str, where: str) -> Any:
    """Check a value against the type of its default; ints fit floats, lists fit tuples."""
    if isinstance(default, tuple):
        kind = type(default[0]) if default else str  # an empty default is for names
        fits = isinstance(value, (list, tuple)) and all(isinstance(item, kind) for item in value)
        value = tuple(value) if fits else value
    elif default is None:
        fits = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    elif isinstance(default, bool) or isinstance(value, bool):
        fits = isinstance(value, bool) and isinstance(default, bool)
    elif isinstance(default, float):
        fits = isinstance(value, (int, float)) or _is_number(value)  # YAML reads 1e-3 as a string
        value = float(value) if fits else value
    else:
        fits = isinstance(value, type(default))
    numbers = value if isinstance(value, tuple) else (value,)
    if any(isinstance(number, float) and math.isnan(number) for number in numbers):
        raise ConfigError(f"{source}: '{where}' must be a number, got {value!r}")
    if not fits:
        expected = "a number or null" if default is None else f"like {default!r}"
        raise ConfigError(f"{source}: '{where}' must be {expected}, got {value!r}")
    return value


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False
