"""Names and paths that come from a file of others, before they become paths of ours."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Final

from clip2scene_core.files.damage import shortened

MAX_NAME: Final = 200
"""Longest token or name that becomes part of a file's name, characters.

File systems take 255 bytes, and ours get a suffix.
"""

MAX_PATH: Final = 1000
"""Longest path inside a data set, characters."""


def checked_name(name: Any, what: str) -> str:
    """Refuse a name that would leave its folder, or hide in it, as part of a path.

    Args:
        name: Value from a table.
        what: What it names, such as "sample token", for the message.

    Returns:
        The name.

    Raises:
        ValueError: If it is no text, empty, too long, begins with a dot, or holds a slash, a
            backslash or a control character.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"{what} must be a text, got {shortened(repr(name))}")
    if len(name) > MAX_NAME:
        raise ValueError(f"{what} has {len(name)} characters, at most {MAX_NAME} are read")
    if name.startswith(".") or "/" in name or "\\" in name or not name.isprintable():
        raise ValueError(
            f"{what} {name!r} cannot be part of a file's name: it must not begin with a dot, nor "
            f"hold slashes or control characters"
        )
    return name


def checked_path(name: Any, what: str) -> str:
    """Refuse a path that does not lead into the folder that it is relative to.

    Links in that folder are followed where a file is read, as data sets on several disks need it.

    Args:
        name: Value from a table, with slashes.
        what: What it names, for the message.

    Returns:
        The path.

    Raises:
        ValueError: If it is no text, empty, too long, absolute, has a part "..", or holds a
            backslash or a control character.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"{what} must be a path, got {shortened(repr(name))}")
    if len(name) > MAX_PATH:
        raise ValueError(f"{what} has {len(name)} characters, at most {MAX_PATH} are read")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not name.isprintable():
        raise ValueError(
            f"{what} {name!r} leads out of the data set, or no system reads it; it must be "
            f"relative, without '..'"
        )
    if not path.parts:
        raise ValueError(f"{what} {name!r} names no file")
    return name


def path_inside(folder: Path, name: str, what: str) -> Path:
    """Place a file to write in a folder; no link on the way may lead out of it.

    Args:
        folder: Folder of ours; it exists.
        name: See `checked_path`.
        what: What it names, for the message.

    Raises:
        ValueError: If the file would be elsewhere.
    """
    path = folder / checked_path(name, what)
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{what} {name!r} leads out of {folder} through a link")
    return path
