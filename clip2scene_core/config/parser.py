"""Read configurations: defaults come from code, other values from YAML; unknown keys are errors."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from clip2scene_core.config.sections import ConfigError
from clip2scene_core.files.damage import one_line, shortened
from clip2scene_core.files.text import NOT_YAML, load_yaml, read_text
from clip2scene_core.renamed import renamed_hint

Config = TypeVar("Config")

_LARGEST_INTEGER: Final = 1 << 53


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
        values = load_yaml(read_text(path))
    except OSError as error:
        hint = renamed_hint(path) if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"{path}: cannot be read ({error.strerror}){hint}") from error
    except NOT_YAML as error:
        raise ConfigError(f"{path}: not valid YAML ({one_line(error)})") from error
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
            place[last] = load_yaml(text)
        except NOT_YAML as error:
            raise ConfigError(
                f"{shortened(assignment)!r}: not valid YAML ({one_line(error)})"
            ) from error
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
            f"{source}: {prefix.rstrip('.') or 'the file'} must be a mapping, got {_shown(values)}"
        )
    known = [f.name for f in dataclasses.fields(default)]  # type: ignore[arg-type]
    arguments = {}
    for key, value in values.items():
        if key not in known:
            name = shortened(str(key), 60)
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise ConfigError(
                f"{source}: unknown key '{prefix}{name}'; did you mean '{prefix}{near[0]}'?"
            )
        where, own = f"{prefix}{key}", getattr(default, key)
        if dataclasses.is_dataclass(own):
            arguments[key] = build_config(own, value, source, where + ".")
        else:
            arguments[key] = _fit(value, own, source, where)
    try:
        built: Config = dataclasses.replace(default, **arguments)  # type: ignore[type-var]
        return built
    except (ValueError, TypeError, ArithmeticError) as error:
        reason = shortened(" ".join(str(error).split()), 500)
        raise ConfigError(f"{source}: {reason}") from error


def _fit(value: Any, default: Any, source: str, where: str) -> Any:
    """Check a value against the type of its default; ints fit floats, lists fit tuples."""
    if isinstance(default, tuple):
        kind = type(default[0]) if default else str  # an empty default is for names
        fits = isinstance(value, (list, tuple)) and all(isinstance(item, kind) for item in value)
        value = tuple(value) if fits else value
    elif default is None:
        fits = value is None or _is_number(value)
    elif isinstance(default, bool) or isinstance(value, bool):
        fits = isinstance(value, bool) and isinstance(default, bool)
    elif isinstance(default, float):
        fits = _is_number(value) or _is_number_in_text(value)  # YAML reads 1e-3 as a string
        value = float(value) if fits else value
    else:
        fits = isinstance(value, type(default)) and (isinstance(value, str) or _is_number(value))
    numbers = value if isinstance(value, tuple) else (value,)
    if any(isinstance(number, float) and math.isnan(number) for number in numbers):
        raise ConfigError(f"{source}: '{where}' must be a number, got {_shown(value)}")
    if not fits:
        expected = "a number or null" if default is None else f"like {default!r}"
        raise ConfigError(f"{source}: '{where}' must be {expected}, got {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    """What came, in so few characters that it fits into a line."""
    return shortened(" ".join(repr(value).split()), 100)


def _is_number(value: Any) -> bool:
    """Whether it is a finite number, of a size that a floating number holds exactly if whole."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= _LARGEST_INTEGER if isinstance(value, int) else math.isfinite(value)


def _is_number_in_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False
