from __future__ import annotations

import math

import numpy as np
import pytest

from clip2scene_core.geometry.deskew import SweepMotion, deskew
from clip2scene_core.geometry.se3 import invert, matrix_from_quaternion, transform_points

SPEED_MPS = 10.0
TURN_RADPS = 0.5
SWEEP_S = 0.1


def driving(offset_s):
    """T_start_now of a vehicle in a steady turn to the left: 10 m/s on a circle of 20 m."""
    angle, radius_m = TURN_RADPS * offset_s, SPEED_MPS / TURN_RADPS
    place = [radius_m * math.sin(angle), radius_m * (1 - math.cos(angle)), 0.0]
    return matrix_from_quaternion([math.cos(angle / 2), 0, 0, math.sin(angle / 2)], place)


def steady_turn(first_s=0.0, last_s=SWEEP_S, num_moments=11):
    offsets_s = np.linspace(first_s, last_s, num_moments)
    return SweepMotion(offsets_s, np.array([driving(offset_s) for offset_s in offsets_s]))


def with_intensity(xyz):
    return np.column_stack([xyz, np.linspace(0, 1, len(xyz))]).astype(np.float32)


def test_a_standing_world_stands_still_after_a_steady_turn():
    random = np.random.default_rng(0)
    world = random.uniform(-40, 40, (500, 3))
    offsets_s = random.uniform(0, SWEEP_S, 500)
    measured = [
        transform_points(invert(driving(offset_s)), point[None])[0]
        for point, offset_s in zip(world, offsets_s, strict=True)
    ]
    points = with_intensity(np.array(measured))
    moved = deskew(points, offsets_s, steady_turn())
    assert np.abs(points[:, :3] - world).max() > 1.0  # what there is to correct
    assert np.abs(moved[:, :3] - world).max() < 1e-4
    np.testing.assert_array_equal(moved[:, 3], points[:, 3])


def test_the_stamp_may_be_the_sweeps_end():
    # Half-way back the vehicle was half a metre behind; it still saw the wall 10 m ahead then.
    T_stamp_moment = np.array([np.eye(4), np.eye(4)])
    T_stamp_moment[0, 0, 3] = -1.0
    moved = deskew(
        np.array([[10, 0, 0, 1], [10, 0, 0, 1]], np.float32),
        np.array([-0.05, 0.0]),
        SweepMotion(np.array([-0.1, 0.0]), T_stamp_moment),
    )
    np.testing.assert_allclose(moved, [[9.5, 0, 0, 1], [10, 0, 0, 1]])


def test_half_of_a_quarter_turn_is_an_eighth():
    quarter = matrix_from_quaternion(
        [math.cos(math.pi / 4), 0, 0, math.sin(math.pi / 4)], [0, 0, 0]
    )
    moved = deskew(
        np.array([[1, 0, 0, 0]], np.float32),
        np.array([0.05]),
        SweepMotion(np.array([0.0, 0.1]), np.array([np.eye(4), quarter])),
    )
    np.testing.assert_allclose(moved[0, :3], [math.sqrt(0.5), math.sqrt(0.5), 0], atol=1e-7)


def test_one_moment_is_enough_for_points_of_that_moment():
    points = with_intensity(np.array([[1.0, 2.0, 3.0]]))
    motion = SweepMotion(np.array([0.0]), np.eye(4)[None])
    np.testing.assert_array_equal(deskew(points, np.zeros(1), motion), points)


def test_points_that_are_not_finite_stay_in_place():
    points = with_intensity(np.array([[np.nan, 0, 0], [1, 0, 0], [np.inf, 0, 0]]))
    moved = deskew(points, np.array([0.0, 0.0, 0.05]), steady_turn())
    assert np.isfinite(moved).all(axis=1).tolist() == [False, True, False]
    np.testing.assert_array_equal(moved[1], points[1])


def test_an_empty_sweep_stays_empty():
    assert deskew(np.zeros((0, 4), np.float32), np.zeros(0), steady_turn()).shape == (0, 4)


def test_nothing_is_extrapolated():
    points = with_intensity(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"from 0\.000000 s to 0\.110000 s lie outside"):
        deskew(points, np.array([0.0, 0.11]), steady_turn())
    with pytest.raises(ValueError, match=r"2 points need as many times, got \(3,\)"):
        deskew(points, np.zeros(3), steady_turn())


def test_a_motion_that_does_not_rise_is_refused():
    with pytest.raises(ValueError, match="rise strictly"):
        SweepMotion(np.array([0.0, 0.0]), np.array([np.eye(4), np.eye(4)]))
    with pytest.raises(ValueError, match=r"got \(1, 4, 4\) for 2"):
        SweepMotion(np.array([0.0, 0.1]), np.eye(4)[None])
