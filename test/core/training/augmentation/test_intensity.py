import numpy as np
from small_clouds import make_sweep

from clip2scene_core.config.augmentation import SensorAugmentationConfig
from clip2scene_core.training.augmentation.intensity import vary_intensity

POINTS = make_sweep()
POINTS[:, 3] *= 0.1  # nothing saturates
RANGE_M = np.linalg.norm(POINTS[:, :3], axis=1)
SEEDS = range(40)


def vary(seed: int, **options: float):
    config = SensorAugmentationConfig(**options)
    varied = vary_intensity(POINTS, config, np.random.default_rng(seed))
    np.testing.assert_array_equal(varied[:, :3], POINTS[:, :3])
    assert varied.dtype == np.float32
    assert 0 <= varied[:, 3].min() <= varied[:, 3].max() <= 1
    return varied[:, 3]


def test_gain_is_one_factor():
    factors = []
    for seed in SEEDS:
        factor = vary(seed, intensity_gain=6.0) / POINTS[:, 3]
        np.testing.assert_allclose(factor, factor[0], rtol=1e-4)
        factors.append(factor[0])
    assert 1 / 6.01 <= min(factors) < 0.25
    assert 4 < max(factors) <= 6.01
    assert 0.6 < np.exp(np.mean(np.log(factors))) < 1.7


def test_gamma_is_one_power():
    powers = []
    for seed in SEEDS:
        power = np.log(vary(seed, intensity_gamma=2.0)) / np.log(POINTS[:, 3])
        np.testing.assert_allclose(power, power[0], rtol=1e-3)
        powers.append(power[0])
    assert 0.5 <= min(powers) < 0.6
    assert 1.8 < max(powers) <= 2.001


def test_range_compensation_is_a_power_of_range():
    far, exponents = RANGE_M > 12, []
    for seed in SEEDS:
        factor = vary(seed, intensity_range=1.0)[far] / POINTS[far, 3]
        exponent = np.log(factor) / np.log(RANGE_M[far] / 10)
        np.testing.assert_allclose(exponent, exponent[0], atol=1e-2)
        exponents.append(exponent[0])
    assert -1.01 <= min(exponents) < -0.8 < 0.8 < max(exponents) <= 1.01


def test_noise_is_a_share_of_each_intensity():
    share = vary(0, intensity_noise=0.1) / POINTS[:, 3] - 1
    assert abs(share.mean()) < 0.01
    assert abs(share.std() - 0.1) < 0.01


def test_a_sweep_may_have_no_intensity():
    missing = [not vary(seed, intensity_dropout=0.3).any() for seed in range(200)]
    assert 0.2 < np.mean(missing) < 0.4
    kept = next(seed for seed, is_missing in enumerate(missing) if not is_missing)
    np.testing.assert_array_equal(vary(kept, intensity_dropout=0.3), POINTS[:, 3])


def test_bright_points_saturate():
    points = make_sweep()
    config = SensorAugmentationConfig(intensity_gain=6.0, intensity_noise=0.5)
    for seed in SEEDS:
        varied = vary_intensity(points, config, np.random.default_rng(seed))[:, 3]
        assert 0 <= varied.min() <= varied.max() <= 1


def test_what_is_not_known_stays_so_and_the_rest_is_varied_as_without_it():
    unknown = POINTS.copy()
    unknown[::3, 3], unknown[1::3, 3] = np.nan, np.inf
    config = SensorAugmentationConfig(intensity_gain=6.0, intensity_gamma=2.0, intensity_range=1.0)
    varied = vary_intensity(unknown, config, np.random.default_rng(0))
    expected = vary_intensity(POINTS, config, np.random.default_rng(0))
    np.testing.assert_array_equal(varied[2::3], expected[2::3])
    assert np.isnan(varied[::3, 3]).all()
    assert np.isnan(varied[1::3, 3]).all()


def test_colors_stay():
    colored = np.concatenate([POINTS, np.full((len(POINTS), 3), 0.25, np.float32)], axis=1)
    varied = vary_intensity(
        colored, SensorAugmentationConfig(intensity_gain=6.0), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(varied[:, 4:], colored[:, 4:])
    assert (varied[:, 3] != colored[:, 3]).any()
