"""All inputs of the node: clouds, images, calibrations and poses, handed to the synchronizer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from clip2scene_ros.node.parameters.row import ParameterError
from clip2scene_ros.node.parameters.table import NodeParameters
from clip2scene_ros.node.subscription import SensorSubscription
from clip2scene_ros.sync.synchronizer import SweepSynchronizer

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # the ROS wheels have no tf2_msgs
    TFMessage = None

# Half a second of a fast LiDAR: on a busy machine the executor may not run for as long. Callbacks
# return at once, so nothing grows old in the queue otherwise.
_DEPTH = 10
_IMAGE_TYPES = {"auto": None, "raw": Image, "compressed": CompressedImage}


class SensorInputs:
    """Subscribes to everything that the synchronizer can use, from construction to `close`.

    Args:
        node: Owns the subscriptions.
        values: The node's parameters.
        synchronizer: Takes the messages.
        wake: Called after each message that may complete a sweep.
    """

    def __init__(
        self,
        node: Node,
        values: NodeParameters,
        synchronizer: SweepSynchronizer,
        wake: Callable[[], None],
    ) -> None:
        self._node = node
        self.synchronizer = synchronizer
        self._wake = wake
        self._reliability = values.reliability
        self.subscriptions = self._subscribe(values)
        """By what they feed: "lidar", "odometry", "tf", "tf_static", "{camera} image",
        "{camera} info"."""

    def maintain(self) -> None:
        """Let each subscription follow its publishers; call it a few times a second."""
        for subscription in self.subscriptions.values():
            subscription.maintain()

    def close(self) -> None:
        """Leave all topics."""
        for subscription in self.subscriptions.values():
            subscription.close()

    def _subscribe(self, values: NodeParameters) -> dict[str, SensorSubscription]:
        profile = self.synchronizer.profile
        subscriptions = {"lidar": self._open(PointCloud2, profile.cloud_topic, self._on_cloud)}
        for camera in self.synchronizer.options.cameras:
            topics = profile.cameras[camera]
            image_type = _IMAGE_TYPES[values.image_transport]
            subscriptions[f"{camera} image"] = self._open(
                image_type, topics.image, partial(self._on_image, camera)
            )
            if not values.camera_info_url:
                subscriptions[f"{camera} info"] = self._open(
                    CameraInfo, topics.info, partial(self.synchronizer.on_camera_info, camera)
                )
        if values.pose_source == "odometry":
            subscriptions["odometry"] = self._open(
                Odometry, profile.odometry_topic, self._on_odometry, 100
            )
        if TFMessage is not None:
            for name, is_static in (("tf", False), ("tf_static", True)):
                on_tf = partial(self._on_tf, is_static)
                # Whatever the sensors' reliability: a mount that is lost is not sent again.
                subscriptions[name] = SensorSubscription(
                    self._node, TFMessage, f"/{name}", on_tf, 100, "auto", is_static
                )
        return subscriptions

    def _open(
        self,
        message_type: Any,
        topic: str,
        callback: Callable[[Any], None],
        depth: int = _DEPTH,
    ) -> SensorSubscription:
        return SensorSubscription(
            self._node, message_type, topic, callback, depth, self._reliability
        )

    def _on_cloud(self, message: PointCloud2) -> None:
        self.synchronizer.on_cloud(message, self._now_ns())
        self._wake()

    def _on_image(self, camera: str, message: Any) -> None:
        self.synchronizer.on_image(camera, message, self._now_ns())
        self._wake()

    def _on_odometry(self, message: Odometry) -> None:
        self.synchronizer.on_odometry(message)
        self._wake()

    def _on_tf(self, is_static: bool, message: Any) -> None:
        self.synchronizer.on_tf(message, is_static)
        self._wake()

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)


def check_pose_source(values: NodeParameters) -> None:
    """Check that the poses that were asked for can be received here.

    Raises:
        ParameterError: If they come from /tf, but its message type is not installed.
    """
    if values.pose_source == "tf" and TFMessage is None:
        raise ParameterError(
            "pose_source is 'tf', but the package tf2_msgs is not installed; set pose_source to "
            "'odometry' and extrinsics_file to a file of sensor mounts, or install tf2_msgs"
        )
