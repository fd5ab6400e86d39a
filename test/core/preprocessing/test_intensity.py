"""One scale of intensity for all sensors."""

import numpy as np
import pytest

from clip2scene_core.preprocessing.intensity import normalize_intensity


def test_ranks_are_the_share_of_darker_points():
    ranks = normalize_intensity(np.array([10.0, 20, 20, 40]), "rank")
    np.testing.assert_allclose(ranks, [0.125, 0.5, 0.5, 0.875])
    assert ranks.dtype == np.float32


def test_no_response_of_a_sensor_changes_ranks():
    values = np.random.default_rng(0).integers(1, 256, 30_000).astype(np.float32)
    ranks = normalize_intensity(values, "rank")
    for response in (values / 255, values**2, np.log(values), 7 * values + 3):
        np.testing.assert_array_equal(normalize_intensity(response, "rank"), ranks)
    assert ranks.mean() == pytest.approx(0.5, abs=0.01)
    exact = (values[:, None] > np.arange(256)).mean(axis=0)
    np.testing.assert_allclose(ranks[values == 128].mean(), 1 - exact[128], atol=0.02)


def test_a_constant_and_what_is_not_finite_say_nothing():
    np.testing.assert_array_equal(normalize_intensity(np.full(9, 0.3), "rank"), 0.5)
    broken = normalize_intensity(np.array([np.nan, 1, 2, np.inf]), "rank")
    np.testing.assert_allclose(broken, [0.5, 0.25, 0.75, 0.5])
    np.testing.assert_array_equal(normalize_intensity(np.array([np.nan]), "rank"), 0.5)
    assert normalize_intensity(np.zeros(0), "rank").shape == (0,)


@pytest.mark.parametrize("how", ["raw", "rank", "none"])
def test_what_is_not_known_becomes_what_it_is_without_intensities(how):
    unknown = np.array([np.nan, np.inf, -np.inf], np.float32)
    without = normalize_intensity(np.zeros(3, np.float32), how)
    np.testing.assert_array_equal(normalize_intensity(unknown, how), without)


def test_raw_stays_and_none_is_a_half():
    values = np.array([0.0, 3.5], np.float32)
    np.testing.assert_array_equal(normalize_intensity(values, "raw"), values)
    np.testing.assert_array_equal(normalize_intensity(values, "none"), 0.5)
    with pytest.raises(ValueError, match="raw, rank, none"):
        normalize_intensity(values, "log")
