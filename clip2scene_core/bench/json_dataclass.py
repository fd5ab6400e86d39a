"""Frozen dataclasses as JSON and back; null is NaN where a number belongs."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")


class ResultError(ValueError):
    """A file that does not hold a bench's result."""


def save_record(path: Path, document_format: str, noun: Any) -> None:
    """Write a dataclass as JSON; besides its fields it holds what they imply.

    Args:
        path: File to write.
        document_format: What `load_record` asks for.
        noun: Frozen dataclass.
    """
    text = json.dumps({"format": document_format, **to_json(noun)}, indent=1, allow_nan=False)
    path.write_text(text + "\n")


def load_record(
    path: Path, document_format: str, choose: Callable[[dict[str, Any]], type[_T]]
) -> _T:
    """Read JSON that `save_record` wrote.

    Args:
        path: File to read.
        document_format: What the file must say that it is.
        choose: Gives the dataclass that the file's values make.

    Raises:
        ResultError: If the file is missing or holds something else.
    """
    try:
        values = json.loads(path.read_text())
        if values["format"] != document_format:
            raise ResultError(f"{path}: format {values['format']!r}, expected {document_format!r}")
        return from_json(choose(values), values)
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ResultError(f"{path}: no result of a bench ({error})") from error


def to_json(value: Any) -> Any:
    """Write fields and, beside them, properties; six decimals; NaN becomes None."""
    if dataclasses.is_dataclass(value):
        implied = [
            name for name, member in vars(type(value)).items() if isinstance(member, property)
        ]
        names = [field.name for field in dataclasses.fields(value)] + implied
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value


def from_json(kind: type[_T], values: dict[str, Any]) -> _T:
    """Read what `to_json` wrote of a dataclass; what is implied by its fields is passed over.

    Raises:
        KeyError: If a field is missing.
        TypeError: If a value does not fit.
    """
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    return kind(**{field.name: _fit(hints[field.name], values[field.name]) for field in fields})


def _fit(hint: Any, value: Any) -> Any:
    """Turn what JSON gave into what the type asks for; null is NaN where a number belongs."""
    choices = typing.get_args(hint)
    if type(None) in choices:
        return None if value is None else _fit(choices[0], value)
    if hint is float:
        return math.nan if value is None else float(value)
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type[Any], hint), value)
    if typing.get_origin(hint) is tuple:
        kinds = choices[:1] * len(value) if choices[-1] is Ellipsis else choices
        return tuple(_fit(inner, item) for inner, item in zip(kinds, value, strict=True))
    return value
