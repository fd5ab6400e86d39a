"""Crop and mirror images at random."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_MAX_CROP_DRAWS: Final = 10
_CROP_AREA: Final = (0.3, 1.0)
"""Range of a crop's area, as a share of the image's."""
_CROP_ASPECT: Final = (0.875, 1.0625)
"""Range of a crop's width / height, as a multiple of the image's."""
_MIN_PIXELS: Final = 1024
_MIN_SHARE: Final = 0.75


def crop_and_flip(
    image: NDArray[np.uint8],
    pixels: NDArray[np.float32],
    generator: np.random.Generator,
    may_crop: bool = True,
    may_flip: bool = True,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """Crop an image at random and mirror it. Compute where its pixels are afterwards.

    A crop has 30 to 100 % of the image's area, and 0.875 to 1.0625 times its aspect ratio (14:9 to
    17:9 for an image of 16:9). Crops are drawn until one contains 1,024 or three quarters of the
    pixels. After ten draws the whole image is kept. The crop is resized to the size of the image.

    Args:
        image: (H, W, 3) uint8 RGB.
        pixels: (P, 2) float32 [u, v] in the image.
        generator: Random generator.
        may_crop: Whether to crop.
        may_flip: Whether to mirror left and right, with probability 0.5.

    Returns:
        The augmented image (H, W, 3) uint8; the pixels (P, 2) float32 [u, v] in it; and (P,) bool,
        which pixels lie inside it.

    Source: CLIP2Scene (CVPR 2023), section 4.1; the numbers are those of its code.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = 0.0, 0.0, float(width), float(height)
    if may_crop:
        left, top, right, bottom = _draw_crop(height, width, pixels, generator)
    scale = np.array([width / (right - left), height / (bottom - top)])
    # Pixel centers are at whole numbers, so the edge of an image is half a pixel before 0.
    moved = (pixels + 0.5 - [left, top]) * scale - 0.5
    if (left, top, right, bottom) != (0, 0, width, height):
        resized = Image.fromarray(image).resize(
            (width, height), Image.Resampling.BILINEAR, box=(left, top, right, bottom)
        )
        image = np.asarray(resized)
    if may_flip and generator.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
        moved[:, 0] = width - 1 - moved[:, 0]
    is_inside = ((moved > 0) & (moved < [width - 1, height - 1])).all(axis=1)
    return image, moved.astype(np.float32), is_inside


def _draw_crop(
    height: int, width: int, pixels: NDArray[np.float32], generator: np.random.Generator
) -> tuple[float, float, float, float]:
    """Draw a crop (left, top, right, bottom) in pixels that keeps enough of the pixels (P, 2)."""
    for _ in range(_MAX_CROP_DRAWS):
        area = height * width * generator.uniform(*_CROP_AREA)
        aspect = width / height * math.exp(generator.uniform(*np.log(_CROP_ASPECT)))
        crop_width, crop_height = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if crop_width > width or crop_height > height:
            continue
        left = generator.uniform(0, width - crop_width)
        top = generator.uniform(0, height - crop_height)
        corner, opposite = [left, top], [left + crop_width, top + crop_height]
        num_kept = int(((pixels > corner) & (pixels < opposite)).all(axis=1).sum())
        if num_kept > min(_MIN_PIXELS, _MIN_SHARE * len(pixels)):
            return left, top, left + crop_width, top + crop_height
    return 0.0, 0.0, float(width), float(height)
