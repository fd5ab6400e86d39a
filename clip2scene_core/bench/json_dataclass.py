"""Frozen dataclasses as JSON and back; null is NaN where a number belongs.

cattrs would need a hook for each rule here (NaN, rounding, properties), and the base install does
not have it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.files.damage import one_line
from clip2scene_core.files.text import load_json

_T = TypeVar("_T")


class ResultError(ValueError):
    """A file that does not hold a result of a bench."""


class RecordFile(Generic[_T]):
    """JSON files of one format; each holds one frozen dataclass, the record.

    Args:
        document_format: Value of the key "format". A file with another value is refused.
        choose: Takes the values of a file. Returns the dataclass of its record.
    """

    def __init__(self, document_format: str, choose: Callable[[dict[str, Any]], type[_T]]) -> None:
        self._format = document_format
        self._choose = choose

    def save(self, path: Path, record: _T) -> None:
        """Write a record: its fields and its properties, such as mean, spread and is_resolved."""
        values = {"format": self._format, **to_json(record)}
        with atomic_write(path) as draft:
            draft.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n")

    def load(self, path: Path) -> _T:
        """Read what `save` wrote.

        Raises:
            ResultError: If the file is missing or holds something else.
        """
        try:
            values = load_json(path.read_text())
            found = values["format"]
            if found != self._format:
                raise ResultError(f"{path}: format {found!r}, expected {self._format!r}")
            return from_json(self._choose(values), values)
        except ResultError:
            raise
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            raise ResultError(f"{path}: no result of a bench ({one_line(error)})") from error


def to_json(value: Any) -> Any:
    """Convert a dataclass to values of JSON: its fields, then the properties of its own class.

    Numbers have six decimals. NaN becomes None.
    """
    if dataclasses.is_dataclass(value):
        properties = [
            name for name, member in vars(type(value)).items() if isinstance(member, property)
        ]
        names = [field.name for field in dataclasses.fields(value)] + properties
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value


def from_json(kind: type[_T], values: dict[str, Any]) -> _T:
    """Make a dataclass of what `to_json` returned; other keys, such as properties, are ignored.

    Raises:
        KeyError: If a field is missing.
        TypeError: If a value does not fit.
    """
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    return kind(**{field.name: _fit(hints[field.name], values[field.name]) for field in fields})


def _fit(hint: Any, value: Any) -> Any:
    """Convert a value of JSON to the type of its field."""
    arguments = typing.get_args(hint)
    if type(None) in arguments:
        return None if value is None else _fit(arguments[0], value)
    if hint is float:
        return math.nan if value is None else float(value)
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type[Any], hint), value)
    if typing.get_origin(hint) is tuple:
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_fit(inner, item) for inner, item in zip(kinds, value, strict=True))
    return value
