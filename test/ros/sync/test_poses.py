"""Extrinsics: rigid ones that are checked, others at the stamps; and odometry's frames."""

from __future__ import annotations

import math

import numpy as np
import pytest
import ros_messages

from clip2scene_core.geometry.transform_tree import TransformError
from clip2scene_ros.sync.extrinsics import StaticTransform
from clip2scene_ros.sync.poses import NoExtrinsicsError, SensorPoses

SECOND = 1_000_000_000


def transform(at_ns, parent, child, place, yaw_deg=0.0):
    """One TransformStamped."""
    (stamped,) = ros_messages.transforms((at_ns, parent, child, place)).transforms
    stamped.transform.rotation.z = math.sin(math.radians(yaw_deg) / 2)
    stamped.transform.rotation.w = math.cos(math.radians(yaw_deg) / 2)
    return stamped


def static(x, yaw_deg=0.0, child="lidar_top"):
    return transform(0, "base_link", child, (x, 0, 2), yaw_deg)


def extrinsics_at(poses, now_s, at_s=0, sensor="lidar_top"):
    return poses.T_base_sensor(sensor, at_s * SECOND, now_s * SECOND)[:3, 3].tolist()


def test_extrinsics_that_stay_within_the_tolerance_are_not_named():
    poses = SensorPoses("map", "base_link", "tf")
    poses.add_static_transform(static(1.0))
    assert extrinsics_at(poses, 0) == [1, 0, 2]
    poses.add_static_transform(static(1.0009, yaw_deg=0.009))
    assert extrinsics_at(poses, 6) == [1, 0, 2]
    assert poses.take_moves() == []


@pytest.mark.parametrize(
    ("moved", "fragment"),
    [
        (static(1.0011), "moved by 1.1 mm and 0.000 degrees"),
        (static(1.0, yaw_deg=0.02), "moved by 0.0 mm and 0.020 degrees"),
    ],
)
def test_extrinsics_that_moved_are_named_once_and_the_new_ones_count(moved, fragment):
    poses = SensorPoses("map", "base_link", "tf")
    poses.add_static_transform(static(1.0))
    extrinsics_at(poses, 0)
    poses.add_static_transform(moved)
    expected = moved.transform.translation.x
    assert extrinsics_at(poses, 1) == [expected, 0, 2]
    (move,) = poses.take_moves()
    assert move.startswith(f"base_link <- lidar_top {fragment}")
    assert "rigid_extrinsics" in move
    assert extrinsics_at(poses, 7) == [expected, 0, 2]
    assert poses.take_moves() == []


def test_extrinsics_on_moving_tf_are_looked_up_again_after_five_seconds():
    poses = SensorPoses("map", "base_link", "tf")
    poses.add_transform(transform(1 * SECOND, "base_link", "lidar_top", (1, 0, 2)))
    assert extrinsics_at(poses, 1) == [1, 0, 2]
    poses.add_transform(transform(2 * SECOND, "base_link", "lidar_top", (3, 0, 2)))
    assert extrinsics_at(poses, 5) == [1, 0, 2]
    assert poses.take_moves() == []
    assert extrinsics_at(poses, 6) == [3, 0, 2]
    assert len(poses.take_moves()) == 1


def test_rigid_extrinsics_outlive_a_jump_in_time():
    poses = SensorPoses("map", "base_link", "tf")
    poses.add_transform(transform(100 * SECOND, "base_link", "lidar_top", (1, 0, 2)))
    extrinsics_at(poses, 100)
    poses.clear()
    assert extrinsics_at(poses, 3) == [1, 0, 2]
    poses.add_transform(transform(4 * SECOND, "base_link", "lidar_top", (5, 0, 2)))
    assert extrinsics_at(poses, 4) == [5, 0, 2]  # not only after five more seconds
    assert len(poses.take_moves()) == 1


def test_extrinsics_that_move_on_the_robot_are_looked_up_at_the_stamp():
    poses = SensorPoses("map", "base_link", "tf", rigid_extrinsics=False)
    for second, x in ((1, 0), (2, 4)):
        poses.add_transform(transform(second * SECOND, "base_link", "lidar_top", (x, 0, 2)))
    assert poses.T_base_sensor("lidar_top", 1_500_000_000, 0)[0, 3] == pytest.approx(2.0)
    with pytest.raises(TransformError) as error:
        extrinsics_at(poses, 9, at_s=3)
    assert error.value.kind == "future"
    with pytest.raises(NoExtrinsicsError, match="'cam_front' is unknown"):
        extrinsics_at(poses, 9, at_s=1, sensor="cam_front")
    assert poses.take_moves() == []


def test_odometry_under_other_names_says_which_frames_it_has():
    poses = SensorPoses("map", "base_link", "odometry")
    poses.add_odometry(ros_messages.odometry(SECOND, "odom", "base_footprint", (5, 0, 0)))
    with pytest.raises(TransformError) as error:
        poses.T_fixed_base(SECOND)
    assert (
        "odometry is odom <- base_footprint, and fixed_frame is map, base_frame base_link"
        in str(error.value)
    )


def test_odometry_of_another_frame_of_the_robot_needs_the_edges_between():
    poses = SensorPoses("map", "base_link", "odometry")
    poses.add_odometry(ros_messages.odometry(SECOND, "odom", "base_footprint", (5, 0, 0)))
    poses.add_static_transform(transform(0, "base_footprint", "base_link", (0, 0, 0.5)))
    poses.add_static_transform(transform(0, "map", "odom", (100, 0, 0)))
    # /tf says the same of the odometry's frame as odometry does, a little differently.
    poses.add_transform(transform(SECOND, "odom", "base_footprint", (7, 0, 0)))
    assert poses.T_fixed_base(SECOND)[:3, 3].tolist() == [105, 0, 0.5]


@pytest.mark.parametrize(("parent", "child"), [("", ""), ("", "base_link"), ("map", "")])
def test_odometry_without_frames_is_that_of_the_robot_and_said_once(caplog, parent, child):
    poses = SensorPoses("map", "base_link", "odometry")
    poses.add_odometry(ros_messages.odometry(SECOND, parent, child, (5, 0, 0)))
    poses.add_odometry(ros_messages.odometry(2 * SECOND, parent, child, (6, 0, 0)))
    assert poses.T_fixed_base(SECOND)[:3, 3].tolist() == [5, 0, 0]
    assert len(caplog.records) == 1
    assert "taken as map <- base_link" in caplog.text


@pytest.mark.parametrize("frames", ["/map", "map"])
def test_leading_slashes_of_frames_do_not_count_as_in_tf2(frames):
    poses = SensorPoses(frames, frames.replace("map", "base_link"), "tf")
    for slash, at_s, x in (("/", 1, 1.0), ("", 2, 3.0)):
        poses.add_transform(transform(at_s * SECOND, f"{slash}map", f"{slash}base_link", (x, 0, 0)))
    poses.add_static_transform(static(0.5, child="/lidar_top"))
    poses.add_static([StaticTransform("/lidar_top", "/cam_front", np.eye(4))])
    place = poses.T_fixed_sensor("/cam_front", "lidar_top", 3 * SECOND // 2, 0)[:3, 3]
    np.testing.assert_allclose(place, [2.5, 0, 2])


def test_leading_slashes_of_odometry_do_not_count():
    poses = SensorPoses("odom", "base_link", "odometry")
    poses.add_odometry(ros_messages.odometry(SECOND, "/odom", "/base_link", (5, 0, 0)))
    # The same edge on /tf is not used beside it, with or without a slash.
    poses.add_transform(transform(SECOND, "odom", "/base_link", (9, 0, 0)))
    assert poses.T_fixed_base(SECOND)[:3, 3].tolist() == [5, 0, 0]


def test_without_a_pose_source_a_camera_is_located_from_the_lidar():
    poses = SensorPoses("map", "base_link", "none")
    poses.add_static_transform(static(1.0))
    poses.add_static_transform(static(1.5, child="cam_front"))
    T_lidar_camera = poses.T_fixed_sensor("cam_front", "lidar_top", 0, 0)
    np.testing.assert_allclose(T_lidar_camera[:3, 3], [0.5, 0, 0])
    np.testing.assert_array_equal(poses.T_fixed_sensor("lidar_top", "lidar_top", 0, 0), np.eye(4))
