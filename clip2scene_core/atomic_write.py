"""Files that appear only when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a draft to write to, which takes its place when the block ends without an error.

    A crash leaves what was there before. Several processes may write the same file: the last one
    that is done wins.

    Args:
        path: The file, in a folder that exists.

    Yields:
        Path of the draft, to be created by the caller.

    Raises:
        OSError: If the file cannot be written; the draft is removed.
    """
    # Beside its place, because a rename is atomic within one file system only.
    draft = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
