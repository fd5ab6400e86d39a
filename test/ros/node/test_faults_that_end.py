"""When a fault is over, and when it only seems so: what /diagnostics and the log say of it."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_graph import ERROR, ONE_PER_QUADRANT, WARN, make_cloud

from clip2scene_ros.node.health import diagnostics, statistics

pytestmark = pytest.mark.ros


@pytest.fixture(autouse=True)
def log_of_a_hasty_node(monkeypatch):
    monkeypatch.setattr(diagnostics, "_STEADY_S", 0.5)
    monkeypatch.setattr(diagnostics, "_PATIENCE_S", 0.0)


def change(robot, transition_id):
    request = Transition(id=transition_id)
    assert robot.call(ChangeState, "change_state", transition=request).success


def levels_during(robot, name, seconds):
    """The levels of a diagnostic item in the next seconds."""
    robot.received.diagnostics.clear()
    robot.spin_for(seconds)
    return [
        status.level
        for array in robot.received.diagnostics
        for status in array.status
        if status.name == f"clip2scene: {name}"
    ]


def test_a_new_activation_repairs_nothing(start_robot, capfd):
    robot = start_robot(input_timeout=0.3)
    robot.label(1.0)
    robot.pull("cloud")
    robot.spin_until_diagnosed("lidar", "no cloud on /points (publishers: 0)")
    change(robot, Transition.TRANSITION_DEACTIVATE)
    change(robot, Transition.TRANSITION_ACTIVATE)
    robot.spin_for(2.0)
    assert "works again" not in capfd.readouterr().err
    robot.plug_lidar()
    log = ""

    def is_told():
        nonlocal log
        log += capfd.readouterr().err
        return "lidar: works again" in log

    robot.send_until(is_told, 2.0)


def test_a_cloud_that_cannot_be_read_stays_a_fault_until_one_can(start_robot, monkeypatch, capfd):
    robot = start_robot(input_timeout=60.0)
    robot.label(1.0)
    monkeypatch.setattr(statistics, "_RECENT_S", 0.2)
    cloud = make_cloud(ONE_PER_QUADRANT, 2.0)
    cloud.fields = cloud.fields[1:]
    robot.publishers["cloud"].publish(cloud)
    robot.spin_until_diagnosed("lidar", "cloud has no x")
    assert set(levels_during(robot, "lidar", 1.5)) == {ERROR}
    assert "works again" not in capfd.readouterr().err
    robot.label(3.0)
    robot.spin_until(lambda: robot.has("lidar", b"\0", "clouds come in"))


def test_clouds_a_little_farther_apart_than_the_timeout_do_not_alternate(start_robot, capfd):
    robot = start_robot(input_timeout=0.5)
    robot.label(1.0)
    robot.spin_until_diagnosed("lidar", "no cloud on /points")
    levels, messages = [], set()
    for index in range(5):
        robot.send(2.0 + index)
        levels += levels_during(robot, "lidar", 0.7)
        messages.add(robot.diagnosis("lidar").message)
    assert set(levels) == {ERROR}
    assert "works again" not in capfd.readouterr().err


def test_nothing_is_called_slow_once_the_bag_has_ended(start_robot, segmenter, capfd):
    robot = start_robot(max_processing_ms=50.0, max_drop_ratio=0.1, input_timeout=60.0)
    segmenter.before_add = lambda _sweep: time.sleep(0.15)
    robot.send_until(lambda: robot.has("inference", WARN, "too slow"), 1.0)
    robot.spin_for(1.5)
    robot.spin_until(lambda: robot.diagnosis("inference").level == b"\0")
    capfd.readouterr()
    assert set(levels_during(robot, "inference", 1.5)) == {b"\0"}
    log = capfd.readouterr().err
    assert "too slow" not in log
    assert "works again" not in log


def test_the_first_cloud_after_a_long_wait_is_no_fault(start_robot, capfd):
    robot = start_robot(input_timeout=0.3)
    robot.spin_until_diagnosed("lidar", "no cloud on /points")
    capfd.readouterr()
    robot.label(1.0)
    robot.spin_until(lambda: robot.has("lidar", b"\0", "clouds come in"))
    assert "is slow" not in capfd.readouterr().err
