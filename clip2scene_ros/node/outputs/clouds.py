"""Publish labelled clouds, the map, the answer to a query, and camera overlays."""

from __future__ import annotations

import array
from typing import Any, Final

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import Header

from clip2scene_core.inference.labelled_cloud import LabelledCloud
from clip2scene_core.mapping.labelled_map import LabelledMap
from clip2scene_core.visualization.clouds import draw_overlay
from clip2scene_ros.messages.cloud_layouts import (
    fields_of,
    has_only_finite_points,
    labelled_cloud_array,
    map_array,
    similarity_array,
)
from clip2scene_ros.messages.decode import NANOSECONDS, bare_frame
from clip2scene_ros.node.outputs.legend import LATCHED_QOS, image_message
from clip2scene_ros.node.parameters.table import NodeParameters
from clip2scene_ros.sync.sweeps import SynchronizedSweep

Outgoing = tuple[Publisher, Any]
"""A publisher, and a message for it."""

# Reliable serves RViz's default and best-effort subscribers alike.
_CLOUD_QOS: Final = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
_OVERLAY_QOS: Final = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_OVERLAY_WIDTH_PX: Final = 800


class SegmentPublishers:
    """Publishes what a sweep yields, and the map, under the node's private name.

    Args:
        node: Owns the publishers.
        values: The node's parameters.
    """

    def __init__(self, node: Node, values: NodeParameters) -> None:
        self._node = node
        self._values = values
        self._points = node.create_publisher(PointCloud2, "~/points", _CLOUD_QOS)
        self._query = node.create_publisher(PointCloud2, "~/query/points", _CLOUD_QOS)
        self._map = node.create_publisher(PointCloud2, "~/map", LATCHED_QOS)
        cameras = () if values.mode == "lidar" else values.cameras
        self._overlays = {
            camera: node.create_publisher(Image, f"~/{camera}/overlay", _OVERLAY_QOS)
            for camera in cameras
        }

    def close(self) -> None:
        """Take the topics off the graph."""
        for publisher in (self._points, self._query, self._map, *self._overlays.values()):
            self._node.destroy_publisher(publisher)

    def has_subscribers(self) -> bool:
        """Say whether a topic other than the map has subscribers; always so if not lazy."""
        publishers = (self._points, self._query, *self._overlays.values())
        return not self._values.is_lazy or any(map(has_subscribers, publishers))

    def lay_out(self, cloud: LabelledCloud, synchronized: SynchronizedSweep) -> list[Outgoing]:
        """Make the messages of a labelled sweep, if lazy only for topics with subscribers.

        Args:
            cloud: N labelled points.
            synchronized: The sweep that they come from.

        Returns:
            Messages for `send`: clouds with the stamp and frame of the input cloud, overlays with
            those of their images.
        """
        values, outgoing = self._values, []
        if has_subscribers(self._points) or not values.is_lazy:
            points = labelled_cloud_array(
                cloud,
                synchronized.intensity_scale,
                values.output_layout,
                values.include_intensity,
            )
            outgoing.append((self._points, cloud_message(points, synchronized.header)))
        if cloud.similarities is not None and (has_subscribers(self._query) or not values.is_lazy):
            answer = similarity_array(cloud.points, cloud.similarities)
            outgoing.append((self._query, cloud_message(answer, synchronized.header)))
        for view, frame_id in zip(synchronized.cameras, synchronized.camera_frames, strict=True):
            # Drawing is expensive: without subscribers it is never done, whatever the parameter.
            if has_subscribers(self._overlays[view.name]):
                width_px = min(_OVERLAY_WIDTH_PX, view.image.shape[1])
                picture = draw_overlay(
                    view, synchronized.sweep, cloud.labels, cloud.vocabulary, width_px
                )
                header = Header(stamp=_time(view.stamp_ns), frame_id=frame_id)
                message = image_message(np.asarray(picture), header)
                outgoing.append((self._overlays[view.name], message))
        return outgoing

    def send(self, outgoing: list[Outgoing]) -> None:
        """Publish messages."""
        for publisher, message in outgoing:
            publisher.publish(message)

    def publish_map(self, labelled_map: LabelledMap, stamp: Any) -> None:
        """Publish the map on a latched topic, which late subscribers get, too.

        Args:
            labelled_map: V voxels in the fixed frame.
            stamp: builtin_interfaces/Time of the newest sweep in it.
        """
        header = Header(stamp=stamp, frame_id=bare_frame(self._values.fixed_frame))
        self._map.publish(cloud_message(map_array(labelled_map), header))


def cloud_message(points: NDArray[np.void], header: Header) -> PointCloud2:
    """Make a PointCloud2 of height 1 from an (N,) array of one of the layouts."""
    message = PointCloud2(header=header)
    message.height, message.width = 1, len(points)
    message.fields = [
        PointField(name=name, offset=offset, datatype=datatype, count=1)
        for name, offset, datatype in fields_of(points.dtype)
    ]
    message.point_step = points.dtype.itemsize
    message.row_step = points.dtype.itemsize * len(points)
    message.is_dense = has_only_finite_points(points)
    # An array of bytes is the one type that rclpy takes without a check of every element.
    content = array.array("B")
    content.frombytes(points.tobytes())
    message.data = content
    return message


def has_subscribers(publisher: Publisher) -> bool:
    """Say whether a topic of this publisher has subscribers."""
    return bool(publisher.get_subscription_count())


def _time(at_ns: int) -> Time:
    return Time(sec=at_ns // NANOSECONDS, nanosec=at_ns % NANOSECONDS)
