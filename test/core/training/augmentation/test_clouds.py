from dataclasses import replace

import numpy as np
import pytest
from small_clouds import ANY_SENSOR, make_sweep

from clip2scene_core.config.augmentation import SensorAugmentationConfig
from clip2scene_core.config.sections import InputConfig
from clip2scene_core.training.augmentation.clouds import augment_cloud, rotate_and_flip

RAW = InputConfig()


def test_turning_keeps_heights_distances_and_intensities():
    points = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    turned = rotate_and_flip(points, np.random.default_rng(1))
    np.testing.assert_array_equal(turned[:, 2:], points[:, 2:])
    np.testing.assert_allclose(
        np.linalg.norm(turned[:, :2], axis=1), np.linalg.norm(points[:, :2], axis=1), rtol=1e-5
    )
    assert np.abs(turned[:, :2] - points[:, :2]).max() > 0.1


@pytest.mark.parametrize("cloud", [True, False])
def test_what_is_off_changes_nothing_and_draws_nothing(cloud):
    points, one, other = make_sweep(), np.random.default_rng(3), np.random.default_rng(3)
    augmented, kept = augment_cloud(points, SensorAugmentationConfig(), RAW, one, cloud)
    expected = rotate_and_flip(points, other) if cloud else points
    np.testing.assert_array_equal(augmented, expected)
    assert augmented.dtype == np.float32
    assert not np.shares_memory(augmented, points)
    assert kept.tolist() == list(range(len(points)))
    assert one.random() == other.random()


def test_survivors_are_named_in_order_and_their_points_are_theirs():
    points = make_sweep()
    quiet = replace(
        ANY_SENSOR, beam_gain=0, intensity_range=0, intensity_gamma=0,
        intensity_noise=0, intensity_dropout=0,
    )  # fmt: skip
    num_kept = []
    for seed in range(30):
        augmented, kept = augment_cloud(
            points, quiet, RAW, np.random.default_rng(seed), may_rotate=False
        )
        assert (np.diff(kept) > 0).all()
        np.testing.assert_array_equal(augmented[:, 3], points[kept, 3])  # identifies each point
        shift_m = np.linalg.norm(augmented[:, :3] - points[kept, :3], axis=1)
        # 10 % of scale and 3 degrees of tilt, then height, waves and jitter.
        assert (shift_m < 0.16 * np.linalg.norm(points[kept, :3], axis=1) + 0.55).all()
        assert shift_m.max() > 0
        num_kept.append(len(kept))
    assert min(num_kept) < 0.4 * len(points) < 0.8 * len(points) < max(num_kept)


def test_equal_generators_augment_alike_and_the_input_stays():
    points = make_sweep()
    before = points.copy()
    first, kept = augment_cloud(points, ANY_SENSOR, RAW, np.random.default_rng((0, 1, 2)))
    again, kept_again = augment_cloud(points, ANY_SENSOR, RAW, np.random.default_rng((0, 1, 2)))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(kept, kept_again)
    assert first.dtype == np.float32
    assert kept.dtype == np.int64
    np.testing.assert_array_equal(points, before)
    later, _ = augment_cloud(points, ANY_SENSOR, RAW, np.random.default_rng((0, 2, 2)))
    assert later.shape != first.shape or not np.array_equal(later, first)


@pytest.mark.parametrize("num_points", [0, 1, 2])
def test_a_cloud_keeps_a_point_if_it_has_one(num_points):
    certain = replace(
        ANY_SENSOR, own_robot=1, sector_dropout=1, beam_dropout=1, range_dropout=1,
        point_dropout=0.99,
    )  # fmt: skip
    for seed in range(20):
        points = make_sweep()[:num_points]
        augmented, kept = augment_cloud(points, certain, RAW, np.random.default_rng(seed))
        assert len(augmented) == len(kept) >= min(1, num_points)


def test_a_cloud_is_leveled_before_the_sensor_moves_and_told_at_the_end():
    ground = np.random.default_rng(0).uniform(-20, 20, (4000, 4)).astype(np.float32)
    ground[:, 2], ground[:, 3] = -0.6, np.linspace(0, 9, len(ground))
    told = InputConfig(level=True, sensor_height_m=1.84, intensity="rank")
    raised = SensorAugmentationConfig(height_m=0.3)
    heights = set()
    for seed in range(5):
        cloud, _ = augment_cloud(ground, raised, told, np.random.default_rng(seed))
        assert np.ptp(cloud[:, 2]) < 0.01
        assert cloud[:, 2].mean() == pytest.approx(-1.84, abs=0.31)
        heights.add(round(float(cloud[:, 2].mean()), 3))
        assert cloud[0, 3] < 0.01 < 0.99 < cloud[-1, 3] <= 1
    assert len(heights) == 5
