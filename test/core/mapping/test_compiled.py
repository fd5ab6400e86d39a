"""The compiled loop of free space finds what NumPy finds."""

import numpy as np
import pytest

from clip2scene_core.mapping import free_space


@pytest.fixture
def compiled():
    return pytest.importorskip("clip2scene_core.mapping.compiled", reason="needs numba")


def image_of(share_measured, num_rows, seed=0):
    """Smooth ranges with steps, measured in some pixels only."""
    generator = np.random.default_rng(seed)
    smooth = 20 + np.cumsum(generator.normal(0, 0.3, (num_rows, 720)), axis=1)
    steps = np.where(generator.random((num_rows, 720)) < 0.1, 9.0, 0.0)
    image = np.abs(smooth + steps).astype(np.float32) + np.float32(0.05)
    image[generator.random(image.shape) > share_measured] = np.inf
    return image


@pytest.mark.parametrize("size_m", [0.1, 0.4, 2.0])
@pytest.mark.parametrize("share_measured", [0.0, 0.02, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("num_rows", [1, 3, 60])
def test_both_find_the_same_intervals(compiled, monkeypatch, num_rows, share_measured, size_m):
    image = image_of(share_measured, num_rows)
    begins, ends = free_space._free_intervals(image, size_m)
    monkeypatch.setattr(free_space, "compiled_module", lambda _: None)
    expected_begins, expected_ends = free_space._free_intervals(image, size_m)
    np.testing.assert_array_equal(begins, expected_begins.ravel())
    np.testing.assert_array_equal(ends, expected_ends.ravel())
    assert begins.dtype == ends.dtype == np.float32


def test_both_carve_the_same_cubes(compiled, monkeypatch):
    generator = np.random.default_rng(2)
    points = (generator.normal(0, 1, (20_000, 3)) * [12, 12, 1.5]).astype(np.float32)
    centers = (generator.normal(0, 1, (5_000, 3)) * [8, 8, 1]).astype(np.float32)
    carved = free_space.seen_through(points, centers, 0.3)
    monkeypatch.setattr(free_space, "compiled_module", lambda _: None)
    np.testing.assert_array_equal(carved, free_space.seen_through(points, centers, 0.3))
    assert 0 < carved.sum() < len(carved)
