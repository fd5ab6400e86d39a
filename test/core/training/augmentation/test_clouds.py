import numpy as np

from clip2scene_core.training.augmentation.clouds import rotate_and_flip


def test_augmentation_keeps_heights_distances_and_intensities():
    points = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    turned = rotate_and_flip(points, np.random.default_rng(1))
    np.testing.assert_array_equal(turned[:, 2:], points[:, 2:])
    np.testing.assert_allclose(
        np.linalg.norm(turned[:, :2], axis=1), np.linalg.norm(points[:, :2], axis=1), rtol=1e-5
    )
    assert np.abs(turned[:, :2] - points[:, :2]).max() > 0.1
