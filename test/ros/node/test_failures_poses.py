"""What goes wrong with poses and clocks: what is published then, and what is said."""

from __future__ import annotations

from functools import partial

import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

from nav_msgs.msg import Odometry
from ros_graph import (
    ERROR,
    OK,
    ONE_PER_QUADRANT,
    WARN,
    labels_of,
    seconds_of,
    stamp,
    values_of,
)

pytestmark = pytest.mark.ros


@pytest.fixture
def start(start_robot):
    """Start a robot whose poses come from odometry."""
    return partial(start_robot, pose_source="odometry")


def label_at(robot, stamp_s):
    """Label a sweep between two poses."""
    for pose_s in (stamp_s - 0.1, stamp_s + 0.1):
        robot.publish_pose(pose_s)
    return robot.label(stamp_s)


def test_poses_that_stop_before_the_sweeps_are_a_warning_then_an_error(start):
    robot = start(tf_timeout=0.05, input_timeout=60.0)
    label_at(robot, 1.0)
    robot.send_until(lambda: robot.has("tf", WARN, "of the sweeps lost"), 5.0)
    item = robot.diagnosis("tf")
    assert "no transform map <- base_link at " in item.message
    assert "'map' <- 'base_link' is known from 0.900 s to 1.100 s" in item.message
    assert 0 < float(values_of(item)["lost ratio"]) < 1
    assert robot.labelled_s == [1.0]
    assert robot.set_parameters(input_timeout=0.1) == [(True, "")]

    def is_error():
        robot.publish_pose(1.2)  # odometry is alive, its clock is not
        return robot.has("tf", ERROR, "no transform map <- base_link")

    robot.send_until(is_error, 50.0)
    label_at(robot, 100.0)
    assert robot.labelled_s == [1.0, 100.0]


def test_odometry_whose_cable_is_pulled_is_named(start):
    robot = start(tf_timeout=0.05, input_timeout=0.3)
    label_at(robot, 1.0)
    robot.pull("odometry")
    robot.send_until(lambda: robot.has("tf", ERROR, "no odometry on /odom (publishers: 0)"), 5.0)
    assert robot.labelled_s == [1.0]
    robot.publishers["odometry"] = robot.driver.create_publisher(Odometry, "/odom", 50)
    label_at(robot, 100.0)


def test_without_poses_single_sweeps_are_labelled_outside_of_the_map_if_asked_for(start, segmenter):
    robot = start(tf_timeout=0.05, on_missing_tf="single")
    label_at(robot, 1.0)
    robot.spin_until(lambda: robot.received.maps)
    assert labels_of(robot.label(5.0, [[20, 20, 0, 0]])) == [0]
    assert len(segmenter.map().points) == len(ONE_PER_QUADRANT)
    item = robot.spin_until_diagnosed("tf", "no transform map <- base_link")
    assert item.level == WARN


def test_a_sweep_waits_no_longer_than_asked_for_a_pose(start):
    robot = start(use_sim_time=True, tf_timeout=0.2)
    robot.set_clock(10.0)
    robot.publish_pose(9.9)
    robot.send(10.0)
    robot.spin_until(lambda: robot.inputs["lidar"].received)
    robot.set_clock(10.15)
    robot.publish_pose(10.1)
    robot.spin_until(lambda: robot.labelled_s == [10.0])
    robot.send(10.2)
    robot.spin_until(lambda: robot.inputs["lidar"].received == 2)
    robot.set_clock(10.5)
    robot.spin_until_diagnosed("tf", "50 % of the sweeps lost; /points at 10.200000")
    robot.publish_pose(10.3)
    label_at(robot, 10.6)
    assert robot.labelled_s == [10.0, 10.6]


def test_a_pose_without_a_rotation_is_left_out_and_named(start):
    robot = start()
    broken = Odometry(child_frame_id="base_link")
    broken.header.frame_id, broken.header.stamp = "map", stamp(1.0)
    broken.pose.pose.orientation.w = 0.0
    robot.publishers["odometry"].publish(broken)
    item = robot.spin_until_diagnosed("tf", "/odom: ", "quaternion")
    assert (item.level, values_of(item)["bad transform"]) == (WARN, "1")
    label_at(robot, 2.0)


def test_a_lidar_whose_extrinsics_are_unknown_is_named_with_the_way_out(start):
    robot = start(tf_timeout=0.05)
    for stamp_s in (1.0, 2.0):
        robot.publish_pose(stamp_s)
    robot.send(1.5, frame="velodyne")
    item = robot.spin_until_diagnosed(
        "tf", "'velodyne' is unknown", "name it in an extrinsics file"
    )
    assert (item.level, values_of(item)["no extrinsics"]) == (WARN, "1")
    assert robot.received.points == []


def test_a_clock_set_back_resets_the_map_and_is_no_fault(start, segmenter, capfd):
    robot = start(use_sim_time=True, tf_timeout=10.0)
    robot.set_clock(100.0)
    label_at(robot, 100.0)
    robot.send(100.3)  # waits for its pose
    robot.spin_until(lambda: robot.inputs["lidar"].received == 2)
    robot.set_clock(3.0)
    robot.publish_pose(2.9)
    robot.send(100.4)  # was on its way
    robot.spin_until(lambda: robot.inputs["lidar"].received == 3)
    robot.send(3.0, [[5, 5, 0, 10]])
    robot.spin_until(lambda: robot.inputs["lidar"].received == 4)
    robot.publish_pose(3.1)
    robot.spin_until(lambda: robot.labelled_s == [100.0, 3.0])
    assert segmenter.num_resets == 1
    item = robot.spin_until_item("inference", lambda item: values_of(item)["labelled"] == "2")
    values = values_of(item)
    assert (item.level, values["time jumps"], values["from before a time jump"]) == (OK, "1", "2")
    assert float(values["label age ms p95"]) < 1000
    robot.spin_until(lambda: robot.received.maps and seconds_of(robot.received.maps[-1]) == 3.0)
    assert robot.received.maps[-1].width == 1
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "backwards" in line]
    assert "INFO" in line
    assert "/odom: time ran backwards by 97.200 s; 1 waiting clouds" in line


def test_the_rest_of_a_queue_from_before_a_jump_makes_no_second_jump(start, segmenter):
    """A bag starts again: the cloud is there first, behind it comes the last of the poses."""
    robot = start(tf_timeout=10.0)
    label_at(robot, 100.0)
    robot.send(3.0)
    robot.spin_until(lambda: robot.inputs["lidar"].received == 2)
    for stamp_s in (100.12, 2.9, 3.1):
        robot.publish_pose(stamp_s)
    robot.spin_until(lambda: robot.labelled_s == [100.0, 3.0])
    item = robot.spin_until_item("inference", lambda item: values_of(item)["labelled"] == "2")
    assert values_of(item)["time jumps"] == "1"
    assert values_of(item)["from before a time jump"] == "0"
    assert segmenter.num_resets == 1
