import numpy as np
from small_clouds import make_sweep

from clip2scene_core.config.augmentation import SensorAugmentationConfig
from clip2scene_core.training.augmentation.placement import vary_placement

POINTS = make_sweep()
SEEDS = range(40)


def vary(seed: int, **options: float):
    config = SensorAugmentationConfig(**options)
    varied = vary_placement(POINTS, config, np.random.default_rng(seed))
    np.testing.assert_array_equal(varied[:, 3], POINTS[:, 3])
    assert varied.dtype == np.float32
    return varied[:, :3]


def test_height_shifts_the_whole_cloud():
    rises_m = []
    for seed in SEEDS:
        shift = vary(seed, height_m=0.3) - POINTS[:, :3]
        np.testing.assert_array_equal(shift[:, :2], 0)
        np.testing.assert_allclose(shift[:, 2], shift[0, 2], atol=1e-5)
        rises_m.append(shift[0, 2])
    assert -0.3 <= min(rises_m) < -0.2 < 0.2 < max(rises_m) <= 0.3


def test_tilt_turns_about_a_horizontal_axis():
    tilts_deg, headings = [], []
    for seed in SEEDS:
        tilted = vary(seed, tilt_deg=5.0)
        rotation = np.linalg.lstsq(POINTS[:, :3], tilted, rcond=None)[0].T
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
        assert np.linalg.det(rotation) > 0
        assert abs(rotation[1, 0] - rotation[0, 1]) < 1e-5  # nothing about z
        tilts_deg.append(np.rad2deg(np.arccos(rotation[2, 2])))
        headings.append(np.arctan2(rotation[1, 2], rotation[0, 2]))
    assert 0 <= min(tilts_deg) < 1
    assert 4 < max(tilts_deg) <= 5.01
    assert min(headings) < -2 < 2 < max(headings)


def test_scale_multiplies_all_coordinates():
    factors = []
    for seed in SEEDS:
        scaled = vary(seed, scale=0.1)
        factor = np.linalg.norm(scaled) / np.linalg.norm(POINTS[:, :3])
        np.testing.assert_allclose(scaled, POINTS[:, :3] * factor, rtol=1e-4)
        factors.append(factor)
    assert 0.9 <= min(factors) < 0.93 < 1.07 < max(factors) <= 1.1


def test_jitter_is_small_and_cut_off():
    shift = vary(0, jitter_m=0.02) - POINTS[:, :3]
    assert abs(shift.std() - 0.02) < 0.001
    assert 0.05 < np.abs(shift).max() <= 0.0601


def test_waves_lift_neighbors_alike_and_depend_on_the_place():
    heights_m = []
    for seed in SEEDS:
        shift = vary(seed, waves_m=0.2) - POINTS[:, :3]
        np.testing.assert_array_equal(shift[:, :2], 0)
        heights_m.append(np.abs(shift[:, 2]).max())
        # Two waves of 0.1 m, or one of 0.2 m, at least 5 m long, are at most this steep.
        gap = np.linalg.norm(np.diff(POINTS[:, :2], axis=0), axis=1)
        slope = np.abs(np.diff(shift[:, 2])) - 1e-4
        assert (slope <= 0.2 * 2 * np.pi / 5 * gap).all()
    assert max(heights_m) <= 0.2001
    assert max(heights_m) > 0.15
