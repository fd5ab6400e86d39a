"""The size of a picture, checked in its header before its pixels are unpacked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from PIL import Image

MAX_PIXELS: Final = 40_000_000
"""Most pixels of a picture. 8K has 33 million; 172 kB of PNG can be 177 million of one color."""


@contextmanager
def open_picture(
    source: Path | IO[bytes], formats: tuple[str, ...] | None = None
) -> Iterator[Image.Image]:
    """Open a picture, read its header, and refuse it by its size.

    Args:
        source: File or stream.
        formats: Pillow's names of the formats to try; None tries all.

    Yields:
        The picture; its pixels are not unpacked yet.

    Raises:
        OSError: If it cannot be read or is no picture.
        ValueError: If it has more than MAX_PIXELS pixels.
    """
    with warnings.catch_warnings():
        # Pillow warns between its own limit and twice that; ours is below.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            picture = Image.open(source, formats=formats)
        except Image.DecompressionBombError as error:
            raise ValueError(f"it has more than {MAX_PIXELS} pixels") from error
    with picture:
        check_pixels(*picture.size)
        yield picture


def check_pixels(width: int, height: int) -> None:
    """Refuse a size beyond MAX_PIXELS.

    Raises:
        ValueError: If it is.
    """
    if width * height > MAX_PIXELS:
        raise ValueError(f"it has {width} x {height} pixels, at most {MAX_PIXELS} are read")
