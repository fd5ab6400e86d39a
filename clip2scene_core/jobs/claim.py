"""Claims: of all processes that want a thing, one has it, and none after that process ended."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoLocksError(OSError):
    """A file system that has no locks."""


@contextmanager
def claim(path: Path, waits: bool = False) -> Iterator[bool]:
    """Claim what a lock file stands for, until the block ends or this process does.

    The lock is the operating system's (flock), so that of a killed process is gone at once. On NFS
    it counts for all machines, unless it is mounted with `nolock` or `local_lock`; that of a
    machine that went down is held until the server gives it up (NFSv4: 90 s as a rule). Lustre
    needs the mount option `flock`; with `localflock` each machine has claims of its own.

    Args:
        path: The lock file. It is made, and stays: who removes it lets two have one claim.
        waits: Wait until the claim is free.

    Yields:
        Whether this process has the claim.

    Raises:
        NoLocksError: If the file system has no locks.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            is_mine = False
        except OSError as error:
            raise NoLocksError(
                f"{path}: its file system has no locks ({error.strerror}), so that processes "
                f"cannot tell what others do; mount it with locks, or write elsewhere"
            ) from error
        else:
            is_mine = True
        yield is_mine
    finally:
        os.close(lock)
