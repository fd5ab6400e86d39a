"""What is a color picture, and what only comes in the same files."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from clip2scene_core.files.color_picture import PictureError, decode_picture, read_picture

RED = np.broadcast_to(np.array([200, 30, 10], np.uint8), (8, 16, 3))


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(bits: int, color_type: int, rows: bytes, size: tuple[int, int]) -> bytes:
    """A PNG chunk by chunk, since Pillow does not write 16-bit colors."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", *size, bits, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def turned(orientation: int, kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(Image.fromarray(RED), kind, exif=exif.tobytes())


def test_colors_come_as_they_are():
    np.testing.assert_array_equal(decode_picture(saved(Image.fromarray(RED))), RED)
    picture = decode_picture(saved(Image.fromarray(RED), "JPEG", quality=95))
    assert picture.dtype == np.uint8
    np.testing.assert_allclose(picture, RED, atol=4)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_gray_of_8_bits_is_a_gray_picture(kind):
    gray = np.arange(128, dtype=np.uint8).reshape(8, 16)
    picture = decode_picture(saved(Image.fromarray(gray), kind))
    np.testing.assert_allclose(picture, np.repeat(gray[..., None], 3, axis=2), atol=4)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_left_out_and_hides_nothing(mode):
    image = Image.fromarray(RED).convert(mode)
    image.putalpha(0)
    expected = np.array(Image.fromarray(RED).convert(mode[:-1]).convert("RGB"))
    np.testing.assert_array_equal(decode_picture(saved(image)), expected)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (saved(Image.fromarray(np.full((8, 16), 3000, np.uint16))), "has 16 bits per channel"),
        (saved(Image.fromarray(RED).convert("P")), "has a palette, as label images"),
        (saved(Image.fromarray(RED).convert("P"), bits=2), "has a palette"),
        (saved(Image.fromarray(RED).convert("1")), "has 1 bit per pixel"),
        (saved(Image.fromarray(RED).convert("CMYK"), "JPEG"), "inks of a print"),
        (png(16, 2, (b"\0" + b"\1\2" * 6) * 2, (2, 2)), "has 16 bits per channel"),
        (png(16, 6, (b"\0" + b"\1\2" * 8) * 2, (2, 2)), "has 16 bits per channel"),
        (png(16, 4, (b"\0" + b"\1\2" * 4) * 2, (2, 2)), "has 16 bits per channel"),
        (png(4, 0, b"\0\x12" * 2, (2, 2)), "has 4 bits per channel"),
        (turned(6, "JPEG"), "turned by its EXIF orientation 6"),
        (turned(3, "JPEG"), "turned by its EXIF orientation 3"),
        (turned(2, "PNG"), "turned by its EXIF orientation 2"),
        (saved(Image.fromarray(RED), "TIFF"), "is no JPEG or PNG"),
        (saved(Image.fromarray(np.ones((8, 16), np.float32)), "TIFF"), "is no JPEG or PNG"),
        (b"", "is no JPEG or PNG"),
        (saved(Image.fromarray(RED))[:50], "is no readable picture"),
    ],
)
def test_what_is_no_color_picture_is_refused_by_name(content, complaint):
    with pytest.raises(PictureError, match=complaint):
        decode_picture(content)


def test_an_upright_tag_turns_nothing():
    np.testing.assert_allclose(decode_picture(turned(1, "JPEG")), RED, atol=8)


def test_the_content_tells_and_not_the_name(tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(saved(Image.fromarray(RED)))
    np.testing.assert_array_equal(read_picture(path), RED)
    path.write_bytes(saved(Image.fromarray(np.full((8, 16), 3000, np.uint16))))
    with pytest.raises(PictureError, match="has 16 bits"):
        read_picture(path)


def test_damaged_bytes_are_a_picture_or_refused():
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (12, 16, 3), np.uint8))
    whole = [saved(noise), saved(noise, "JPEG"), turned(1, "JPEG"), turned(1, "PNG")]
    outcomes = set()
    for number in range(400):
        content = bytearray(whole[number % 4])
        for place in rng.integers(0, min(len(content), 150 if number % 3 else 10_000), 3):
            content[place] = rng.integers(256)
        try:
            outcomes.add(decode_picture(bytes(content)).dtype.name)
        except PictureError:
            outcomes.add("refused")
    assert outcomes == {"uint8", "refused"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_size_alone_takes_the_header_alone(kind):
    content = saved(Image.fromarray(RED), kind)
    assert decode_picture(content, with_pixels=False).shape == (8, 16, 0)
    # The header is whole, the pixels are missing.
    assert decode_picture(content[:-6], with_pixels=False).shape == (8, 16, 0)
    with pytest.raises(PictureError, match="no JPEG or PNG"):
        decode_picture(b"text", with_pixels=False)
