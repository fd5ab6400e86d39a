"""A subscription takes what its publishers offer: latched messages, too."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo

from clip2scene_ros.node.subscription import SensorSubscription

pytestmark = pytest.mark.ros

VOLATILE, LATCHED = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL


@pytest.fixture
def graph():
    context = Context()
    rclpy.init(context=context)
    driver = rclpy.create_node("driver", context=context)
    node = rclpy.create_node("node", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(driver)
    executor.add_node(node)
    yield driver, node, executor
    executor.shutdown()
    context.shutdown()


def spin_until(executor, condition, *each):
    end_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end_s, "nothing came"
        executor.spin_once(timeout_sec=0.05)
        for step in each:
            step()


@pytest.mark.parametrize("durability", [LATCHED, VOLATILE])
def test_a_calibration_comes_latched_or_again_and_again(graph, durability):
    driver, node, executor = graph
    publisher = driver.create_publisher(
        CameraInfo, "/front/info", QoSProfile(depth=1, durability=durability)
    )
    publisher.publish(CameraInfo(width=7))  # before anybody listens
    taken = []
    subscription = SensorSubscription(
        node, CameraInfo, "/front/info", taken.append, 10, "auto", is_latched=None
    )
    again = [] if durability == LATCHED else [lambda: publisher.publish(CameraInfo(width=7))]
    spin_until(executor, lambda: taken, subscription.maintain, *again)
    assert taken[0].width == 7
    assert "volatile" not in subscription.describe()
