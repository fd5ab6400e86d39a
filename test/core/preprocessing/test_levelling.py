"""Turned and shifted clouds become the same cloud."""

import numpy as np
import pytest
from street_sweep import moved, spin, turn

from clip2scene_core.preprocessing.ground import Ground, estimate_ground
from clip2scene_core.preprocessing.levelling import (
    GroundTracker,
    find_ground,
    level,
    level_transform,
)

HEIGHT_M = 1.84


def levelled(points, T_base_lidar=None):
    return level(points, HEIGHT_M, find_ground(points, T_base_lidar), T_base_lidar)


def assert_flat(points, max_error_m=0.02):
    ground = estimate_ground(points)
    assert ground.height_m == pytest.approx(HEIGHT_M, abs=max_error_m)
    assert ground.tilt_deg < 0.2


@pytest.mark.parametrize("height_m", [0.5, 1.84, 2.6])
@pytest.mark.parametrize("angles_deg", [(0, 0, 0), (3, 0, 0), (0, -8, 0), (-5, 6, 0)])
def test_height_and_tilt_of_the_sensor_leave_the_cloud(height_m, angles_deg):
    street = spin(height_m)
    reference = street.copy()
    reference[:, 2] += height_m - HEIGHT_M
    found = levelled(moved(street, turn(*angles_deg)))
    near = np.linalg.norm(reference[:, :2], axis=1) < 10
    difference_m = np.linalg.norm(found[near, :3] - reference[near, :3], axis=1)
    # A smallest rotation back from roll and pitch leaves a heading of their product.
    assert np.abs(found[near, 2] - reference[near, 2]).max() < 0.05
    assert np.median(difference_m) < 0.06
    assert_flat(found)
    np.testing.assert_array_equal(found[:, 3], street[:, 3])


def test_heading_is_kept():
    ground = Ground(np.array([0.0, np.sin(0.1), np.cos(0.1)]), 1.5)
    T_level_lidar = level_transform(HEIGHT_M, ground)
    np.testing.assert_allclose(T_level_lidar[:3, :3] @ ground.normal, [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(T_level_lidar[:3, 0], [1, 0, 0], atol=1e-12)
    assert T_level_lidar[2, 3] == pytest.approx(1.5 - HEIGHT_M)
    np.testing.assert_allclose(np.linalg.det(T_level_lidar), 1)


@pytest.mark.parametrize("angles_deg", [(180, 0, 0), (0, 15, 0), (90, 0, 0), (170, 20, 60)])
def test_extrinsics_bring_any_mounting_up(angles_deg):
    street = spin(1.5)
    T_base_lidar = turn(*angles_deg)
    T_base_lidar[:3, 3] = [1.0, 2.0, 30.0]  # where the base lies does not matter
    T_lidar_base = np.eye(4)
    T_lidar_base[:3, :3] = T_base_lidar[:3, :3].T
    found = levelled(moved(street, T_lidar_base), T_base_lidar)
    assert_flat(found)
    np.testing.assert_allclose(found[:, :2], street[:, :2], atol=0.1)


def test_without_a_ground_only_the_extrinsics_turn():
    T_base_lidar = turn(180, 0, 0)
    points = np.array([[3.0, 1.0, -2.0, 0.5]], np.float32)
    found = level(points, HEIGHT_M, None, T_base_lidar)
    np.testing.assert_allclose(found, [[3, -1, 2, 0.5]], atol=1e-6)
    np.testing.assert_array_equal(level(points, HEIGHT_M, None), points)


@pytest.mark.parametrize("wrong", [np.eye(3), 2 * np.eye(4), np.diag([1.0, 1, -1, 1])])
def test_what_is_no_rotation_is_refused(wrong):
    with pytest.raises(ValueError, match="right-handed rotation"):
        level_transform(HEIGHT_M, None, wrong)


def plane(height_m, tilt_deg=0.0):
    angle = np.radians(tilt_deg)
    return Ground(np.array([np.sin(angle), 0.0, np.cos(angle)]), height_m)


def test_the_tracker_smooths():
    tracker = GroundTracker(0.8)
    assert tracker.update(plane(1.0)).height_m == 1.0
    ground = tracker.update(plane(1.1, 1.0))
    assert ground.height_m == pytest.approx(1.02)
    assert ground.tilt_deg == pytest.approx(0.2, abs=0.01)
    assert np.linalg.norm(ground.normal) == pytest.approx(1)
    assert tracker.ground is ground
    tracker.reset()
    assert tracker.ground is None
    assert tracker.update(plane(2.0)).height_m == 2.0


def test_the_tracker_believes_a_jump_that_stays():
    tracker = GroundTracker(0.8)
    tracker.update(plane(1.0))
    assert [tracker.update(plane(3.0)).height_m for _ in range(3)] == [1.0, 1.0, 3.0]
    tracker = GroundTracker(0.8)
    tracker.update(plane(1.0))
    heights = [tracker.update(plane(h)).height_m for h in (3.0, 1.0, 3.0, 2.0, 4.0)]
    assert heights == [1.0] * 5


def test_the_tracker_holds_the_ground_for_a_few_sweeps():
    tracker = GroundTracker(0.8)
    assert tracker.update(None) is None
    tracker.update(plane(1.0))
    held = [tracker.update(None) is not None for _ in range(7)]
    assert held == [True] * 5 + [False] * 2


def test_smoothing_can_be_switched_off():
    tracker = GroundTracker(0.0)
    tracker.update(plane(1.0))
    assert tracker.update(plane(1.4)).height_m == 1.4
    assert tracker.update(None) is None
    with pytest.raises(ValueError, match=r"in \[0, 1\), got 1"):
        GroundTracker(1.0)
