"""Image patches: the places of the teacher's dense embeddings, and which one shows a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Patches:
    """The patches of a keyframe that show a point.

    Attributes:
        index: (P,) int64 in [0, Q), the patch of each pixel.
        centers: (Q, 2) float32 [u, v], the center of each patch in its image, pixels.
        image_index: (Q,) int64, the image of each patch.
    """

    index: NDArray[np.int64]
    centers: NDArray[np.float32]
    image_index: NDArray[np.int64]


def find_patches(
    pixels: NDArray[np.float32],
    image_index: NDArray[np.int64],
    image_sizes: NDArray[np.int64],
    grid_sizes: NDArray[np.int64],
) -> Patches:
    """Find the patch of each pixel. Patches of different images are different.

    Args:
        pixels: (P, 2) float32 [u, v]; whole numbers are the centers of pixels. P may be 0.
        image_index: (P,) int64 in [0, V), the image of each pixel.
        image_sizes: (V, 2) int64 height and width of the images, pixels.
        grid_sizes: (V, 2) int64 rows and columns of their patches, which cover the whole image.
    """
    grids = grid_sizes[image_index]
    per_pixel = grids / image_sizes[image_index]
    places = np.floor((pixels[:, ::-1] + 0.5) * per_pixel).astype(np.int64)  # row, column
    places = places.clip(0, grids - 1)
    rows, columns = grid_sizes.max(axis=0, initial=1).tolist()
    keys, index = np.unique(
        (image_index * rows + places[:, 0]) * columns + places[:, 1], return_inverse=True
    )
    image_and_row, column = np.divmod(keys, columns)
    of_image, row = np.divmod(image_and_row, rows)
    pixels_per_patch = image_sizes[of_image] / grid_sizes[of_image]
    centers = (np.stack([row, column], axis=1) + 0.5) * pixels_per_patch - 0.5
    return Patches(
        index.astype(np.int64), np.ascontiguousarray(centers[:, ::-1], dtype=np.float32), of_image
    )
