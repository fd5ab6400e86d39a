"""Color pictures from JPEG and PNG; what is no 8-bit color or gray picture is refused by name.

Depth, thermal and label images travel in the same files. Converted to colors they look like a
picture to every later stage, and CLIP finds something in any picture.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from clip2scene_core.files.damage import one_line
from clip2scene_core.files.pictures import open_picture

_PNG_BEGIN: Final = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH: Final = 24
"""Place of the bits per channel in a PNG: signature, length, type, width and height come first."""
_EXIF_ORIENTATION: Final = 0x0112
_MODES: Final = ("RGB", "L", "RGBA", "LA")
_NO_PICTURE: Final = {
    "P": "has a palette, as label images have",
    "PA": "has a palette, as label images have",
    "1": "has 1 bit per pixel, as masks have",
    "CMYK": "has the inks of a print (CMYK)",
}

_DAMAGES: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for damaged bytes."""


class PictureError(ValueError):
    """Bytes that are no color picture; the message is a predicate: "has 16 bits per channel"."""


def decode_picture(content: bytes, with_pixels: bool = True) -> NDArray[np.uint8]:
    """Decode a JPEG or a PNG.

    Gray becomes RGB. Alpha is left out, the colors under it stay as they are stored.

    Args:
        content: Bytes of the file.
        with_pixels: Whether pixels are unpacked; else only the header is read, and no EXIF tag,
            which may stand behind the pixels.

    Returns:
        (H, W, 3) uint8 RGB, rows and columns as they are stored; (H, W, 0) without pixels.

    Raises:
        PictureError: If it is damaged, no JPEG or PNG, has other than 8 bits per channel, a palette
            or CMYK, or an EXIF tag turns it: a calibration fits the stored or the turned picture,
            and nobody says which.
    """
    try:
        with open_picture(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            _check(image, content)
            if not with_pixels:
                return np.empty((image.height, image.width, 0), np.uint8)
            _check_upright(image)
            return np.array(image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise PictureError("is no JPEG or PNG") from error
    except PictureError:
        raise
    except _DAMAGES as error:
        raise PictureError(f"is no readable picture: {one_line(error)}") from error


def read_picture(path: Path, with_pixels: bool = True) -> NDArray[np.uint8]:
    """Read a JPEG or PNG file, as `decode_picture` does.

    Raises:
        PictureError: As `decode_picture`.
        OSError: If the file cannot be read.
    """
    return decode_picture(path.read_bytes(), with_pixels)


def _check(image: Image.Image, content: bytes) -> None:
    is_png = content.startswith(_PNG_BEGIN)
    depth = content[_PNG_DEPTH] if is_png else 8
    if image.mode in _NO_PICTURE:
        raise PictureError(f"{_NO_PICTURE[image.mode]}; save it as RGB if it is a color picture")
    if depth != 8 or image.mode not in _MODES:
        bits = f"{depth} bits per channel" if is_png else f"pixels of the kind {image.mode!r}"
        raise PictureError(
            f"has {bits}, as depth, thermal and label images have; scale a picture to 8 bits"
        )


def _check_upright(image: Image.Image) -> None:
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    if orientation not in (0, 1):
        raise PictureError(
            f"is to be turned by its EXIF orientation {orientation}; save it upright, without the "
            f"tag, and calibrate that"
        )
