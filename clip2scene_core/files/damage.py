"""The boundary of a reader: what it raises on a damaged file becomes one error of ours."""

from __future__ import annotations

import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml
from safetensors import SafetensorError

_MAX_REASON: Final = 200

_RAISED_BY_READERS: Final = (
    # The formats' own.
    SafetensorError, pickle.UnpicklingError, struct.error, yaml.YAMLError, zipfile.BadZipFile,
    zlib.error, OSError, EOFError, NotImplementedError,
    # Values that are of another type or size than the reader takes for granted.
    ArithmeticError, AttributeError, LookupError, TypeError, ValueError,
    # Depth and sizes that a damaged header claims. torch raises RuntimeError for them.
    MemoryError, RecursionError, RuntimeError,
)  # fmt: skip


@contextmanager
def name_damage(
    path: Path | str, what: str, error: type[ValueError] = ValueError, remedy: str = ""
) -> Iterator[None]:
    """Turn what is raised while a file is read into one error that names the file.

    Only the lines that interpret the file's content belong into the block. A mistake in them looks
    like damage too, but the error keeps its cause, which `--debug` shows.

    Args:
        path: The file.
        what: What it should be, such as "text table".
        error: Type of the error; if the block raises one itself, it passes as it is.
        remedy: What to do, as it follows in the message, such as "; delete the file".

    Raises:
        ValueError: Of the given type.
    """
    try:
        yield
    except _RAISED_BY_READERS as reason:
        if error is not ValueError and isinstance(reason, error):
            raise
        raise error(f"{path}: damaged {what} ({one_line(reason)}){remedy}") from reason


def one_line(error: BaseException | str) -> str:
    """Say an error in one short line; without a text it is named by its type."""
    text = error if isinstance(error, str) else str(error)
    if isinstance(error, KeyError):
        text = f"no {text}"
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror
    return shortened(" ".join(text.split()) or type(error).__name__)


def shortened(text: str, length: int = _MAX_REASON) -> str:
    """Cut a text that a file may have made long, and say so."""
    return text if len(text) <= length else f"{text[:length]}... ({len(text)} characters)"
