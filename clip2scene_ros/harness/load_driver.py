"""Send a stream to the real node in real time, and account for every message."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Float64

from clip2scene_ros.bags.labelled_writer import POINTS_TOPIC
from clip2scene_ros.harness.load_report import LoadRun, Traffic
from clip2scene_ros.harness.load_stream import LoadStream, Sending
from clip2scene_ros.harness.node_process import (
    message_class,
    own_graph,
    random_domain,
    running_node,
)
from clip2scene_ros.messages.decode import NANOSECONDS, stamp_ns
from clip2scene_ros.sync.topics import Profile

_LATENCY_TOPIC: Final = "/clip2scene/debug/pipeline_latency_ms"
_STARTUP_S: Final = 120.0
_SETTLE_S: Final = 90.0
_IDLE_REPORTS: Final = 10
"""The node reports every second. After so many equal reports it will account for no more."""

_SPIN_S: Final = 0.05
_SAMPLE_S: Final = 1.0
_DEPTH: Final = 300  # messages that a busy node has not acknowledged must not be lost here
_DROPS: Final = {
    "inference": ("overtaken", "failed", "from before a time jump"),
    "lidar": ("bad clouds",),
    "tf": ("no pose", "no extrinsics"),
}
"""Keys of the node's diagnostics that count unlabelled sweeps, by item."""


class LoadError(ConnectionError):
    """The node did not start, or it ended."""


def run_under_load(
    stream: LoadStream,
    seconds: float,
    mode: str,
    extrinsics: Path,
    depth: int,
    parameters: Sequence[str],
    progress: Callable[[float], None],
) -> LoadRun:
    """Send a stream to the node in real time, and wait until it has accounted for every message.

    Args:
        stream: Messages to send.
        seconds: Time in which to send.
        mode: Mode of the node: "lidar", "camera" or "fused".
        extrinsics: YAML file of extrinsics.
        depth: Length of the node's queue for each input; 0 takes the node's default.
        parameters: Other parameters of the node, each as NAME:=VALUE.
        progress: Called with the seconds since the start.

    Returns:
        Counts, ages, memory and processor time.

    Raises:
        LoadError: If the node does not start, or ends.
    """
    domain = random_domain()
    arguments = ["--log-level", "warn", "-r", f"points:={stream.profile.cloud_topic}"]
    arguments += ["-r", f"odom:={stream.profile.odometry_topic}", "-p", f"mode:={mode}"]
    arguments += ["-p", "pose_source:=odometry", "-p", f"extrinsics_file:={extrinsics}"]
    arguments += ["-p", f"use_sim_time:={str(stream.is_simulated).lower()}"]
    # A slow machine must show in the measurements, and not as a fault of the node.
    arguments += ["-p", "input_timeout:=60.0", "-p", "max_processing_ms:=60000.0"]
    arguments += ["-p", "max_drop_ratio:=1.0"]
    for topic in _inputs(stream.profile, mode) if depth else ():
        arguments += ["-p", f"qos_overrides.{topic}.subscription.depth:={depth}"]
    for parameter in parameters:
        arguments += ["-p", parameter]
    with (
        running_node(domain, arguments) as process,
        own_graph(domain, "clip2scene_load") as (node, executor),
    ):
        load = _Load(node, executor, process, stream, mode)
        load.connect()
        load.send_for(seconds, progress)
        load.settle()
        return load.result()


class _Load:
    """The node that sends the robot's messages and reads the answers."""

    def __init__(
        self,
        node: Node,
        executor: SingleThreadedExecutor,
        process: subprocess.Popen[bytes],
        stream: LoadStream,
        mode: str,
    ) -> None:
        self._node = node
        self._executor = executor
        self._process = process
        self._stream = stream
        self._inputs = _inputs(stream.profile, mode)
        self._publishers: dict[str, Publisher] = {}
        self._clock: Publisher | None = None
        self._sent: Counter[str] = Counter()
        self._sent_s: dict[int, float] = {}
        self._values: dict[str, dict[str, str]] = {}
        self._num_reports = 0
        self._answered = 0
        self._ages_ms: list[float] = []
        self._reported_ages_ms: list[float] = []
        self._memory: list[tuple[float, int]] = []
        self._cpu_s = 0.0
        self._seconds = 0.0
        self._now_ns = 0

    def connect(self) -> None:
        """Create every topic, and wait until the node subscribes and its answers arrive."""
        for topic, message_type in self._stream.types.items():
            self._publishers[topic] = self._node.create_publisher(
                message_class(message_type), topic, _DEPTH
            )
        if self._stream.is_simulated:
            self._clock = self._node.create_publisher(Clock, "/clock", 10)
        for answer_class, topic, callback in (
            (PointCloud2, POINTS_TOPIC, self._on_points),
            (Float64, _LATENCY_TOPIC, self._on_latency),
            (DiagnosticArray, "/diagnostics", self._on_diagnostics),
        ):
            self._node.create_subscription(answer_class, topic, callback, QoSProfile(depth=20))
        subscribed = [self._publishers[topic] for topic in self._inputs]
        subscribed += [self._clock] if self._clock else []
        self._spin_until(
            lambda: (
                all(publisher.get_subscription_count() for publisher in subscribed)
                and all(map(self._node.count_publishers, (POINTS_TOPIC, _LATENCY_TOPIC)))
                # A subscriber that has not found its publisher yet misses the first messages.
                and all(self._count(input_, "publishers") for input_ in self._inputs.values())
            ),
            _STARTUP_S,
        )

    def send_for(self, seconds: float, progress: Callable[[float], None]) -> None:
        """Send the stream in real time; late messages are sent at once."""
        start_s, start_cpu_s = time.monotonic(), _cpu_s(self._process.pid)
        sample_due_s = 0.0
        for sending in self._stream.sendings:
            if sending.due_s >= seconds:
                break
            early_s = 1.0
            while early_s > 0:  # also once for a late message, so that answers do not queue up
                early_s = start_s + sending.due_s - time.monotonic()
                self._spin_once(max(0.0, min(early_s, _SPIN_S)))
            self._send(sending)
            now_s = time.monotonic() - start_s
            if now_s >= sample_due_s:
                self._memory.append((now_s, _memory(self._process.pid)))
                sample_due_s = now_s + _SAMPLE_S
                progress(now_s)
        self._seconds = time.monotonic() - start_s
        self._cpu_s = _cpu_s(self._process.pid) - start_cpu_s
        self._memory.append((self._seconds, _memory(self._process.pid)))
        progress(self._seconds)

    def settle(self) -> None:
        """Wait until the node has accounted for every message, or will account for no more."""
        end_s = time.monotonic() + _SETTLE_S
        missing, first_report = self.result().losses(), self._num_reports
        while (
            missing
            and time.monotonic() < end_s
            and self._num_reports - first_report < _IDLE_REPORTS
        ):
            if self._clock is not None:
                # Time must go on, so that the last clouds stop waiting for poses.
                self._now_ns += round(_SPIN_S * NANOSECONDS)
                self._clock.publish(Clock(clock=Time(nanoseconds=self._now_ns).to_msg()))
            self._spin_once(_SPIN_S)
            before, missing = missing, self.result().losses()
            if missing != before:
                first_report = self._num_reports

    def result(self) -> LoadRun:
        """Collect the outcome, with counts from the node's newest diagnostics."""
        traffic = {
            topic: Traffic(
                self._sent[topic],
                self._count(input_, "received"),
                self._sent[topic] / max(self._seconds, 1e-9),
            )
            for topic, input_ in self._inputs.items()
        }
        dropped = {key: int(self._values[item][key]) for item in _DROPS for key in _DROPS[item]}
        return LoadRun(
            self._seconds,
            traffic,
            int(self._values["inference"]["labelled"]),
            dropped,
            self._answered,
            self._ages_ms,
            self._reported_ages_ms,
            self._memory,
            self._cpu_s,
            int(self._values["map"].get("voxels", 0)),
        )

    def _count(self, input_: tuple[str, str], key: str) -> int:
        item, prefix = input_
        return int(self._values.get(item, {}).get(f"{prefix}{key}", 0))

    def _send(self, sending: Sending) -> None:
        content, at_ns = sending.content, sending.stamp_ns
        if at_ns is None:
            at_ns = int(self._node.get_clock().now().nanoseconds)
            content = sending.stamped(at_ns)
        if self._clock is not None:
            self._now_ns = at_ns
            self._clock.publish(Clock(clock=Time(nanoseconds=at_ns).to_msg()))
        if sending.topic == self._stream.profile.cloud_topic:
            self._sent_s[at_ns] = time.monotonic()
        self._publishers[sending.topic].publish(content)
        self._sent[sending.topic] += 1

    def _on_points(self, message: PointCloud2) -> None:
        self._answered += 1
        self._ages_ms.append(1000 * (time.monotonic() - self._sent_s[stamp_ns(message.header)]))

    def _on_latency(self, message: Float64) -> None:
        self._reported_ages_ms.append(message.data)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._num_reports += 1
        for status in message.status:
            name = status.name.removeprefix("clip2scene: ")
            self._values[name] = {pair.key: pair.value for pair in status.values}

    def _spin_until(self, condition: Callable[[], bool], seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end_s:
                raise LoadError(f"the node did not start listening within {seconds:.0f} s")
            self._spin_once(_SPIN_S)

    def _spin_once(self, seconds: float) -> None:
        if self._process.poll() is not None:
            raise LoadError(f"the node stopped with status {self._process.returncode}")
        self._executor.spin_once(timeout_sec=seconds)


def _inputs(profile: Profile, mode: str) -> dict[str, tuple[str, str]]:
    """The node's inputs: by topic, the diagnostic item and the prefix of its keys."""
    inputs = {profile.cloud_topic: ("lidar", ""), profile.odometry_topic: ("tf", "odometry ")}
    if mode != "lidar":
        for camera, topics in profile.cameras.items():
            inputs[topics.image] = (f"camera {camera}", "")
            inputs[topics.info] = (f"camera {camera}", "CameraInfo ")
    return inputs


def _memory(pid: int) -> int:
    """Resident bytes of a process."""
    return int(_proc(pid, "statm")[1]) * os.sysconf("SC_PAGE_SIZE")


def _cpu_s(pid: int) -> float:
    """Processor time of a process."""
    return sum(map(int, _proc(pid, "stat")[13:15])) / os.sysconf("SC_CLK_TCK")


def _proc(pid: int, name: str) -> Sequence[str]:
    return Path(f"/proc/{pid}/{name}").read_text().split()
