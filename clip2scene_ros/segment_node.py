"""The ROS 2 node: clouds, images and poses in, labelled clouds out. No arithmetic in here."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
import torch
from nav_msgs.msg import Odometry
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from clip2scene_core.device import use_threads
from clip2scene_core.online import OnlineOptions, OnlineSegmenter, load_online_segmenter
from clip2scene_ros.assembler import SweepAssembler
from clip2scene_ros.assembly import AssemblyOptions
from clip2scene_ros.diagnostics import DiagnosticsReporter, SweepRecord
from clip2scene_ros.live_parameters import LiveParameters
from clip2scene_ros.node_health import NodeHealth
from clip2scene_ros.parameters import NodeParameters, ParameterError
from clip2scene_ros.profiles import CameraTopics, Profile
from clip2scene_ros.publishers import SegmentPublishers
from clip2scene_ros.ros_logging import RosLogHandler
from clip2scene_ros.segment_worker import SegmentWorker
from clip2scene_ros.subscriptions import SensorSubscription

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # the ROS wheels have no tf2_msgs
    TFMessage = None

EngineLoader = Callable[[NodeParameters], OnlineSegmenter]

_MAINTENANCE_PERIOD_S = 0.1
_DIAGNOSTICS_PERIOD_S = 1.0
_SPIN_S = 0.1
_IMAGE_TYPES = {"auto": None, "raw": Image, "compressed": CompressedImage}


class SegmentNode(Node):
    """Labels the clouds on `points` by the texts in the parameter `prompts`.

    Callbacks hand messages to the assembler and return; one worker thread labels the newest sweep.

    Args:
        load_engine: Makes the engine from the parameters.
        context: The ROS context; by default the global one.
        parameter_overrides: Stand in for a parameter file.

    Raises:
        ParameterError: If a parameter is unknown or cannot be used.
        ValueError: If the weights, the CLIP, the prompts or the extrinsics file cannot be used.
    """

    def __init__(
        self,
        load_engine: EngineLoader,
        context: Context | None = None,
        parameter_overrides: list[Parameter] | None = None,
    ) -> None:
        super().__init__("clip2scene", context=context, parameter_overrides=parameter_overrides)
        self._log_handler = RosLogHandler(self.get_logger())
        self.parameters = LiveParameters(self, self._change_prompts, lambda _values, _none: None)
        _check_pose_source(self.values)
        self._profile = self._resolve_topics()
        self._assembler = SweepAssembler(_assembly_options(self.values), self._profile)
        self._engine = load_engine(self.values)
        self._own_prompts = self._engine.vocabulary.prompts
        self._start_prompts()
        self._record = SweepRecord()
        self._worker = SegmentWorker(
            self._assembler,
            self._engine,
            SegmentPublishers(self, self.values.fixed_frame, self.values.intensity_scale),
            self._record,
            self._now_ns,
            1 / self.values.map_publish_rate_hz if _has_map(self.values) else None,
        )
        self._inputs = self._subscribe()
        health = NodeHealth(self.values, self._inputs, self._record, self._engine)
        reporter = DiagnosticsReporter(self)
        # Steady, so that a paused bag neither hides a silent sensor nor stops the diagnostics.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_MAINTENANCE_PERIOD_S, self._maintain, clock=steady)
        self.create_timer(
            _DIAGNOSTICS_PERIOD_S, lambda: reporter.report(health.items()), clock=steady
        )
        logging.getLogger("clip2scene_core").addHandler(self._log_handler)
        logging.getLogger("clip2scene_ros").addHandler(self._log_handler)
        self._worker.start()
        self._say_hello()

    def destroy_node(self) -> None:
        """Stop the worker, then leave the graph."""
        self._worker.stop()
        for library in ("clip2scene_core", "clip2scene_ros"):
            logging.getLogger(library).removeHandler(self._log_handler)
        super().destroy_node()

    @property
    def values(self) -> NodeParameters:
        """The parameters as they are now."""
        return self.parameters.values

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _resolve_topics(self) -> Profile:
        resolve, values = self.resolve_topic_name, self.values
        cameras = {
            camera: CameraTopics(
                resolve(values.image_topic(camera)), resolve(values.info_topic(camera))
            )
            for camera in values.cameras
        }
        return Profile("node", resolve("points"), cameras, resolve("odom"))

    def _start_prompts(self) -> None:
        """Label by the given words, or say in the parameters which ones the weights brought."""
        if self.values.prompts or self.values.prompt_names:
            self._change_prompts(NodeParameters(), self.values)
        else:
            self.parameters.set(prompts=self._own_prompts)

    def _change_prompts(self, old: NodeParameters, new: NodeParameters) -> None:
        """Check and take new words; where they cannot be used, the old ones stay."""
        if (new.prompts, new.prompt_names) == (old.prompts, old.prompt_names):
            return
        prompts = new.prompts or self._own_prompts
        if new.prompt_names or prompts != self._engine.vocabulary.prompts:
            self._engine.set_prompts(prompts, new.prompt_names or None)

    def _subscribe(self) -> dict[str, SensorSubscription]:
        """Open every input; the key says which sensor or camera it belongs to."""
        reliability = self.values.reliability
        inputs = {
            "lidar": SensorSubscription(
                self, PointCloud2, self._profile.cloud_topic, self._on_cloud, 5, reliability
            )
        }
        for camera in self._assembler.options.cameras:
            topics = self._profile.cameras[camera]
            image_type = _IMAGE_TYPES[self.values.image_transport]
            inputs[f"{camera} image"] = SensorSubscription(
                self, image_type, topics.image, partial(self._on_image, camera), 5, reliability
            )
            inputs[f"{camera} info"] = SensorSubscription(
                self, CameraInfo, topics.info, partial(self._on_info, camera), 1, reliability
            )
        if self.values.pose_source == "odometry":
            inputs["odometry"] = SensorSubscription(
                self, Odometry, self._profile.odometry_topic, self._on_odometry, 50, reliability
            )
        if TFMessage is not None:
            latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self.create_subscription(TFMessage, "/tf", partial(self._on_tf, False), 100)
            self.create_subscription(TFMessage, "/tf_static", partial(self._on_tf, True), latched)
        return inputs

    def _on_cloud(self, message: PointCloud2) -> None:
        self._assembler.on_cloud(message, self._now_ns())
        self._worker.wake()

    def _on_image(self, camera: str, message: Any) -> None:
        self._assembler.on_image(camera, message, self._now_ns())
        self._worker.wake()

    def _on_info(self, camera: str, message: CameraInfo) -> None:
        self._assembler.on_camera_info(camera, message)

    def _on_odometry(self, message: Odometry) -> None:
        self._assembler.on_odometry(message)
        self._worker.wake()

    def _on_tf(self, is_static: bool, message: Any) -> None:
        self._assembler.on_tf(message, is_static)
        self._worker.wake()

    def _maintain(self) -> None:
        for subscription in self._inputs.values():
            subscription.maintain()

    def _say_hello(self) -> None:
        topics = ", ".join(subscription.topic for subscription in self._inputs.values())
        self.get_logger().info(
            f"mode {self.values.mode}: {self.resolve_topic_name('~/points')} will be labelled by "
            f"{len(self._engine.vocabulary)} prompts from {topics}"
        )


def load_engine(values: NodeParameters) -> OnlineSegmenter:
    """Load the weights that the parameters name.

    Raises:
        ValueError: If they cannot be used; one line says why.
        FileNotFoundError: If a file is missing.
    """
    use_threads(values.num_threads)
    device = values.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    options = OnlineOptions(
        mode=values.mode,
        num_sweeps=values.num_sweeps,
        map_voxel_size_m=values.map_voxel_size_m,
        min_range_m=values.min_range_m,
        max_range_m=values.max_range_m,
        min_confidence=values.min_confidence,
        device=device,
        precision=values.precision,
        camera_weight=values.camera_weight,
        key_smoothing=values.key_smoothing,
    )
    return load_online_segmenter(values.weights, values.teacher or None, options)


def main(args: list[str] | None = None) -> int:
    """Run the node until it is interrupted.

    Returns:
        0 after SIGINT or SIGTERM, 1 if the node cannot start; one line on stderr says why.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    node = None
    try:
        try:
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
            node = SegmentNode(load_engine)
        except (ValueError, OSError, RuntimeError) as error:
            print(f"segment_node: error: {_one_line(error)}", file=sys.stderr)  # noqa: T201
            return 1
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while True:
            executor.spin_once(timeout_sec=_SPIN_S)
    except KeyboardInterrupt:
        return 0
    finally:
        if node is not None:
            node.destroy_node()
        try_shutdown()


def _interrupt(_number: int, _frame: object) -> None:
    # A second signal must not break the shutdown that the first one begins.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _assembly_options(values: NodeParameters) -> AssemblyOptions:
    return AssemblyOptions(
        fixed_frame=values.fixed_frame,
        base_frame=values.base_frame,
        pose_source=values.pose_source,
        cameras=() if values.mode == "lidar" else values.cameras,
        tolerance_s=values.sync_tolerance_s,
        max_wait_s=values.sync_max_wait_s,
        pose_wait_s=values.tf_timeout_s,
        intensity_scale=values.intensity_scale,
        zero_stamp=values.zero_stamp,
        extrinsics_file=Path(values.extrinsics_file) if values.extrinsics_file else None,
    )


def _has_map(values: NodeParameters) -> bool:
    return values.map_enabled and values.pose_source != "none"


def _check_pose_source(values: NodeParameters) -> None:
    if values.pose_source == "tf" and TFMessage is None:
        raise ParameterError(
            "pose_source is 'tf', but the package tf2_msgs is not installed; set pose_source to "
            "'odometry' and extrinsics_file to a file of sensor mounts, or install tf2_msgs"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
