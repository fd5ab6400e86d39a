"""Play a bag to the real node over the middleware, change the prompts, and record the answers."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Writer
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import String

from clip2scene_ros.bags.io import create_bag, open_bag, read_messages
from clip2scene_ros.bags.labelled_writer import (
    LEGEND_IMAGE_TOPIC,
    LEGEND_TOPIC,
    MAP_TOPIC,
    POINTS_TOPIC,
)
from clip2scene_ros.bags.messages import STORE, add_copy, read_message
from clip2scene_ros.bags.profile import profile_of
from clip2scene_ros.bags.segment import PromptChange, ReplaySummary
from clip2scene_ros.harness.node_process import (
    message_class,
    own_graph,
    random_domain,
    running_node,
)
from clip2scene_ros.messages.decode import NANOSECONDS, stamp_ns

_NODE_NAME: Final = "clip2scene"
_STARTUP_S: Final = 60.0
_ANSWER_S: Final = 20.0
_SPIN_S: Final = 0.05
_LAST_MAP_S: Final = 1.5  # the node publishes its map at most once a second


class GraphError(ConnectionError):
    """The node did not start, or did not answer."""


def run_through_node(
    bag: Path,
    out: Path,
    extrinsics: Path,
    change: PromptChange,
    progress: Callable[[int, int], None],
) -> ReplaySummary:
    """Play a bag to the node, one cloud at a time, and write its answers to a labelled bag.

    A cloud is sent once the cloud before it is answered. So every cloud is labelled on any machine,
    and the rate is what the node achieves.

    Args:
        bag: ROS 2 bag with odometry.
        out: Labelled bag to write.
        extrinsics: YAML file of extrinsics.
        change: New prompts, and when.
        progress: Called with the number of messages sent and their total.

    Returns:
        Counts and times.

    Raises:
        GraphError: If the node does not start or stops answering.
    """
    domain = random_domain()
    arguments = ["--log-level", "warn", "-r", "points:=/lidar_top"]
    arguments += ["-p", "pose_source:=odometry", "-p", f"extrinsics_file:={extrinsics}"]
    # The player waits for each answer, so on a slow machine sensors are silent without a fault.
    arguments += ["-p", "input_timeout:=60.0", "-p", "max_processing_ms:=60000.0"]
    with (
        open_bag(bag) as reader,
        create_bag(out) as writer,
        running_node(domain, arguments) as node_process,
        own_graph(domain, "clip2scene_demo") as (node, executor),
    ):
        cloud_topic = profile_of(reader).cloud_topic
        player = _Player(node, executor, node_process, writer)
        player.connect(reader.connections, cloud_topic)
        total = reader.message_count
        for index, (connection, at_ns, content) in enumerate(read_messages(reader)):
            if connection.topic == cloud_topic:
                player.send_cloud(connection, at_ns, content, change)
            else:
                player.send(connection, at_ns, content)
            progress(index + 1, total)
        player.collect_last_map()
        return player.summary()


class _Player:
    """The node that plays the bag and writes down the answers."""

    def __init__(
        self,
        node: Node,
        executor: SingleThreadedExecutor,
        node_process: subprocess.Popen[bytes],
        writer: Writer,
    ) -> None:
        self._node = node
        self._executor = executor
        self._node_process = node_process
        self._writer = writer
        self._publishers: dict[str, Publisher] = {}
        self._copies: dict[int, Connection] = {}
        self._own: dict[str, Connection] = {}
        self._answers: set[int] = set()
        self._num_points = 0
        self._arrived: list[tuple[str, Any]] = []
        self._latencies_ms: list[float] = []
        self._started = time.perf_counter()
        self._at_ns = 0
        self._first_ns: int | None = None
        self._has_changed = False

    def connect(self, connections: Sequence[Connection], cloud_topic: str) -> None:
        """Publish every topic whose type is installed, and wait until the node listens."""
        for connection in connections:
            with contextlib.suppress(ImportError):  # the ROS wheels have no tf2_msgs
                self._publishers[connection.topic] = self._node.create_publisher(
                    message_class(connection.msgtype), connection.topic, 10
                )
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        for topic, message_type, qos in (
            (LEGEND_TOPIC, String, latched),
            (LEGEND_IMAGE_TOPIC, Image, latched),
            (POINTS_TOPIC, PointCloud2, QoSProfile(depth=10)),
            (MAP_TOPIC, PointCloud2, latched),
        ):
            self._node.create_subscription(
                message_type,
                topic,
                partial(self._note, topic),
                qos,
            )
        cloud = self._publishers[cloud_topic]
        self._spin_until(
            lambda: (
                cloud.get_subscription_count() > 0 and self._node.count_publishers(POINTS_TOPIC) > 0
            ),
            _STARTUP_S,
            "the node did not start listening",
        )
        self._started = time.perf_counter()

    def send(self, connection: Connection, at_ns: int, content: bytes) -> None:
        """Copy one serialized message and publish it."""
        if connection.id not in self._copies:
            self._copies[connection.id] = add_copy(self._writer, connection)
        self._writer.write(self._copies[connection.id], at_ns, content)
        self._at_ns = at_ns
        if connection.topic in self._publishers:
            self._publishers[connection.topic].publish(bytes(content))

    def send_cloud(
        self, connection: Connection, at_ns: int, content: bytes, change: PromptChange
    ) -> None:
        """Change the prompts if it is time, publish a cloud, and wait for its labels."""
        stamp = stamp_ns(read_message(connection, content).header)
        self._first_ns = stamp if self._first_ns is None else self._first_ns
        if not self._has_changed and stamp - self._first_ns >= change.after_s * NANOSECONDS:
            self._change_prompts(change.prompts)
            self._has_changed = True
        sent = time.perf_counter()
        self.send(connection, at_ns, content)
        self._spin_until(
            lambda: stamp in self._answers, _ANSWER_S, f"no labels for the cloud at {stamp} ns"
        )
        self._latencies_ms.append(1000 * (time.perf_counter() - sent))

    def _change_prompts(self, prompts: Sequence[str]) -> None:
        """Set the node's parameter as `ros2 param set` does."""
        client = AsyncParameterClient(self._node, _NODE_NAME)
        future = client.set_parameters([Parameter("prompts", value=list(prompts))])
        self._spin_until(future.done, _ANSWER_S, "the node did not answer a parameter change")
        result = future.result().results[0]
        if not result.successful:
            raise GraphError(f"the node refused the prompts: {result.reason}")

    def collect_last_map(self) -> None:
        """Wait for the map with the last sweeps."""
        deadline = time.monotonic() + _LAST_MAP_S
        while time.monotonic() < deadline:
            self._spin_once()

    def summary(self) -> ReplaySummary:
        """Counts and times; every cloud was answered, so nothing was rejected."""
        seconds = time.perf_counter() - self._started - _LAST_MAP_S
        num_clouds = len(self._latencies_ms)
        return ReplaySummary(num_clouds, self._num_points, self._latencies_ms, seconds, {}, {})

    def _spin_until(self, condition: Callable[[], bool], seconds: float, complaint: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if self._node_process.poll() is not None:
                raise GraphError(f"the node stopped with status {self._node_process.returncode}")
            if time.monotonic() > deadline:
                raise GraphError(f"{complaint} within {seconds:.0f} s")
            self._spin_once()

    def _spin_once(self) -> None:
        self._executor.spin_once(timeout_sec=_SPIN_S)
        # A legend is written before the first cloud of its vocabulary, whichever arrived first.
        for topic, message in sorted(self._arrived, key=lambda arrival: arrival[0] == POINTS_TOPIC):
            self._write(topic, message)
            if topic == POINTS_TOPIC:
                self._answers.add(stamp_ns(message.header))
                self._num_points += message.width
        self._arrived.clear()

    def _note(self, topic: str, message: Any) -> None:
        self._arrived.append((topic, message))

    def _write(self, topic: str, message: Any) -> None:
        if topic not in self._own:
            package = type(message).__module__.split(".")[0]
            self._own[topic] = self._writer.add_connection(
                topic, f"{package}/msg/{type(message).__name__}", typestore=STORE
            )
        self._writer.write(self._own[topic], self._at_ns, serialize_message(message))
