"""Write a file so that it appears only when it is complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write to a draft file and rename it to `path` when the block ends without an error.

    After a crash the old file is still there. The file may be read by whoever may read new files in
    its folder. Several processes may write the same file: the last one to finish replaces the
    others' file.

    Args:
        path: The file. Its folder exists.

    Yields:
        Path of the draft file; the caller creates it.

    Raises:
        OSError: If the file cannot be written; the draft is removed.
    """
    # In the same folder, because a rename is atomic only within one file system.
    draft = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    # Some writers, safetensors among them, let nobody else read what they write.
    draft.touch()
    mode = draft.stat().st_mode
    draft.unlink()
    try:
        yield draft
        draft.chmod(mode)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
