import numpy as np

from clip2scene_core.training.augmentation.images import crop_and_flip


def test_crops_and_flips_move_pixels_along():
    rows, columns = np.mgrid[0:64, 0:128]
    image = np.stack([columns * 2, rows * 4, np.zeros_like(rows)], axis=2).astype(np.uint8)
    pixels = np.random.default_rng(0).uniform([1, 1], [126, 62], (400, 2)).astype(np.float32)
    num_flipped = num_cropped = 0
    for seed in range(20):
        varied, moved, is_inside = crop_and_flip(image, pixels, np.random.default_rng(seed))
        assert varied.shape == image.shape
        assert is_inside.mean() > 0.5
        u, v = np.rint(moved[is_inside]).astype(int).T
        # What the picture shows there is what it showed before: its colour tells the place.
        np.testing.assert_allclose(varied[v, u, 0] / 2, pixels[is_inside, 0], atol=2)
        np.testing.assert_allclose(varied[v, u, 1] / 4, pixels[is_inside, 1], atol=2)
        num_flipped += int(varied[0, 0, 0] > varied[0, -1, 0])
        num_cropped += int(not is_inside.all())
    assert 4 < num_flipped < 16
    assert num_cropped > 5
