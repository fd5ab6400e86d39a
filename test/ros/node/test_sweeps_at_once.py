"""Sweeps that are labelled side by side: each is published, in their order."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

from ros_graph import labels_of, released

pytestmark = pytest.mark.ros


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_sweep_begins_beside_a_slow_one_and_is_published_after_it(
    start_robot, segmenter, at_once
):
    robot = start_robot(sweeps_at_once=at_once)
    begun, may_end = [], threading.Event()

    def hold_first(sweep):
        begun.append(sweep.stamp_ns / 1e9)
        if sweep.stamp_ns == 1_000_000_000:
            may_end.wait(20)

    segmenter.before_add = hold_first
    with released(may_end):
        robot.send(1.0)
        robot.spin_until(lambda: begun == [1.0])
        robot.send(1.05)
        robot.spin_until(lambda: robot.inputs["lidar"].received == 2)
        if at_once == 2:
            robot.spin_until(lambda: begun == [1.0, 1.05])
        robot.spin_for(0.2)
        assert begun == [1.0, 1.05][:at_once]
        assert robot.labelled_s == []
    robot.spin_until(lambda: robot.labelled_s == [1.0, 1.05])
    assert [labels_of(cloud) for cloud in robot.received.points] == [[0, 1, 2, 3]] * 2


def test_a_sweep_that_fails_beside_another_loses_that_one_alone(start_robot, segmenter):
    robot = start_robot(sweeps_at_once=2)
    begun, both = threading.Event(), threading.Barrier(2, timeout=20)

    def fail_second(sweep):
        begun.set()
        both.wait()
        if sweep.stamp_ns == 1_050_000_000:
            raise RuntimeError("out of memory")

    segmenter.before_add = fail_second
    robot.send(1.0)
    robot.spin_until(begun.is_set)
    robot.send(1.05)
    robot.spin_until_diagnosed("inference", "the last sweep was lost: RuntimeError: out of memory")
    assert robot.labelled_s == [1.0]
    segmenter.before_add = lambda _sweep: None
    robot.label(1.1)
