"""Colors of images as sensors give them: behind a Bayer filter, or as YUV of two or four pixels."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BAYER_PATTERNS: Final = {
    "bayer_rggb8": (0, 0),
    "bayer_grbg8": (0, 1),
    "bayer_gbrg8": (1, 0),
    "bayer_bggr8": (1, 1),
}
"""Row and column of the first red pixel; the blue one is beside it diagonally."""

YUV_ORDERS: Final = {
    "yuyv": (0, 1, 3),
    "yuv422_yuy2": (0, 1, 3),
    "uyvy": (1, 0, 2),
    "yuv422": (1, 0, 2),
}
"""Of the four bytes of two pixels: where the first Y, U and V are; the second Y is two on."""

NV_ORDERS: Final = {"nv12": (0, 1), "nv21": (1, 0)}
"""Below the rows of Y half as many of U and V, a pair for each 2 x 2 pixels: where U and V are."""


def rgb_from_bayer(mosaic: NDArray[np.uint8], encoding: str) -> NDArray[np.uint8]:
    """Interpolate the two colors that each pixel lacks from its neighbors, bilinearly.

    Args:
        mosaic: (H, W) uint8, at least 2 x 2; beyond the edge it is mirrored.
        encoding: One of BAYER_PATTERNS.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    padded = np.pad(mosaic, 1, mode="reflect").astype(np.uint16)
    beside = padded[1:-1, :-2] + padded[1:-1, 2:]
    above = padded[:-2, 1:-1] + padded[2:, 1:-1]
    diagonal = padded[:-2, :-2] + padded[:-2, 2:] + padded[2:, :-2] + padded[2:, 2:]
    cross = ((beside + above + 2) // 4).astype(np.uint8)
    diagonal = ((diagonal + 2) // 4).astype(np.uint8)
    beside, above = ((beside + 1) // 2).astype(np.uint8), ((above + 1) // 2).astype(np.uint8)
    colors = np.empty((*mosaic.shape, 3), dtype=np.uint8)
    row, column = BAYER_PATTERNS[encoding]
    for channel, (r, c) in ((0, (row, column)), (2, (1 - row, 1 - column))):
        here, in_row = np.s_[r::2, c::2], np.s_[r::2, 1 - c :: 2]
        in_column, across = np.s_[1 - r :: 2, c::2], np.s_[1 - r :: 2, 1 - c :: 2]
        colors[here][..., channel] = mosaic[here]
        colors[here][..., 1] = cross[here]
        colors[in_row][..., channel] = beside[in_row]
        colors[in_row][..., 1] = mosaic[in_row]
        colors[in_column][..., channel] = above[in_column]
        colors[across][..., channel] = diagonal[across]
    return colors


def rgb_from_yuv(pixels: NDArray[np.uint8], encoding: str) -> NDArray[np.uint8]:
    """Convert YUV in which two pixels beside each other share U and V.

    Args:
        pixels: (H, W / 2, 4) uint8.
        encoding: One of YUV_ORDERS.

    Returns:
        (H, W, 3) uint8 RGB.

    Source: ITU-R BT.601 with Y in [16, 235], as OpenCV and so cv_bridge convert these encodings.
    """
    y, u, v = YUV_ORDERS[encoding]
    colors = _rgb_of(pixels[..., [y, y + 2]], pixels[..., u, None], pixels[..., v, None])
    return colors.reshape(len(pixels), -1, 3)


def rgb_from_nv(rows: NDArray[np.uint8], encoding: str) -> NDArray[np.uint8]:
    """Convert YUV in which four pixels, two in each of two rows, share U and V.

    Args:
        rows: (3 H / 2, W) uint8, H rows of Y, then H / 2 of U and V in turn.
        encoding: One of NV_ORDERS.

    Returns:
        (H, W, 3) uint8 RGB; the color of four pixels is theirs alike, as OpenCV converts it.

    Source: as of `rgb_from_yuv`.
    """
    height = len(rows) * 2 // 3
    pairs = rows[height:].reshape(height // 2, -1, 2)
    u, v = NV_ORDERS[encoding]
    blue, red = (pairs[..., i].repeat(2, axis=0).repeat(2, axis=1) for i in (u, v))
    return _rgb_of(rows[:height], blue, red)


def _rgb_of(y: NDArray[np.uint8], u: NDArray[np.uint8], v: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colors (..., 3) of Y, U and V, which are broadcast."""
    luma = (y.astype(np.float32) - 16) * (255 / 219)
    blue = (u.astype(np.float32) - 128) * (255 / 224)
    red = (v.astype(np.float32) - 128) * (255 / 224)
    colors = np.stack(
        [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=-1
    )
    rounded: NDArray[np.uint8] = np.rint(colors).clip(0, 255).astype(np.uint8)
    return rounded
