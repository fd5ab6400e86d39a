"""The sizes of an MCAP file's chunks, compared with a bound before any of them is unpacked.

rosbags unpacks a chunk whole, and 100 kB of zstd can be gigabytes.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_CHUNK_BYTES: Final = 1 << 30
"""Most bytes of a chunk. Writers make chunks of a few MB, or of one message."""

_MAGIC: Final = b"\x89MCAP0\r\n"
_CHUNK: Final = 0x06
_FRAME_HEADER_BYTES: Final = 18


@dataclass(frozen=True)
class _Chunk:
    """What the file says of a chunk, and the first bytes of its content."""

    size: int
    compression: bytes
    head: bytes


def check_chunks(path: Path) -> None:
    """Refuse a bag with a chunk that says it is larger than MAX_CHUNK_BYTES, or than it says.

    Args:
        path: A bag: a folder, or a bare file. Other files than MCAP have no chunks.

    Raises:
        ValueError: If a chunk is too large; damage is left to the reader.
    """
    files = sorted(path.glob("*.mcap")) if path.is_dir() else [path]
    for file in files:
        if file.suffix == ".mcap" and file.is_file():
            with file.open("rb") as stream:
                for chunk in _read_chunks(stream, file.stat().st_size):
                    _check(file, chunk)


def _check(file: Path, chunk: _Chunk) -> None:
    if chunk.size > MAX_CHUNK_BYTES:
        raise ValueError(
            f"{file} has a chunk of {chunk.size} bytes, at most {MAX_CHUNK_BYTES} are unpacked; "
            f"write it with smaller chunks"
        )
    if chunk.compression != b"zstd":
        return
    try:
        size = zstd.get_frame_info(chunk.head).decompressed_size
    except zstd.ZstdError:
        return
    if size is not None and size != chunk.size:
        raise ValueError(
            f"{file} has a chunk of {size} bytes that says it has {chunk.size}; it is damaged"
        )


def _read_chunks(stream: BinaryIO, end: int) -> Iterator[_Chunk]:
    if stream.read(len(_MAGIC)) != _MAGIC:
        return
    place = len(_MAGIC)
    while place + 9 <= end:
        stream.seek(place)
        kind, length = struct.unpack("<BQ", stream.read(9))
        if kind == _CHUNK:
            head = stream.read(min(length, 256))
            if len(head) < 40:
                return
            (size,) = struct.unpack_from("<Q", head, 16)
            (name_length,) = struct.unpack_from("<I", head, 28)
            compression = head[32 : 32 + min(name_length, 16)]
            content = 32 + name_length + 8
            yield _Chunk(size, compression, head[content : content + _FRAME_HEADER_BYTES])
        place += 9 + length
