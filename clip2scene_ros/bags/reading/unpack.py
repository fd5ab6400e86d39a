"""Files and chunks that their recorder compressed, unpacked within bounds.

100 kB can become gigabytes: on purpose, or because a file is damaged.
"""

from __future__ import annotations

import bz2
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import lz4.frame  # type: ignore[import-untyped]

from clip2scene_ros.bags.reading.chunks import MAX_CHUNK_BYTES
from clip2scene_ros.bags.reading.storage import StorageError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"

MAX_RATIO: Final = 100
"""Most bytes of a file that one byte of a compressed recording becomes; clouds and pictures of
recorders become 2 to 10."""
ALWAYS_UNPACKED_BYTES: Final = 1 << 30
"""A file of this size is unpacked whatever its ratio."""
LEFT_FREE_BYTES: Final = 256 << 20
"""Room that is left on the disk for others."""

_BLOCK_BYTES: Final = 16 << 20


def unpack_file(path: Path, folder: Path) -> Path:
    """Unpack a file that a recorder has compressed as a whole with zstd.

    Args:
        path: The file.
        folder: Where the unpacked file is put.

    Raises:
        StorageError: If it is damaged, compressed twice, becomes too large, or the disk is too
            full.
    """
    unpacked = folder / path.name.removesuffix(".zstd")
    most = max(ALWAYS_UNPACKED_BYTES, MAX_RATIO * path.stat().st_size)
    num_bytes = 0
    remedy = f"zstd -d {path} unpacks it"
    try:
        with zstd.open(path, "rb") as packed, unpacked.open("wb") as stream:
            while block := packed.read(_BLOCK_BYTES):
                num_bytes += len(block)
                if num_bytes > most:
                    raise StorageError(
                        f"unpacks to more than {most} bytes, {MAX_RATIO} times its size, as no "
                        f"recording does; if it is right, {remedy}"
                    )
                if shutil.disk_usage(folder).free < LEFT_FREE_BYTES + len(block):
                    raise StorageError(
                        f"does not fit into {folder.parent} when it is unpacked; make room, name "
                        f"another folder by TMPDIR, or unpack it where there is room: {remedy}"
                    )
                stream.write(block)
    except (zstd.ZstdError, EOFError) as error:
        raise StorageError(f"is truncated or damaged: {error}") from error
    with unpacked.open("rb") as stream:
        if stream.read(4) == ZSTD_MAGIC:
            raise StorageError("is compressed twice; unpack it first")
    return unpacked


def bound_chunks(chunks: dict[int, Any]) -> None:
    """Let the chunks of a bag of ROS 1 be unpacked to MAX_CHUNK_BYTES at most.

    Args:
        chunks: Those of rosbags' reader by their places; changed in place.
    """
    bounded = {bz2.decompress: _unpack_bz2, lz4.frame.decompress: _unpack_lz4}
    for place, chunk in chunks.items():
        chunks[place] = chunk._replace(
            decompressor=bounded.get(chunk.decompressor, chunk.decompressor)
        )


def _unpack_bz2(content: bytes) -> bytes:
    return _unpack(bz2.BZ2Decompressor(), content)


def _unpack_lz4(content: bytes) -> bytes:
    return _unpack(lz4.frame.LZ4FrameDecompressor(), content)


def _unpack(decompressor: Any, content: bytes) -> bytes:
    unpacked: bytes = decompressor.decompress(content, MAX_CHUNK_BYTES + 1)
    if len(unpacked) > MAX_CHUNK_BYTES:
        raise ValueError(f"a chunk unpacks to more than {MAX_CHUNK_BYTES} bytes")
    if not decompressor.eof:
        raise EOFError("a chunk breaks off")
    return unpacked
