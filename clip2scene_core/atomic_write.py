"""Write a file or a folder so that it appears only when it is complete."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MAX_NAME: Final = 100
_SUFFIX: Final = ".unfinished"
_REPLACED: Final = ".replaced"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write to a draft file and rename it to `path` when the block ends without an error.

    After a crash the old file is still there. The file may be read by whoever may read new files in
    its folder. Several processes may write the same file: the last one to finish replaces the
    others' file. Drafts of processes that were killed are removed by the next one that writes the
    same file.

    Args:
        path: The file. Its folder exists.

    Yields:
        Path of the draft file, of the same name in a folder of its own; the caller creates it.

    Raises:
        OSError: If the file cannot be written; the draft is removed. If the disk is full, the
            message says so.
    """
    with _staging(path) as folder:
        draft = folder / path.name
        # Some writers, safetensors among them, let nobody else read what they write.
        draft.touch()
        mode = draft.stat().st_mode
        draft.unlink()
        with _full_disk_named(path):
            yield draft
        draft.chmod(mode)
        draft.replace(path)


@contextmanager
def atomic_folder(path: Path, replaces: bool = False) -> Iterator[Path]:
    """Fill a draft folder and rename it to `path` when the block ends without an error.

    Args:
        path: The folder. It does not exist or is empty; folders above it are made.
        replaces: Take the place of a folder that is not empty. It is there until the new one is
            complete, but a process that is killed between two renames leaves neither.

    Yields:
        Path of the draft folder, of the same name in a folder of its own; the caller creates it.

    Raises:
        FileExistsError: If `path` is a file, or a folder that is not empty and not replaced.
        OSError: If it cannot be written; the draft is removed.
    """
    if path.exists() and (not path.is_dir() or (any(path.iterdir()) and not replaces)):
        raise FileExistsError(f"{path} exists and is not empty; choose a new folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _staging(path) as folder:
        draft = folder / path.name
        with _full_disk_named(path):
            yield draft
        if replaces and path.is_dir():
            path.replace(folder / _REPLACED)
        draft.replace(path)


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """Make a folder for temporary files, which is gone when the block ends.

    Those of processes that were killed are removed by the next one that asks for the same name.

    Args:
        name: What it is for, so that people know whose it is.

    Yields:
        The folder, where the system keeps temporary files; nobody else can read it.

    Raises:
        OSError: If it cannot be made.
    """
    with _staging(Path(tempfile.gettempdir()) / name) as folder:
        yield folder


@contextmanager
def _staging(path: Path) -> Iterator[Path]:
    """Make a folder for the draft, beside `path`: a rename is atomic within one file system only.

    The folder is locked as long as its process lives. So one that is not was left by a process that
    was killed, whatever its number, container or machine.
    """
    prefix = f".{path.name[:_MAX_NAME]}."
    _remove_left_over(path.parent, prefix)
    while True:
        folder = Path(tempfile.mkdtemp(_SUFFIX, prefix, path.parent))
        # Another process may take it for left over before it is locked, or even opened.
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        if _is_locked(lock) and folder.is_dir():
            break
        os.close(lock)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_left_over(parent: Path, prefix: str) -> None:
    for entry in os.scandir(parent):
        name = entry.name
        # Between prefix and suffix is what mkdtemp drew: a longer name has the prefix too.
        if not (name.startswith(prefix) and name.endswith(_SUFFIX)) or name.count(".") != (
            prefix.count(".") + 1
        ):
            continue
        try:
            lock = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # it is in use, or the file system has no locks
            continue
        else:
            shutil.rmtree(entry.path, ignore_errors=True)
        finally:
            os.close(lock)


def _is_locked(folder: int) -> bool:
    """Lock a folder; a file system without locks has nobody who could take it for left over."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def _full_disk_named(path: Path) -> Iterator[None]:
    """Say of a full disk which file it was; writers say it in many ways, some without a number."""
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None)
        text = str(error)
        is_full = number in _FULL or "No space left" in text or "File too large" in text
        # numpy's tofile says only: 12 requested and 3 written.
        if not is_full and not (isinstance(error, OSError) and "requested and" in text):
            raise
        free = shutil.disk_usage(path.parent).free
        raise OSError(
            f"{path} could not be written whole: the disk is full or the file too large "
            f"({free / 1e6:.0f} MB are free); nothing of it is left"
        ) from error
