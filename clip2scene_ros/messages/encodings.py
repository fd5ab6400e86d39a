"""Which encodings of sensor_msgs/Image are color pictures, and why the others are none."""

from __future__ import annotations

import re
from typing import Final

from clip2scene_ros.messages.raw_colors import BAYER_PATTERNS, NV_ORDERS, YUV_ORDERS

CHANNEL_ORDERS: Final = {
    "rgb8": (3, [0, 1, 2]),
    "bgr8": (3, [2, 1, 0]),
    "rgba8": (4, [0, 1, 2]),
    "bgra8": (4, [2, 1, 0]),
    "mono8": (1, [0, 0, 0]),
}
"""Number of channels, and which ones are red, green and blue; alpha is left out."""
KNOWN_ENCODINGS: Final = (*CHANNEL_ORDERS, *BAYER_PATTERNS, *YUV_ORDERS, *NV_ORDERS)
"""Of a sensor_msgs/Image that is read."""

_SHOWN: Final = 40
_WIDE: Final = "has 16 bits per channel, whose full scale nobody names; scale it to rgb8 or mono8"
_COLOR_FILTER: Final = (
    "is not converted to colors yet; image_proc and image_transport convert to rgb8"
)
_REFUSALS: Final = (
    (r"(16|32|64)[USF]+C1", "is depth, thermal or labels, not a color picture"),
    (r"(16|32|64)[USF]+C\d+", "has more than 8 bits per channel; scale it to rgb8"),
    (r"8[US]C\d+", "does not name its colors; name it rgb8, bgr8 or mono8 if it is a picture"),
    (r"(mono|(rgb|bgr)a?)16", _WIDE),
    (r"bayer_[a-z]+16", _WIDE),
    (r"bayer_[a-z]+8|yuv.*|yuyv.*|uyvy.*|nv\d+", _COLOR_FILTER),
)
"""Pattern of the encoding, and what is said of it."""


def refusal_of_encoding(encoding: str) -> str:
    """Say why an image is not read as a color picture; "" if it is one.

    Args:
        encoding: Of a sensor_msgs/Image.
    """
    if encoding in KNOWN_ENCODINGS:
        return ""
    what = f"image has the encoding {encoding[:_SHOWN]!r}"
    reason = _reason(encoding)
    known = f"known are {', '.join(KNOWN_ENCODINGS)}"
    return f"{what}, which {reason}; {known}" if reason else f"{what}; {known}"


def refusal_of_format(text: str) -> str:
    """Say why a compressed image is not read as a color picture; "" if it may be one.

    image_transport writes what was compressed and what it was converted to before:
    "bayer_rggb8; jpeg compressed bgr8". Others write "jpeg" or anything else; then the bytes tell.

    Args:
        text: Format of a sensor_msgs/CompressedImage.
    """
    what = f"image has the format {text[:_SHOWN]!r}"
    if "compressedDepth" in text:
        return f"{what}: depth, not a color picture"
    before, _, after = text.partition(";")
    converted = after.rpartition(" compressed ")[2].strip()
    reason = _reason(before.strip())
    if not reason or (reason == _COLOR_FILTER and converted in CHANNEL_ORDERS):
        return ""
    return f"{what}, which {reason}"


def _reason(encoding: str) -> str:
    for pattern, reason in _REFUSALS:
        if re.fullmatch(pattern, encoding, re.IGNORECASE):
            return reason
    return ""
