import warnings

import numpy as np
import pytest

from clip2scene_core.preprocessing.reach import is_usable

UP = np.array([0.5, 0.0, -3.0, 0.1], dtype=np.float32)
"""Three metres below the sensor: inside of the robot's circle."""
AHEAD = np.array([4.0, 0.5, -1.0, 0.1], dtype=np.float32)


def rolled(degrees: float) -> np.ndarray:
    """T_base_lidar of a LiDAR that is rolled about its x."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    T_base_lidar = np.eye(4)
    T_base_lidar[1:3, 1:3] = [[cosine, -sine], [sine, cosine]]
    T_base_lidar[:3, 3] = 0.3, 0.0, 1.2
    return T_base_lidar


def test_near_far_and_broken_points_do_not_count():
    points = np.array([AHEAD, UP, AHEAD, AHEAD, AHEAD])
    points[2, 0], points[3, 1], points[4, 1] = 90, np.nan, np.inf
    assert is_usable(points).tolist() == [True, False, False, False, False]
    assert is_usable(points, ego_radius_m=0.4)[1]


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf])
def test_a_point_whose_intensity_is_not_known_counts(unknown):
    points = np.array([AHEAD, AHEAD])
    points[0, 3] = unknown
    assert is_usable(points).all()


@pytest.mark.parametrize("degrees", [0, 15, 90, 180])
def test_the_circle_of_the_robot_is_level_however_the_sensor_is_mounted(degrees):
    T_base_lidar = rolled(degrees)
    in_base = np.random.default_rng(0).uniform(-4, 4, (500, 4)).astype(np.float32)
    in_lidar = in_base.copy()
    in_lidar[:, :3] = in_base[:, :3] @ T_base_lidar[:3, :3].astype(np.float32)
    usable = is_usable(in_lidar, T_base_lidar=T_base_lidar)
    np.testing.assert_array_equal(usable, is_usable(in_base))
    assert 0 < usable.sum() < 500
    if degrees == 90:
        assert (is_usable(in_lidar) != usable).sum() > 50


def test_what_is_no_rotation_is_refused():
    with pytest.raises(ValueError, match="T_base_lidar must be a"):
        is_usable(np.array([AHEAD]), T_base_lidar=2 * np.eye(4))


def test_points_that_are_not_finite_are_no_warning():
    points = np.array([AHEAD, AHEAD, AHEAD])
    points[0, :3], points[1, :3] = np.inf, (np.inf, -np.inf, 3e38)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert is_usable(points, T_base_lidar=rolled(15)).tolist() == [False, False, True]
