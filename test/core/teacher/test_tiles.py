"""Tiles of images: every pixel lies in the tile in which it is read."""

import numpy as np
import pytest

from clip2scene_core.teacher.tiles import WHOLE, Tile, TilePyramid


def found(pyramid, pixels, metre_px, size):
    pixels = np.array(pixels, dtype=np.float32)
    metre_px = np.full(len(pixels), metre_px, dtype=np.float32)
    return [Tile(*tile) for tile in pyramid.find(pixels, metre_px, size).tolist()]


@pytest.mark.parametrize(
    ("metre_px", "level"),
    [(np.inf, 0), (140.0, 0), (139.0, 1), (70.0, 1), (69.0, 2), (35.0, 2), (1.0, 2)],
)
def test_a_pixel_is_read_where_a_metre_has_pixels_enough(metre_px, level):
    # Whole images of 896 rows are seen with 224: 140 pixels of a metre become 35.
    pyramid = TilePyramid(num_levels=3, image_height=224, metre_px=35.0)
    assert found(pyramid, [[8.0, 8.0]], metre_px, (896, 1600)) == [Tile(level, 0, 0)]


def test_without_levels_whole_images_are_read():
    assert found(TilePyramid(), [[1500.0, 800.0]], 0.01, (896, 1600)) == [WHOLE]


@pytest.mark.parametrize("size", [(224, 400), (97, 203), (480, 300), (5, 64)])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_every_pixel_lies_in_its_tile(size, level):
    pyramid = TilePyramid(num_levels=4, image_height=64, metre_px=1.0)
    rows, columns = np.mgrid[: size[0], : size[1]].reshape(2, -1)
    pixels = np.stack([columns, rows], axis=1)
    metre_px = size[0] / (64 * 2.0**level) * 1.01
    tiles = found(pyramid, pixels, metre_px, size)
    seen = np.zeros(size, dtype=int)
    for (column, row), tile in zip(pixels.tolist(), tiles, strict=True):
        assert tile.level == level
        top, left, height, width = pyramid.box(tile, size)
        assert top <= row < top + height
        assert left <= column < left + width
    for tile in set(tiles):
        top, left, height, width = pyramid.box(tile, size)
        assert (height, width) == (-(-size[0] // 2**level), min(-(-size[0] // 2**level), size[1]))
        seen[top : top + height, left : left + width] += 1
    assert seen.min() == 1


def test_a_tile_is_cut_where_its_box_is():
    image = np.arange(6 * 10 * 3, dtype=np.uint8).reshape(6, 10, 3)
    pyramid = TilePyramid(num_levels=2)
    assert pyramid.box(Tile(1, 1, 3), (6, 10)) == (3, 7, 3, 3)
    np.testing.assert_array_equal(pyramid.cut(image, Tile(1, 1, 3)), image[3:, 7:])
    np.testing.assert_array_equal(pyramid.cut(image, WHOLE), image)
