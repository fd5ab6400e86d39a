"""Archives of arrays (.npz); headers are checked against bounds before anything is unpacked."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

MAX_ARRAY_BYTES: Final = 1 << 30
"""Most bytes of all arrays that are read of one archive, unpacked."""


def read_npz(
    path: Path, names: Sequence[str] | None = None, max_bytes: int = MAX_ARRAY_BYTES
) -> dict[str, NDArray[Any]]:
    """Read arrays of an archive; objects are never unpickled.

    Args:
        path: File of numpy.savez or numpy.savez_compressed.
        names: Arrays to read; None reads all.
        max_bytes: Most bytes of all of them, unpacked.

    Returns:
        The arrays by name.

    Raises:
        OSError: If the file cannot be read.
        ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error: If it is damaged, larger, or
            lacks an array.
    """
    with zipfile.ZipFile(path) as archive:
        members = {
            info.filename.removesuffix(".npy"): info
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        }
        missing = [name for name in names or () if name not in members]
        if missing:
            raise KeyError(f"array {', '.join(missing)}")
        chosen = {name: members[name] for name in (members if names is None else names)}
        total = sum(info.file_size for info in chosen.values())
        if total > max_bytes:
            raise ValueError(
                f"its arrays have {total} bytes unpacked, at most {max_bytes} are read"
            )
        return {name: _read_member(archive, info) for name, info in chosen.items()}


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as file:
        _check_header(file, info.file_size)
    with archive.open(info) as file:
        array: NDArray[Any] = npy_format.read_array(file, allow_pickle=False)
    return array


def _check_header(file: IO[bytes], size: int) -> None:
    """Refuse a shape that the member cannot hold: numpy takes the memory before it reads."""
    version = npy_format.read_magic(file)
    read = (
        npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    )
    shape, _, dtype = read(file)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize > size or min(shape, default=0) < 0:
        raise ValueError(f"an array of {shape} {dtype} in {size} bytes")
    if np.dtype(dtype).itemsize == 0 and math.prod(shape) > size:
        raise ValueError(f"an array of {shape} {dtype} in {size} bytes")
