"""What any buffer of transforms must answer: ours, and tf2's where it is installed.

Our tree gives poses to the node and to bags alike. That it stands in for tf2 holds because both
pass these tests.
"""

from __future__ import annotations

import numpy as np
import pytest

from clip2scene_core.geometry.se3 import invert, matrix_from_quaternion
from clip2scene_core.geometry.transform_tree import TransformError

SECOND = 1_000_000_000
HISTORY_S = 10.0


def moved(x, y=0.0, z=0.0, yaw_deg=0.0):
    half = np.radians(yaw_deg) / 2
    return matrix_from_quaternion([np.cos(half), 0, 0, np.sin(half)], [x, y, z])


def assert_close(transform, expected):
    np.testing.assert_allclose(transform, expected, atol=1e-9)


def kind_of_failure(tree, target, source, stamp_ns):
    with pytest.raises(TransformError) as error:
        tree.lookup(target, source, stamp_ns)
    return error.value.kind


class TransformContract:
    """The tests; a subclass says in the fixture `make_tree` what makes a buffer."""

    @pytest.fixture
    def tree(self, make_tree):
        """odom -> base moves 10 m and turns 90 degrees in 1 s; base -> lidar, camera are fixed."""
        tree = make_tree(HISTORY_S)
        tree.set_transform(moved(0.0), "odom", "base", 100 * SECOND)
        tree.set_transform(moved(10.0, yaw_deg=90), "odom", "base", 101 * SECOND)
        tree.set_static_transform(moved(1.0, z=2.0), "base", "lidar")
        tree.set_static_transform(moved(1.5, z=1.5, yaw_deg=180), "base", "camera")
        return tree

    def test_a_moving_frame_is_interpolated_between_its_stamps(self, tree):
        assert_close(tree.lookup("odom", "base", 100_500_000_000), moved(5.0, yaw_deg=45))
        assert_close(tree.lookup("odom", "base", 100_250_000_000), moved(2.5, yaw_deg=22.5))

    def test_a_rotation_about_a_slanted_axis_turns_evenly(self, make_tree):
        axis, angle = np.array([1.0, 2.0, 2.0]) / 3, 2.0

        def turned(fraction):
            half = angle * fraction / 2
            return matrix_from_quaternion([np.cos(half), *(np.sin(half) * axis)], [0, 0, fraction])

        tree = make_tree(HISTORY_S)
        tree.set_transform(turned(0.0), "odom", "base", 10 * SECOND)
        tree.set_transform(turned(1.0), "odom", "base", 11 * SECOND)
        assert_close(tree.lookup("odom", "base", 10_300_000_000), turned(0.3))

    def test_the_shorter_way_round_is_taken(self, make_tree):
        tree = make_tree(HISTORY_S)
        tree.set_transform(moved(0.0, yaw_deg=170), "odom", "base", 2 * SECOND)
        tree.set_transform(moved(0.0, yaw_deg=190), "odom", "base", 3 * SECOND)
        assert_close(tree.lookup("odom", "base", 2_500_000_000), moved(0.0, yaw_deg=180))

    def test_a_stamp_of_today_is_exact_to_the_nanosecond(self, make_tree):
        tree, begin_ns = make_tree(HISTORY_S), 1_700_000_000_123_456_789
        tree.set_transform(moved(0.0), "odom", "base", begin_ns)
        tree.set_transform(moved(1.0), "odom", "base", begin_ns + 1000)
        assert_close(tree.lookup("odom", "base", begin_ns + 250), moved(0.25))

    def test_the_ends_of_the_known_range_are_answered(self, tree):
        assert_close(tree.lookup("odom", "base", 100 * SECOND), moved(0.0))
        assert_close(tree.lookup("odom", "base", 101 * SECOND), moved(10.0, yaw_deg=90))

    def test_nothing_is_extrapolated(self, tree):
        assert kind_of_failure(tree, "odom", "lidar", 101_250_000_000) == "future"
        assert kind_of_failure(tree, "odom", "lidar", 98_500_000_000) == "past"

    def test_one_transform_is_known_at_its_stamp_only(self, make_tree):
        tree = make_tree(HISTORY_S)
        tree.set_transform(moved(3.0), "odom", "base", 7 * SECOND)
        assert_close(tree.lookup("odom", "base", 7 * SECOND), moved(3.0))
        with pytest.raises(TransformError):
            tree.lookup("odom", "base", 7 * SECOND + 1)
        with pytest.raises(TransformError):
            tree.lookup("odom", "base", 7 * SECOND - 1)

    def test_a_chain_is_walked_up_and_down(self, tree):
        # At 101 s the base stands at x = 10 and looks along +y; the LiDAR is a metre ahead of it.
        T_odom_lidar = moved(10.0, 1.0, 2.0, yaw_deg=90)
        assert_close(tree.lookup("odom", "lidar", 101 * SECOND), T_odom_lidar)
        assert_close(tree.lookup("lidar", "odom", 101 * SECOND), invert(T_odom_lidar))

    def test_fixed_frames_are_known_at_any_stamp(self, tree):
        T_camera_lidar = moved(0.5, 0.0, 0.5, yaw_deg=180)
        assert_close(tree.lookup("camera", "lidar", 5 * SECOND), T_camera_lidar)
        assert_close(tree.lookup("camera", "lidar", 500 * SECOND), T_camera_lidar)

    def test_a_known_frame_in_itself_is_the_identity(self, tree):
        assert_close(tree.lookup("base", "base", 5 * SECOND), np.eye(4))

    def test_an_unknown_frame_and_two_trees_are_errors(self, tree):
        tree.set_static_transform(moved(0.0), "other_base", "other_lidar")
        assert kind_of_failure(tree, "map", "lidar", 100 * SECOND) == "unknown_frame"
        assert kind_of_failure(tree, "base", "other_lidar", 100 * SECOND) == "not_connected"

    def test_latest_is_the_newest_stamp_that_all_frames_share(self, tree):
        tree.set_transform(moved(0.0), "map", "odom", 100 * SECOND)
        tree.set_transform(moved(4.0), "map", "odom", 100_500_000_000)
        # map -> odom ends at 100.5 s, where the base is at x = 5, turned by 45 degrees.
        assert_close(tree.latest("map", "base"), moved(9.0, yaw_deg=45))
        assert_close(tree.latest("odom", "base"), moved(10.0, yaw_deg=90))
        assert_close(tree.latest("base", "lidar"), moved(1.0, z=2.0))

    def test_transforms_may_come_out_of_order(self, tree):
        tree.set_transform(moved(8.0), "odom", "base", 100_500_000_000)
        assert_close(tree.lookup("odom", "base", 100_250_000_000), moved(4.0))

    def test_the_history_ends_after_its_length(self, make_tree):
        tree = make_tree(2.0)
        for second in range(1, 7):
            tree.set_transform(moved(float(second)), "odom", "base", second * SECOND)
        assert_close(tree.lookup("odom", "base", 4 * SECOND), moved(4.0))
        assert kind_of_failure(tree, "odom", "base", 2 * SECOND) == "past"
        tree.set_transform(moved(9.0), "odom", "base", SECOND)  # too late to be taken
        assert kind_of_failure(tree, "odom", "base", 2 * SECOND) == "past"

    def test_a_fixed_frame_that_is_sent_again_moves(self, tree):
        tree.set_static_transform(moved(3.0), "base", "lidar")
        assert_close(tree.lookup("base", "lidar", 7 * SECOND), moved(3.0))

    def test_clear_forgets_where_frames_moved(self, tree):
        tree.clear()
        with pytest.raises(TransformError):
            tree.lookup("odom", "base", 100 * SECOND)
