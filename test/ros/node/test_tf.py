"""The node on the true /tf and /tf_static, over the true middleware."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from checkout import ROOT

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import rclpy
import ros_graph
from geometry_msgs.msg import TransformStamped
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_graph import (
    ERROR,
    OK,
    ONE_PER_QUADRANT,
    WARN,
    Graph,
    QuadrantSegmenter,
    labels_of,
    make_cloud,
    seconds_of,
    values_of,
)
from sensor_msgs.msg import PointCloud2

from clip2scene_ros import segment_node
from clip2scene_ros.node import inputs
from clip2scene_ros.node.health import checks, statistics
from clip2scene_ros.segment_node import SegmentNode
from clip2scene_ros.sync import pending

pytestmark = pytest.mark.ros

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
SCRIPT = """
import sys
sys.path[:0] = ["test/helpers", "test/helpers/ros"]
from clip2scene_ros import segment_node
from ros_graph import QuadrantSegmenter

segment_node.make_segmenter = lambda values: QuadrantSegmenter()
sys.exit(segment_node.main(["--ros-args", "-p", "pose_source:=tf"]))
"""


def edge(parent, child, stamp_s=0.0, x=0.0, z=0.0):
    transform = TransformStamped(child_frame_id=child)
    transform.header.frame_id, transform.header.stamp = parent, ros_graph.stamp(stamp_s)
    transform.transform.translation.x, transform.transform.translation.z = float(x), float(z)
    return transform


@pytest.fixture
def start(tf2_msgs, monkeypatch):
    """Start a graph whose extrinsics were latched before the node came up, and wait for them."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setattr(inputs, "TFMessage", tf2_msgs.message)
    monkeypatch.setattr(segment_node, "_DIAGNOSTICS_PERIOD_S", 0.2)
    monkeypatch.setattr(statistics, "_RECENT_S", 30.0)
    tf_message = tf2_msgs.message
    segmenter = QuadrantSegmenter()
    graphs = []
    publishing = []  # a node that nobody holds is collected, and what it latched goes with it

    def start_graph(extrinsics_qos=LATCHED, **parameters):
        overrides = [
            Parameter(name, value=value)
            for name, value in {"pose_source": "tf", "cameras": ["cam_front"], **parameters}.items()
        ]

        def make_node(context):
            publisher_node = rclpy.create_node("extrinsics", context=context)
            if extrinsics_qos is not None:
                latched = publisher_node.create_publisher(tf_message, "/tf_static", extrinsics_qos)
                latched.publish(tf_message(transforms=[edge("base_link", "lidar_top", z=1.8)]))
            publishing.append(publisher_node)
            return SegmentNode(lambda _: segmenter, context, overrides)

        graph = Graph(make_node)
        graphs.append(graph)
        graph.segmenter, graph.tf_message = segmenter, tf_message
        tf = graph.driver.create_publisher(tf_message, "/tf", 100)
        graph.publish_tf = lambda *edges: graph.deliver(tf, tf_message(transforms=list(edges)))
        graph.connect()
        graph.spin_until(
            lambda: graph.inputs["tf_static"].received or extrinsics_qos is not LATCHED
        )
        return graph

    yield start_graph
    for node in publishing:
        node.destroy_node()
    for graph in graphs:
        graph.close()


def test_the_pose_is_interpolated_on_tf_and_the_extrinsics_are_from_tf_static(start):
    graph = start()
    graph.publish_tf(edge("map", "odom", 1.0, x=100), edge("odom", "base_link", 1.0, x=0))
    graph.publish_tf(edge("map", "odom", 2.0, x=100), edge("odom", "base_link", 2.0, x=8))
    graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.25))
    graph.spin_until(lambda: graph.received.points)
    (sweep,) = graph.segmenter.sweeps
    np.testing.assert_allclose(sweep.T_global_lidar[:3, 3], [102.0, 0, 1.8])
    np.testing.assert_allclose(sweep.T_base_lidar[:3, 3], [0, 0, 1.8])
    assert labels_of(graph.received.points[0]) == [0, 1, 2, 3]


def test_a_sweep_waits_for_the_transform_after_its_stamp(start):
    graph = start(tf_timeout=5.0)
    graph.publish_tf(edge("map", "base_link", 1.0, x=1))
    graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.5))
    graph.spin_until(lambda: graph.inputs["lidar"].received)
    graph.spin_for(0.2)
    assert graph.received.points == []
    graph.publish_tf(edge("map", "base_link", 2.0, x=3))
    graph.spin_until(lambda: graph.received.points)
    np.testing.assert_allclose(graph.segmenter.sweeps[0].T_global_lidar[:3, 3], [2.0, 0, 1.8])


def test_the_newest_transform_does_not_stand_in_for_the_one_at_the_stamp(start):
    graph = start(tf_timeout=0.1)
    graph.publish_tf(edge("map", "base_link", 1.0))
    graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.05))
    graph.spin_until_diagnosed("tf", "'map' <- 'base_link'", "0.050 s after")
    assert graph.received.points == []


def test_tf_that_stops_is_a_warning_then_an_error_and_ends_when_it_is_back(start):
    graph = start(tf_timeout=0.05, input_timeout=60.0)
    for stamp_s in (0.9, 1.1):
        graph.publish_tf(edge("map", "base_link", stamp_s))
    graph.send(1.0)
    graph.spin_until(lambda: len(graph.received.points) == 1)
    graph.send(5.0)
    item = graph.spin_until_diagnosed("tf", "50 % of the sweeps lost; /points at 5.000000: ")
    assert "'map' <- 'base_link' is known from 0.900 s to 1.100 s" in item.message
    assert (item.level, values_of(item)["no pose"]) == (WARN, "1")
    assert graph.set_parameters(input_timeout=0.1) == [(True, "")]

    num_sent = 1

    def is_error():
        nonlocal num_sent
        graph.send(6.0)
        num_sent += 1
        graph.spin_for(0.05)
        return graph.diagnosis("tf").level == ERROR

    graph.spin_until(is_error)
    # Or poses on both sides of it would save the last one.
    graph.spin_until_item("tf", lambda item: values_of(item)["no pose"] == str(num_sent))
    for stamp_s in (6.9, 7.1):
        graph.publish_tf(edge("map", "base_link", stamp_s))
    graph.send(7.0)
    graph.spin_until(lambda: len(graph.received.points) == 2)
    assert [seconds_of(cloud) for cloud in graph.received.points] == [1.0, 7.0]


def test_extrinsics_on_tf_static_come_late_and_are_taken(start):
    graph = start(tf_timeout=0.05)
    for stamp_s in (0.9, 1.7, 2.5, 3.1):
        graph.publish_tf(edge("map", "base_link", stamp_s))
    graph.send(1.0, frame="lidar_roof")
    item = graph.spin_until_diagnosed("tf", "frame 'lidar_roof' is unknown", "/tf_static")
    assert (item.level, values_of(item)["no extrinsics"]) == (WARN, "1")
    latched = graph.driver.create_publisher(graph.tf_message, "/tf_static", LATCHED)
    latched.publish(graph.tf_message(transforms=[edge("base_link", "lidar_roof", z=2.5)]))

    def is_labelled():
        graph.send(3.0, frame="lidar_roof")
        graph.spin_for(0.05)
        return graph.received.points

    graph.spin_until(is_labelled)
    np.testing.assert_allclose(graph.segmenter.sweeps[0].T_global_lidar[:3, 3], [0.0, 0, 2.5])


def test_extrinsics_that_are_not_latched_are_named_and_the_log_waits_for_them(start, capfd):
    graph = start(extrinsics_qos=QoSProfile(depth=1), tf_timeout=0.05)
    graph.publish_tf(edge("map", "base_link", 1.0))
    graph.send(1.0)
    item = graph.spin_until_diagnosed(
        "tf",
        "nothing came on /tf_static (publishers: 1, volatile, but latched is needed "
        "(transient local))",
    )
    assert "nothing came on /tf (" not in item.message
    assert values_of(item)["tf received"] == "1"
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "'lidar_top'" in line]
    assert "INFO" in line
    assert "tf: waiting: 100 % of the sweeps lost" in line


def test_clouds_that_wait_for_extrinsics_are_no_sign_of_slowness(start, monkeypatch):
    """The wait is longer than the queue: the clouds are dropped before their wait is over."""
    monkeypatch.setattr(pending, "_MAX_WAITING", 3)
    monkeypatch.setattr(checks, "_PATIENCE_S", 0.5)
    graph = start(extrinsics_qos=None, tf_timeout=10.0, max_drop_ratio=0.1)
    for index in range(3):
        graph.publish_tf(edge("map", "base_link", 0.1 * index))
        graph.send(0.1 * index)
    graph.spin_until_diagnosed(
        "tf", "no sweep has a pose yet; nothing came on /tf_static (publishers: 0)"
    )
    for index in range(3, 20):
        graph.publish_tf(edge("map", "base_link", 0.1 * index))
        graph.send(0.1 * index)
    graph.spin_until_diagnosed(
        "tf",
        "100 % of the sweeps lost; /points at ",
        "'lidar_top' is unknown",
        "nothing came on /tf_static (publishers: 0)",
    )
    item = graph.spin_until_item("inference", lambda item: values_of(item)["overtaken"] == "0")
    assert item.level == OK


def test_one_of_two_publishers_that_does_not_latch_is_named(start):
    graph = start(tf_timeout=0.05)
    others = graph.driver.create_publisher(graph.tf_message, "/tf_static", QoSProfile(depth=1))
    graph.spin_until(lambda: graph.node.count_publishers("/tf_static") == 2)
    assert others.topic_name == "/tf_static"
    graph.publish_tf(edge("map", "base_link", 1.0))
    graph.send(1.0, frame="lidar_roof")
    graph.spin_until_diagnosed(
        "tf",
        "'lidar_roof' is unknown",
        "some of it is missing: /tf_static (publishers: 2, 1 of them volatile, but latched is",
    )


def test_a_node_in_its_own_process_hears_tf(tf2_msgs):
    own_graph = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_DOMAIN_ID": str(os.getpid() % 100 + 1),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own_graph.items():
            patch.setenv(name, value)
        driver = Driver(tf2_msgs.message)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env={**tf2_msgs.environment, **own_graph}
    )
    try:
        # A minute goes by on a busy machine before torch is imported.
        driver.spin_until(lambda: driver.received or process.poll() is not None, seconds=300)
        assert process.poll() is None, "the node ended"
    finally:
        process.terminate()
        process.wait(30)
        driver.close()
    assert seconds_of(driver.received[0]) == 1.5
    assert labels_of(driver.received[0]) == [0, 1, 2, 3]


class Driver:
    """A robot that sends extrinsics, its pose around 1.5 s and a cloud, twenty times a second."""

    def __init__(self, tf_message):
        self.tf_message = tf_message
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("driver", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.received = []
        self.node.create_subscription(PointCloud2, "/clip2scene/points", self.received.append, 10)
        self.extrinsics = self.node.create_publisher(tf_message, "/tf_static", LATCHED)
        self.poses = self.node.create_publisher(tf_message, "/tf", 10)
        self.clouds = self.node.create_publisher(PointCloud2, "/points", 5)
        self.extrinsics.publish(tf_message(transforms=[edge("base_link", "lidar_top")]))

    def spin_until(self, condition, seconds):
        end_s = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end_s, "no labelled cloud came in time"
            if self.clouds.get_subscription_count() and self.poses.get_subscription_count():
                for stamp_s in (1.0, 2.0):
                    self.poses.publish(
                        self.tf_message(transforms=[edge("map", "base_link", stamp_s)])
                    )
                self.clouds.publish(make_cloud(ONE_PER_QUADRANT, 1.5))
            self.executor.spin_once(timeout_sec=0.05)

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.shutdown()
