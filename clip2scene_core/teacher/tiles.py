"""Tiles of an image: far things are read from a part of it, as large as near ones in the whole.

A patch of CLIP covers more of a car the farther away that is. The LiDAR knows how far: each pixel
is read at the level at which a metre has pixels enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.teacher.windows import window_starts


class Tile(NamedTuple):
    """A part of an image that the teacher reads as if it were an image of its own.

    Attributes:
        level: 0 is the whole image; those of level k are enlarged 2^k times more.
        row: Counted from the top of the image.
        column: Counted from its left side.
    """

    level: int
    row: int
    column: int


WHOLE = Tile(0, 0, 0)
"""The only tile of level 0."""


@dataclass(frozen=True)
class TilePyramid:
    """The levels of images, each cut into tiles.

    Tiles of level k > 0 are squares of 2^-k of the image's height. They lie side by side; the last
    of a row or column ends where the image ends, over the one before.

    Attributes:
        num_levels: 1 for whole images alone.
        image_height: To which the teacher resizes a whole image and each tile, pixels.
        metre_px: Pixels, after resizing, that a metre should have. A pixel is read at the first
            level at which it has them, or at the last level.
    """

    num_levels: int = 1
    image_height: int = 224
    metre_px: float = 35.0

    def find(
        self, pixels: NDArray[np.float32], metre_px: NDArray[np.float32], size: tuple[int, int]
    ) -> NDArray[np.int64]:
        """Find the tile in which each pixel is read.

        Args:
            pixels: (P, 2) float32 [u, v]; whole numbers are the centres of pixels.
            metre_px: (P,) float32, pixels of the image that a metre has there; inf for level 0.
            size: (height, width) of the image, pixels.

        Returns:
            (P, 3) int64 [level, row, column].
        """
        needed = self.metre_px * size[0] / (self.image_height * metre_px)
        levels = np.ceil(np.log2(np.maximum(needed, 1.0))).clip(0, self.num_levels - 1)
        tiles = np.zeros((len(pixels), 3), dtype=np.int64)
        tiles[:, 0] = levels
        for level in range(1, self.num_levels):
            is_there = tiles[:, 0] == level
            side = self._side(level, size)
            for axis, length in ((1, size[0]), (2, size[1])):
                last = len(window_starts(length, side, side)) - 1
                place = np.floor((pixels[is_there, 2 - axis] + 0.5) / side).astype(np.int64)
                tiles[is_there, axis] = place.clip(0, last)
        return tiles

    def box(self, tile: Tile, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height and width of a tile of an image (height, width), all in pixels."""
        if tile.level == 0:
            return 0, 0, *size
        side = self._side(tile.level, size)
        top = window_starts(size[0], side, side)[tile.row]
        left = window_starts(size[1], side, side)[tile.column]
        return top, left, min(side, size[0]), min(side, size[1])

    def cut(self, image: NDArray[np.uint8], tile: Tile) -> NDArray[np.uint8]:
        """Cut a tile out of an image (H, W, 3): (h, w, 3), a view."""
        top, left, height, width = self.box(tile, image.shape[:2])
        return image[top : top + height, left : left + width]

    def _side(self, level: int, size: tuple[int, int]) -> int:
        """Edge of the tiles of a level, pixels of the image."""
        return max(1, -(-size[0] >> level))
