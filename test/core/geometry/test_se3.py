from __future__ import annotations

import math

import numpy as np
import pytest

from clip2scene_core.geometry.se3 import (
    displacement,
    interpolate,
    invert,
    matrix_from_quaternion,
    quaternion_from_matrix,
    transform_points,
)

HALF = 0.5**0.5


@pytest.mark.parametrize(
    ("quaternion_wxyz", "x_axis_goes_to"),
    [
        ([1, 0, 0, 0], [1, 0, 0]),
        ([HALF, 0, 0, HALF], [0, 1, 0]),  # 90 degrees about z
        ([HALF, 0, HALF, 0], [0, 0, -1]),  # 90 degrees about y
        ([0, 1, 0, 0], [1, 0, 0]),  # 180 degrees about x
        ([0, 0, 0, 5], [-1, 0, 0]),  # 180 degrees about z, not of unit length
    ],
)
def test_a_quaternion_turns_the_x_axis_where_it_should(quaternion_wxyz, x_axis_goes_to):
    transform = matrix_from_quaternion(quaternion_wxyz, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(transform[:3, 0], x_axis_goes_to, atol=1e-12)
    np.testing.assert_array_equal(transform[:3, 3], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(transform[3], [0, 0, 0, 1])


@pytest.mark.parametrize(
    "quaternion_wxyz", [[0, 0, 0, 0], [np.nan, 0, 0, 1], [np.inf, 0, 0, 1], [1, 0, 0]]
)
def test_a_quaternion_that_is_no_rotation_is_refused(quaternion_wxyz):
    with pytest.raises(ValueError, match="quaternion must be 4 finite numbers"):
        matrix_from_quaternion(quaternion_wxyz, [0, 0, 0])


@pytest.mark.parametrize("translation", [[np.nan, 0, 0], [0, 0], 0.0])
def test_a_translation_that_is_no_place_is_refused(translation):
    with pytest.raises(ValueError, match="translation must be 3 finite numbers"):
        matrix_from_quaternion([1, 0, 0, 0], translation)


def test_quaternions_survive_the_way_through_a_matrix():
    random = np.random.default_rng(0)
    exact_half_turns = np.eye(4)
    for quaternion in np.vstack([random.normal(size=(50, 4)), exact_half_turns]):
        unit = quaternion / np.linalg.norm(quaternion)
        back = quaternion_from_matrix(matrix_from_quaternion(quaternion, [0, 0, 0]))
        assert back[0] >= 0
        assert abs(back @ unit) == pytest.approx(1.0)  # q and -q are one rotation


def test_the_inverse_undoes_the_transform():
    transform = matrix_from_quaternion([0.9, 0.1, -0.3, 0.4], [600_000.0, -4e6, 12.0])
    np.testing.assert_allclose(invert(transform) @ transform, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(invert(transform), np.linalg.inv(transform), atol=1e-6)


def test_points_are_turned_then_moved():
    T_odom_lidar = matrix_from_quaternion([HALF, 0, 0, HALF], [10.0, 0.0, 2.0])
    points = transform_points(T_odom_lidar, np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 1.0]]))
    np.testing.assert_allclose(points, [[10.0, 1.0, 2.0], [8.0, 0.0, 3.0]], atol=1e-12)


def test_no_points_stay_no_points():
    assert transform_points(np.eye(4), np.empty((0, 3), dtype=np.float32)).shape == (0, 3)


def test_single_precision_points_far_from_the_origin_keep_their_millimetres():
    T_global_lidar = matrix_from_quaternion([1, 0, 0, 0], [600_000.0, 0.0, 0.0])
    points = transform_points(T_global_lidar, np.array([[1.001, 0, 0]], dtype=np.float32))
    assert points.dtype == np.float64
    assert points[0, 0] - 600_000.0 == pytest.approx(1.001, abs=1e-6)


@pytest.mark.parametrize(
    ("fraction", "yaw_deg", "x"), [(0.0, 0, 1.0), (0.25, 25, 2.0), (1.0, 100, 5.0)]
)
def test_interpolation_turns_and_moves_evenly(fraction, yaw_deg, x):
    before, after = yawed(0, 1.0), yawed(100, 5.0)
    np.testing.assert_allclose(interpolate(before, after, fraction), yawed(yaw_deg, x), atol=1e-9)


def test_interpolation_takes_the_shortest_arc():
    between = interpolate(yawed(170, 0.0), yawed(-170, 0.0), 0.5)
    np.testing.assert_allclose(between, yawed(180, 0.0), atol=1e-9)


def test_interpolation_between_equal_transforms_is_that_transform():
    np.testing.assert_allclose(interpolate(yawed(33, 2), yawed(33, 2), 0.7), yawed(33, 2))


def yawed(yaw_deg: float, x: float) -> np.ndarray:
    half = np.radians(yaw_deg) / 2
    return matrix_from_quaternion([np.cos(half), 0, 0, np.sin(half)], [x, 0, 0])


def test_displacement_measures_millimetres_and_hundredths_of_a_degree():
    half = math.radians(0.02) / 2
    before = matrix_from_quaternion([1, 0, 0, 0], [1, 2, 3])
    after = matrix_from_quaternion([math.cos(half), 0, math.sin(half), 0], [1, 2.003, 3.004])
    distance_m, angle_rad = displacement(before, after)
    assert distance_m == pytest.approx(0.005)
    assert math.degrees(angle_rad) == pytest.approx(0.02, rel=1e-6)


def test_displacement_of_half_a_turn_is_pi():
    half_turn = matrix_from_quaternion([0, 0, 0, 1], [0, 0, 0])
    assert displacement(np.eye(4), half_turn) == (0.0, pytest.approx(math.pi))
