"""What the node publishes: the labelled cloud, the map and the legend."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header, String

from clip2scene_core.grid import LabelledMap
from clip2scene_core.online import LabelledCloud
from clip2scene_core.vocabulary import Vocabulary
from clip2scene_ros.conversions import (
    fields_of,
    has_only_finite_points,
    labelled_cloud_array,
    legend_json,
    map_array,
)

# Reliable serves RViz's default and best-effort subscribers alike.
_CLOUD_QOS = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
_LATCHED_QOS = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class SegmentPublishers:
    """Publishes results under the node's private name.

    Args:
        node: Owns the publishers.
        fixed_frame: Frame of the map.
        intensity_scale: The sensor's largest intensity.
    """

    def __init__(self, node: Node, fixed_frame: str, intensity_scale: float) -> None:
        self._node = node
        self._fixed_frame = fixed_frame
        self._intensity_scale = intensity_scale
        self._points = node.create_publisher(PointCloud2, "~/points", _CLOUD_QOS)
        self._map = node.create_publisher(PointCloud2, "~/map", _LATCHED_QOS)
        self._legend = node.create_publisher(String, "~/legend", _LATCHED_QOS)
        self._announced: Vocabulary | None = None
        self.legend_version = 0

    def close(self) -> None:
        """Take all topics off the graph."""
        for publisher in (self._points, self._map, self._legend):
            self._node.destroy_publisher(publisher)

    def announce(self, vocabulary: Vocabulary) -> None:
        """Publish the legend if these words are new; call it before their first cloud."""
        if vocabulary is not self._announced:
            self._announced = vocabulary
            self.legend_version += 1
            self._legend.publish(String(data=legend_json(vocabulary, self.legend_version)))

    def publish_cloud(self, cloud: LabelledCloud, header: Header) -> None:
        """Publish a labelled sweep with its input's stamp and frame."""
        points = labelled_cloud_array(cloud, self._intensity_scale)
        self._points.publish(_cloud_message(points, header))

    def publish_map(self, labelled_map: LabelledMap, vocabulary: Vocabulary, stamp: Any) -> None:
        """Publish the map of the last sweeps.

        Args:
            labelled_map: V voxels.
            vocabulary: The words of its labels.
            stamp: builtin_interfaces/Time of the newest sweep in it.
        """
        header = Header(stamp=stamp, frame_id=self._fixed_frame)
        self._map.publish(_cloud_message(map_array(labelled_map, vocabulary), header))


def _cloud_message(points: NDArray[np.void], header: Header) -> PointCloud2:
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
