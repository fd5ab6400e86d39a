"""Colors of images as sensors give them: behind a Bayer filter, or as YUV of two pixels each."""

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
    luma = (pixels[..., [y, y + 2]].astype(np.float32) - 16) * (255 / 219)
    blue = (pixels[..., u, None].astype(np.float32) - 128) * (255 / 224)
    red = (pixels[..., v, None].astype(np.float32) - 128) * (255 / 224)
    colors = np.stack(
        [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=-1
    )
    rounded: NDArray[np.uint8] = np.rint(colors).clip(0, 255).astype(np.uint8)
    return rounded.reshape(len(pixels), -1, 3)
