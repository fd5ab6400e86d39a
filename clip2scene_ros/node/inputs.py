"""Subscribe to everything that the synchronizer takes: clouds, images, calibrations and poses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from clip2scene_ros.node.bounds import EdgeLimit, reason_to_refuse
from clip2scene_ros.node.parameters.row import ParameterError
from clip2scene_ros.node.parameters.table import NodeParameters
from clip2scene_ros.node.subscription import SensorSubscription
from clip2scene_ros.sync.inputs import SyncInput, inputs_of
from clip2scene_ros.sync.sweeps import Rejection, RejectionKind
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import CLOUD_TYPE, INFO_TYPE, ODOMETRY_TYPE, TF_TYPE

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # the ROS wheels have no tf2_msgs
    TFMessage = None

# Half a second of a fast LiDAR: on a busy machine the executor may not run for so long. At other
# times the queue is empty, because callbacks return at once.
_DEPTH: Final = 10
_POSE_DEPTH: Final = 100
_REFUSALS: Final = {
    CLOUD_TYPE: RejectionKind.BAD_CLOUD,
    INFO_TYPE: RejectionKind.UNCALIBRATED,
    ODOMETRY_TYPE: RejectionKind.BAD_TRANSFORM,
    TF_TYPE: RejectionKind.BAD_TRANSFORM,
}
_IMAGE_CLASSES: Final = {"auto": None, "raw": Image, "compressed": CompressedImage}
_CLASSES: Final = {CLOUD_TYPE: PointCloud2, INFO_TYPE: CameraInfo, ODOMETRY_TYPE: Odometry}


class SensorInputs:
    """Subscribes to the synchronizer's inputs, from construction to `close`.

    Args:
        node: Owns the subscriptions.
        values: The node's parameters.
        synchronizer: Takes the messages.
        wake: Called after each message; any of them may complete a sweep.
        refuse: Counts a message that is beyond the node's limits.
    """

    def __init__(
        self,
        node: Node,
        values: NodeParameters,
        synchronizer: SweepSynchronizer,
        wake: Callable[[], None],
        refuse: Callable[[Rejection], None],
    ) -> None:
        self._node = node
        self.synchronizer = synchronizer
        self._wake = wake
        self._refuse = refuse
        self._edges = EdgeLimit()
        self.subscriptions = {
            name: self._subscribe(sync_input, values)
            for name, sync_input in inputs_of(synchronizer).items()
            if _is_wanted(sync_input, values)
        }
        """Subscription by name of the input: "lidar", "CAMERA image", "CAMERA info", "odometry",
        "tf" and "tf_static"."""

    def maintain(self) -> None:
        """Let each subscription follow its publishers; call it a few times a second."""
        for subscription in self.subscriptions.values():
            subscription.maintain()

    def close(self) -> None:
        """Unsubscribe from all topics."""
        for subscription in self.subscriptions.values():
            subscription.close()

    def _subscribe(self, sync_input: SyncInput, values: NodeParameters) -> SensorSubscription:
        is_tf, is_static = sync_input.message_type == TF_TYPE, sync_input.name == "tf_static"
        return SensorSubscription(
            self._node,
            _message_class(sync_input.message_type, values.image_transport),
            sync_input.topic,
            partial(self._take, sync_input),
            _POSE_DEPTH if sync_input.message_type in (ODOMETRY_TYPE, TF_TYPE) else _DEPTH,
            # Whatever the sensors' reliability: a static transform that is lost is not sent again.
            "auto" if is_tf else values.reliability,
            is_latched=None if sync_input.message_type == INFO_TYPE else is_static,
        )

    def _take(self, sync_input: SyncInput, message: Any) -> None:
        if sync_input.message_type == TF_TYPE:
            taken, reason = self._edges.pick(message.transforms)
        else:
            taken, reason = [], reason_to_refuse(message)
        if reason is not None:
            camera = sync_input.name.rpartition(" ")[0]
            kind = _REFUSALS.get(sync_input.message_type or "", RejectionKind.CAMERA)
            self._refuse(Rejection(kind, f"{sync_input.topic}: {reason}", camera))
            if not taken:
                return
            message.transforms = taken
        sync_input.take(message, int(self._node.get_clock().now().nanoseconds))
        self._wake()


def check_pose_source(values: NodeParameters) -> None:
    """Check that the node can receive the poses that its parameters ask for.

    Raises:
        ParameterError: If they come from /tf, but its message type is not installed.
    """
    if values.pose_source == "tf" and TFMessage is None:
        raise ParameterError(
            "pose_source is 'tf', but the package tf2_msgs is not installed; set pose_source to "
            "'odometry' and extrinsics_file to a file of extrinsics, or install tf2_msgs"
        )


def _is_wanted(sync_input: SyncInput, values: NodeParameters) -> bool:
    if sync_input.message_type == INFO_TYPE:
        return not values.camera_info_url
    if sync_input.message_type == ODOMETRY_TYPE:
        return values.pose_source == "odometry"
    return sync_input.message_type != TF_TYPE or TFMessage is not None


def _message_class(message_type: str | None, image_transport: str) -> Any:
    """The class to subscribe with; None takes Image or CompressedImage as published."""
    if message_type is None:
        return _IMAGE_CLASSES[image_transport]
    return TFMessage if message_type == TF_TYPE else _CLASSES[message_type]
