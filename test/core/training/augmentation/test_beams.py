import numpy as np
import pytest
from small_clouds import make_sweep

from clip2scene_core.config.augmentation import SensorAugmentationConfig
from clip2scene_core.training.augmentation.beams import number_beams, vary_beams

NUM_BEAMS, COLUMNS = 16, 120
POINTS = make_sweep(NUM_BEAMS, COLUMNS)
SEEDS = range(40)


def vary(seed: int, points=POINTS, **options: float):
    config = SensorAugmentationConfig(**options)
    varied = vary_beams(points, config, np.random.default_rng(seed))
    assert varied.dtype == np.float32
    assert varied.shape == points.shape
    return varied


def by_beam(values):
    return np.asarray(values, dtype=np.float64).reshape(NUM_BEAMS, COLUMNS)


def elevation_deg(points):
    points = points.astype(np.float64)
    return np.rad2deg(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1])))


def azimuth_deg(points):
    return np.rad2deg(np.arctan2(points[:, 1].astype(np.float64), points[:, 0]))


def range_m(points):
    return np.linalg.norm(points[:, :3].astype(np.float64), axis=1)


def test_beams_are_found_by_their_elevation():
    for num_beams in (16, 32, 64):
        points = make_sweep(num_beams)
        assert number_beams(points).tolist() == np.repeat(np.arange(num_beams), 120).tolist()
        points[5, 2] += 0.012 * np.linalg.norm(points[5, :3])  # a stray point, still below the next
        assert number_beams(points).max() == num_beams - 1
    assert number_beams(np.zeros((0, 4), dtype=np.float32)).shape == (0,)


def test_a_cloud_without_beams_has_bands_of_elevation():
    generator = np.random.default_rng(0)
    elevation = np.deg2rad(generator.uniform(-20, 20, 20_000))
    points = np.stack([np.cos(elevation), 0 * elevation, np.sin(elevation), elevation], axis=1)
    beams = number_beams(points.astype(np.float32))
    assert 98 <= beams.max() + 1 <= 104  # 40 degrees in bands of 0.4
    order = np.argsort(elevation)
    assert (np.diff(beams[order]) >= 0).all()
    assert set(beams.tolist()) == set(range(beams.max() + 1))


def test_every_beam_has_one_offset_of_range_and_keeps_its_direction():
    spreads = []
    for seed in SEEDS:
        varied = vary(seed, beam_range_m=0.1)
        offset_m = by_beam(range_m(varied) - range_m(POINTS))
        np.testing.assert_allclose(offset_m, offset_m[:, :1].repeat(COLUMNS, 1), atol=2e-5)
        np.testing.assert_allclose(elevation_deg(varied), elevation_deg(POINTS), atol=1e-4)
        np.testing.assert_allclose(azimuth_deg(varied), azimuth_deg(POINTS), atol=1e-4)
        np.testing.assert_array_equal(varied[:, 3], POINTS[:, 3])
        assert np.abs(offset_m).max() <= 0.3001
        spreads.append(offset_m[:, 0].std())
    assert min(spreads) < 0.02 < 0.07 < max(spreads)  # sweeps are calibrated well or badly


def test_every_beam_has_one_error_of_elevation_and_keeps_its_ranges():
    errors = []
    for seed in SEEDS:
        varied = vary(seed, beam_elevation_deg=0.5)
        error_deg = by_beam(elevation_deg(varied) - elevation_deg(POINTS))
        np.testing.assert_allclose(error_deg, error_deg[:, :1].repeat(COLUMNS, 1), atol=2e-4)
        np.testing.assert_allclose(range_m(varied), range_m(POINTS), rtol=1e-5)
        np.testing.assert_allclose(azimuth_deg(varied), azimuth_deg(POINTS), atol=1e-4)
        errors.append(error_deg[:, 0])
    assert 0.1 < np.std(errors) < 0.5
    assert abs(np.mean(errors)) < 0.1


def test_a_point_above_the_sensor_stays_finite():
    straight_up = np.array([[0, 0, 4, 0.5], [0, 0, 0, 0.5]], dtype=np.float32)
    varied = vary(1, straight_up, beam_range_m=0.1, beam_elevation_deg=0.5, beam_gain=2.0)
    assert np.isfinite(varied).all()
    assert abs(varied[0, 2] - 4) < 0.31


def test_every_beam_has_one_gain_and_bright_points_saturate():
    dark = POINTS.copy()
    dark[:, 3] *= 0.1
    extremes = []
    for seed in SEEDS:
        varied = vary(seed, dark, beam_gain=3.0)
        np.testing.assert_array_equal(varied[:, :3], dark[:, :3])
        gain = by_beam(varied[:, 3] / dark[:, 3])
        np.testing.assert_allclose(gain, gain[:, :1].repeat(COLUMNS, 1), rtol=1e-4)
        assert 1 / 3.001 <= gain.min() <= gain.max() <= 3.001
        extremes.append(gain.max() / gain.min())
        assert vary(seed, beam_gain=3.0)[:, 3].max() <= 1
    assert min(extremes) < 1.5 < 5 < max(extremes)


@pytest.mark.parametrize("options", [{"beam_gain": 3.0}, {"beam_range_m": 0.1}])
def test_intensities_that_are_not_known_stay_so(options):
    unknown = POINTS.copy()
    unknown[::3, 3], unknown[1::3, 3] = np.nan, np.inf
    varied = vary(0, unknown, **options)
    np.testing.assert_array_equal(varied[2::3], vary(0, **options)[2::3])
    assert np.isnan(varied[::3, 3]).all()
    assert np.isposinf(varied[1::3, 3]).all()


def test_what_is_off_draws_nothing_and_an_empty_sweep_stays_empty():
    generator, other = np.random.default_rng(0), np.random.default_rng(0)
    assert vary_beams(POINTS, SensorAugmentationConfig(), generator) is POINTS
    assert generator.random() == other.random()
    assert len(vary(0, POINTS[:0], beam_range_m=0.1, beam_elevation_deg=0.1, beam_gain=2.0)) == 0
