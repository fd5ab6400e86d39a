"""A ROS graph in one process: the node under test, a driver in the robot's place, an executor."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from fake_segmenter import FakeSegmenter
from nav_msgs.msg import Odometry
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import String

from clip2scene_ros import segment_node
from clip2scene_ros.segment_node import SegmentNode
from clip2scene_ros.sync.extrinsics import StaticTransform, save_extrinsics

ONE_PER_QUADRANT = [[5, 5, 0, 10], [-5, 5, 0, 20], [5, -5, 0, 30], [-5, -5, 0, 40]]
POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("intensity", "<f4"), ("ring", "<f4")])

OK, WARN, ERROR = b"\0", b"\1", b"\2"

# The optical frame of a camera that looks ahead: its z is the vehicle's x.
T_BASE_CAMERA = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])

# Two contexts of one process that follow each other closely must not hear each other.
_DOMAINS = itertools.count(os.getpid() % 90 + 1)


class QuadrantSegmenter(FakeSegmenter):
    """A fake segmenter that knows no "unknown" prompt and can be held up by `before_add`."""

    def __init__(self):
        super().__init__()
        self.before_add = lambda _sweep: None

    def embed(self, prompts, template="ensemble"):
        if "unknown" in prompts:
            raise ValueError("prompt 'unknown' holds a word that the small CLIP never saw")
        return super().embed(prompts, template)

    def segment(self, sweep, cameras=()):
        self.before_add(sweep)
        return super().segment(sweep, cameras)


class Graph:
    """Node, driver and executor; everything the node publishes is kept in `received`."""

    def __init__(self, make_node, is_best_effort=False):
        self.context = Context()
        rclpy.init(context=self.context, domain_id=next(_DOMAINS) % 100 + 1)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.node = make_node(self.context)
        self.driver = rclpy.create_node("driver", context=self.context)
        for node in (self.node, self.driver):
            self.executor.add_node(node)
        reliability = (
            ReliabilityPolicy.BEST_EFFORT if is_best_effort else ReliabilityPolicy.RELIABLE
        )
        qos = QoSProfile(depth=50, reliability=reliability)
        self.publishers = {
            "cloud": self.driver.create_publisher(PointCloud2, "/points", qos),
            "odometry": self.driver.create_publisher(Odometry, "/odom", qos),
        }
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.received = SimpleNamespace(order=[])
        # The executor takes waiting messages in this order, so a legend that was published before
        # its cloud is also kept before it.
        self._listen("legends", String, "/clip2scene/legend", latched)
        self._listen("points", PointCloud2, "/clip2scene/points", 50)
        self._listen("maps", PointCloud2, "/clip2scene/map", latched)
        self._listen("diagnostics", DiagnosticArray, "/diagnostics", 10)

    def connect(self):
        """Wait until clouds would arrive; discovery takes a moment even inside one process."""
        outputs = ("/clip2scene/points", "/clip2scene/legend")
        self.spin_until(
            lambda: (
                self.publishers["cloud"].get_subscription_count()
                and all(self.node.count_subscribers(topic) for topic in outputs)
                and self.received.legends
            )
        )
        return self

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.driver.destroy_node()
        self.context.shutdown()

    @property
    def inputs(self):
        """The active node's subscriptions by what they feed."""
        return self.node.inputs.subscriptions

    def spin_until(self, condition, seconds=20.0):
        end_s = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end_s, "the graph did not get there in time"
            self.executor.spin_once(timeout_sec=0.02)

    def spin_for(self, seconds):
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.executor.spin_once(timeout_sec=0.02)

    def send(self, stamp_s, points=ONE_PER_QUADRANT, frame="lidar_top"):
        """Publish a cloud."""
        self.publishers["cloud"].publish(make_cloud(points, stamp_s, frame))

    def deliver(self, publisher, *messages):
        """Publish messages, and wait until the node has them: topics overtake each other."""
        (source,) = (s for s in self.inputs.values() if s.topic == publisher.topic_name)
        self.spin_until(publisher.get_subscription_count)
        before = source.received
        for message in messages:
            publisher.publish(message)
        self.spin_until(lambda: source.received >= before + len(messages))

    def publish_pose(self, stamp_s):
        message = Odometry(child_frame_id="base_link")
        message.header.frame_id = "map"
        message.header.stamp = stamp(stamp_s)
        message.pose.pose.position.x = stamp_s
        message.pose.pose.orientation.w = 1.0
        self.deliver(self.publishers["odometry"], message)

    def publish_camera(self, camera, image, info=None):
        """Deliver an image and, if given, its CameraInfo, on topics made at their first use."""
        for kind, message, topic in (
            ("info", info, f"/{camera}/camera_info"),
            ("image", image, f"/{camera}/image_rect_compressed"),
        ):
            if message is None:
                continue
            key = f"{camera} {kind}"
            if key not in self.publishers:
                self.publishers[key] = self.driver.create_publisher(type(message), topic, 5)
            self.deliver(self.publishers[key], message)

    def call(self, service_type, name, **request):
        """Call a service of the node; returns its response."""
        client = self.driver.create_client(service_type, f"/clip2scene/{name}")
        self.spin_until(client.service_is_ready)
        future = client.call_async(service_type.Request(**request))
        self.spin_until(future.done)
        self.driver.destroy_client(client)
        return future.result()

    def set_parameters(self, **values):
        """Set parameters as `ros2 param set` does; returns (successful, reason) of each."""
        parameters = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
        answer = self.call(SetParameters, "set_parameters", parameters=parameters)
        return [(result.successful, result.reason) for result in answer.results]

    def set_together(self, **values):
        """Set parameters all or none; returns (successful, reason)."""
        parameters = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
        answer = self.call(
            SetParametersAtomically, "set_parameters_atomically", parameters=parameters
        )
        return answer.result.successful, answer.result.reason

    def diagnosis(self, name):
        """The newest diagnostic item of this name; None before the first one."""
        return next(
            (
                status
                for array in reversed(self.received.diagnostics)
                for status in array.status
                if status.name == f"clip2scene: {name}"
            ),
            None,
        )

    def spin_until_item(self, name, condition):
        """Wait for a diagnostic item that meets the condition; return it."""
        self.spin_until(lambda: (item := self.diagnosis(name)) is not None and condition(item))
        return self.diagnosis(name)

    def spin_until_diagnosed(self, name, *fragments):
        """Wait for a bad item whose message holds all the fragments; return it."""
        return self.spin_until_item(
            name,
            lambda item: item.level != OK and all(part in item.message for part in fragments),
        )

    def _listen(self, name, message_type, topic, qos):
        messages = []
        setattr(self.received, name, messages)

        def keep(message):
            messages.append(message)
            self.received.order.append((name, message))

        self.driver.create_subscription(message_type, topic, keep, qos)


@contextlib.contextmanager
def released(event: threading.Event):
    """Release a blocked segmenter however the test ends, or the node could not stop."""
    try:
        yield event
    finally:
        event.set()


def stamp(seconds):
    nanoseconds = round(seconds * 1e9)
    return rclpy.time.Time(nanoseconds=nanoseconds).to_msg()


def seconds_of(message):
    return message.header.stamp.sec + message.header.stamp.nanosec * 1e-9


def make_cloud(points, stamp_s, frame="lidar_top"):
    """Build a cloud of nuScenes' 20-byte points; points is (N, 4)."""
    array = np.zeros(len(points), dtype=POINT)
    for column, name in enumerate(("x", "y", "z", "intensity")):
        array[name] = np.asarray(points, dtype=np.float32).reshape(-1, 4)[:, column]
    message = PointCloud2(height=1, width=len(points), point_step=20, row_step=20 * len(points))
    message.header.frame_id, message.header.stamp = frame, stamp(stamp_s)
    message.fields = [
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate(POINT.names)
    ]
    message.data = array.tobytes()
    return message


def make_image(stamp_s, frame="cam_front"):
    """Build a raw grey image of 4 x 2 pixels."""
    message = Image(height=2, width=4, step=12, encoding="rgb8", data=bytes([128] * 24))
    message.header.frame_id, message.header.stamp = frame, stamp(stamp_s)
    return message


def make_compressed(stamp_s, jpeg, frame="cam_front"):
    message = CompressedImage(format="jpeg", data=jpeg)
    message.header.frame_id, message.header.stamp = frame, stamp(stamp_s)
    return message


def make_info(focal_px=2.0):
    message = CameraInfo(height=2, width=4)
    message.header.frame_id = "cam_front"
    message.k = [focal_px, 0.0, 2.0, 0.0, focal_px, 1.0, 0.0, 0.0, 1.0 if focal_px else 0.0]
    return message


def labels_of(cloud):
    """Read the labels of a published cloud by its own field table."""
    (field,) = (field for field in cloud.fields if field.name == "label")
    assert field.datatype == PointField.UINT32
    rows = np.frombuffer(bytes(cloud.data), np.uint8).reshape(-1, cloud.point_step)
    return rows[:, field.offset : field.offset + 4].copy().view("<u4")[:, 0].tolist()


def values_of(item):
    """The numbers and names behind a diagnostic item."""
    return {pair.key: pair.value for pair in item.values}


def names_of(legend):
    return [entry["name"] for entry in json.loads(legend.data)["classes"]]


def write_extrinsics(folder, T_base_lidar=None, T_base_camera=T_BASE_CAMERA):
    """Write the extrinsics of the LiDAR and both cameras; returns the path as a parameter."""
    path = folder / "extrinsics.yaml"
    lidar = StaticTransform(
        "base_link", "lidar_top", np.eye(4) if T_base_lidar is None else T_base_lidar
    )
    names = ("cam_front", "cam_back")
    cameras = [StaticTransform("base_link", name, T_base_camera) for name in names]
    save_extrinsics(path, [lidar, *cameras])
    return str(path)


@contextlib.contextmanager
def starting_graphs(make_segmenter, monkeypatch, kind=Graph, diagnostics_period_s=0.2, **defaults):
    """Give a function that starts a graph with parameters over `defaults`; all end with it.

    It waits until clouds would arrive, unless `is_heard` is false or the node waits for a manager.
    """
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setattr(segment_node, "_DIAGNOSTICS_PERIOD_S", diagnostics_period_s)
    graphs = []

    def start(is_best_effort=False, is_heard=True, make_segmenter=make_segmenter, **parameters):
        values = defaults | parameters
        overrides = [Parameter(k.replace("__", "."), value=v) for k, v in values.items()]
        make_node = partial(SegmentNode, make_segmenter, parameter_overrides=overrides)
        graph = kind(make_node, is_best_effort)
        graphs.append(graph)
        return graph.connect() if is_heard and values.get("autostart", True) else graph

    try:
        yield start
    finally:
        for graph in graphs:
            graph.close()
