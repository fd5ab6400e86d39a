"""Bombs in MCAP files are refused by what their headers say."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from clip2scene_ros.bags.io import BagError, open_bag
from clip2scene_ros.bags.reading.chunks import MAX_CHUNK_BYTES, check_chunks, zstd

MAGIC = b"\x89MCAP0\r\n"


def text(content: bytes) -> bytes:
    return struct.pack("<I", len(content)) + content


def chunk(content: bytes, size: int, compression: bytes = b"zstd") -> bytes:
    body = struct.pack("<QQQI", 0, 1, size, 0) + text(compression)
    body += struct.pack("<Q", len(content)) + content
    return struct.pack("<BQ", 0x06, len(body)) + body


def mcap(*records: bytes) -> bytes:
    header = text(b"ros2") + text(b"")
    return MAGIC + struct.pack("<BQ", 0x01, len(header)) + header + b"".join(records)


@pytest.mark.parametrize("claimed", [100, 200_000_000, MAX_CHUNK_BYTES + 1, 2**63])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, claimed):
    path = tmp_path / "bomb.mcap"
    content = zstd.compress(b"\0" * 20_000_000)
    path.write_bytes(mcap(chunk(zstd.compress(b"a" * 10), 10), chunk(content, claimed)))
    assert path.stat().st_size < 10_000
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"at most|says it has"):
        check_chunks(path)
    with pytest.raises(BagError, match=r"bomb\.mcap"), open_bag(path):
        pass
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_chunks_of_usual_sizes_and_damage_are_left_to_the_reader(tmp_path):
    path = tmp_path / "a.mcap"
    for content in (
        mcap(chunk(zstd.compress(b"a" * 1000), 1000), chunk(b"abc", 3, b"")),
        mcap(chunk(zstd.compress(b"a" * 1000), 1000))[:-20],
        mcap(chunk(b"no frame", 1000)),
        mcap(struct.pack("<BQ", 0x06, 2**63)),
        mcap(struct.pack("<BQ", 0x06, 3)),
        b"",
        b"something else",
    ):
        path.write_bytes(content)
        check_chunks(path)
    check_chunks(tmp_path)
