"""Pictures are refused by the size in their header, before their pixels are unpacked."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from clip2scene_core.files.pictures import MAX_PIXELS, open_picture


def png(width: int, height: int) -> bytes:
    """A header that claims a size, and no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height"), [(13_300, 13_300), (30_000, 30_000), (2**31 - 1, 1), (1, MAX_PIXELS + 1)]
)
def test_a_bomb_is_refused_by_its_header(width, height):
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"pixels"), open_picture(io.BytesIO(png(width, height))):
        pass
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_pictures_of_usual_sizes_are_opened(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(path)
    with open_picture(path) as picture:
        assert np.array(picture).tobytes() == bytes(range(48))
    with open_picture(io.BytesIO(png(7680, 4320))) as picture:  # 8K
        assert picture.size == (7680, 4320)
