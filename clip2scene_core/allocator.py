"""How the C library keeps the memory that tensors and arrays give back."""

from __future__ import annotations

import ctypes
import platform
from typing import Final

# Numbers of glibc's malloc.h. The largest threshold for mmap that it takes is 32 MiB.
_SETTINGS: Final = (
    (-1, 1 << 30),  # M_TRIM_THRESHOLD: give nothing back below 1 GiB
    (-2, 64 << 20),  # M_TOP_PAD: grow by 64 MiB more than was asked for
    (-3, 32 << 20),  # M_MMAP_THRESHOLD: larger blocks are mapped, and given back at once
    (-8, 1),  # M_ARENA_MAX: the memory of one thread serves the others, too
)


def keep_freed_memory() -> bool:
    """Let freed memory stay with the process; only programs call this, once, before all else.

    A sweep needs hundreds of MB for a moment. glibc gives them back to the kernel after each one
    and takes them again for the next; the kernel clears every page of them again. That takes up to
    a quarter of the time of a sweep. Afterwards the process keeps as much memory as it ever needed
    at once, and no more.

    Returns:
        Whether the C library is glibc and took the settings; nothing changes elsewhere.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    mallopt.restype = ctypes.c_int
    taken = [mallopt(number, value) for number, value in _SETTINGS]
    return all(taken)
