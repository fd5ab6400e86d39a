"""The tables of nuScenes' format: which folder has them, and what a field of a row is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from clip2scene_core.files.damage import shortened
from clip2scene_core.sample import DatasetError

_LARGEST_INTEGER: Final = 1 << 53


def choose_version(root: Path, version: str | None) -> str:
    """Name of the version folder: the given one, or the only one.

    Raises:
        DatasetError: If there is none, or several and none was named.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; give the one that holds samples/ and v1.0-*/")
    versions = sorted(path.name for path in root.glob("v1.0-*") if path.is_dir())
    if version is None and len(versions) == 1:
        return versions[0]
    if not versions:
        raise DatasetError(f"{root} has no v1.0-* folder; is it the root of a nuScenes data set?")
    if version is None:
        raise DatasetError(f"{root} has several versions, name one: {', '.join(versions)}")
    if version not in versions:
        raise DatasetError(f"{root} has no version {version!r}; it has {', '.join(versions)}")
    return version


def text_of(row: dict[str, Any], key: str) -> str:
    """Read a text of a row.

    Raises:
        KeyError: If the row has no such field.
        ValueError: If it is no text.
    """
    value = row[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} must be a text, got {shortened(repr(value), 60)}")
    return value


def integer_of(row: dict[str, Any], key: str) -> int:
    """Read a whole number of a row.

    Raises:
        KeyError: If the row has no such field.
        ValueError: If it is none, or larger than any stamp.
    """
    value = row[key]
    # Some converters write times as floating numbers; beyond 2^63 they are none.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST_INTEGER:
        raise ValueError(f"{key} must be an integer, got {shortened(repr(value), 60)}")
    return value
