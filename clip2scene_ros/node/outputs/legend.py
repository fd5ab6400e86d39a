"""Publish the classes on latched topics: as JSON, picture, markers and vision_msgs."""

from __future__ import annotations

import array
import importlib
from typing import Any, Final

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import ColorRGBA, Header, String
from visualization_msgs.msg import Marker, MarkerArray

from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.visualization.clouds import draw_names
from clip2scene_ros.messages.legend import legend_json

LATCHED_QOS: Final = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""Late subscribers get the last message."""

_TEXT_M: Final = 0.5
_LINE_M: Final = 0.6
_LOWEST_M: Final = 1.0
_COLUMN_M: Final = 5.0
_LINES_PER_COLUMN: Final = 20


class LegendPublishers:
    """Publishes each vocabulary once, before the first cloud that is labelled with it.

    `~/label_info` exists if vision_msgs is installed.

    Args:
        node: Owns the publishers.
        base_frame: Frame of the vehicle; the markers stand above it.

    Attributes:
        version: Number of legends that were published.
    """

    def __init__(self, node: Node, base_frame: str) -> None:
        self._node = node
        self._base_frame = base_frame
        self._announced: Vocabulary | None = None
        self._informed: tuple[Vocabulary | None, float] = (None, 0.0)
        self._legend = node.create_publisher(String, "~/legend", LATCHED_QOS)
        self._image = node.create_publisher(Image, "~/legend_image", LATCHED_QOS)
        self._markers = node.create_publisher(MarkerArray, "~/legend_markers", LATCHED_QOS)
        self._vision_msgs = _find_vision_msgs()
        if self._vision_msgs is not None:
            self._label_info = node.create_publisher(
                self._vision_msgs.LabelInfo, "~/label_info", LATCHED_QOS
            )
        self.version = 0

    def close(self) -> None:
        """Take the topics off the graph."""
        publishers = [self._legend, self._image, self._markers]
        if self._vision_msgs is not None:
            publishers.append(self._label_info)
        for publisher in publishers:
            self._node.destroy_publisher(publisher)

    def announce(self, vocabulary: Vocabulary) -> None:
        """Publish the legend of a vocabulary, unless it is the last one that was published."""
        if vocabulary is not self._announced:
            self._announced = vocabulary
            self.version += 1
            self._legend.publish(String(data=legend_json(vocabulary, self.version)))
            stamp = self._node.get_clock().now().to_msg()
            self._image.publish(legend_image(vocabulary, Header(stamp=stamp)))
            self._markers.publish(legend_markers(vocabulary, self._base_frame))

    def announce_cloud(self, vocabulary: Vocabulary, header: Header, min_confidence: float) -> None:
        """Publish legend and `~/label_info` before a cloud, unless they are the same as before.

        Args:
            vocabulary: Classes of the cloud's labels.
            header: std_msgs/Header of the cloud; `~/label_info` gets the same.
            min_confidence: Least score of the cloud's labels, in [0, 1].
        """
        self.announce(vocabulary)
        informed, threshold = self._informed
        if self._vision_msgs is None or (informed is vocabulary and threshold == min_confidence):
            return
        self._informed = (vocabulary, min_confidence)
        self._label_info.publish(label_info(vocabulary, header, min_confidence, self._vision_msgs))


def legend_image(vocabulary: Vocabulary, header: Header) -> Image:
    """Draw the classes as a sensor_msgs/Image with encoding rgb8."""
    return image_message(np.asarray(draw_names(vocabulary)), header)


def image_message(picture: np.ndarray, header: Header) -> Image:
    """Make a sensor_msgs/Image from a picture, (H, W, 3) uint8 RGB."""
    height, width = picture.shape[:2]
    message = Image(header=header, height=height, width=width, encoding="rgb8", step=3 * width)
    content = array.array("B")
    content.frombytes(picture.tobytes())
    message.data = content
    return message


def legend_markers(vocabulary: Vocabulary, frame_id: str) -> MarkerArray:
    """Write the names of the classes above a frame, the first one on top, in columns of 20.

    Args:
        vocabulary: C classes; class i has marker i.
        frame_id: Frame that the markers move with.

    Returns:
        One marker that deletes the former ones, then C TEXT_VIEW_FACING markers.
    """
    # Stamp 0 with frame_locked: the newest pose, at every redraw.
    header = Header(stamp=Time(), frame_id=frame_id)
    markers = [Marker(header=header, ns="legend", action=Marker.DELETEALL)]
    num_lines = min(len(vocabulary), _LINES_PER_COLUMN)
    rows = zip(vocabulary.names, vocabulary.colors / 255.0, strict=True)
    for index, (name, (red, green, blue)) in enumerate(rows):
        column, line = divmod(index, _LINES_PER_COLUMN)
        height_m = _LOWEST_M + _LINE_M * (num_lines - 1 - line)
        markers.append(
            Marker(
                header=header,
                ns="legend",
                id=index,
                type=Marker.TEXT_VIEW_FACING,
                action=Marker.ADD,
                pose=Pose(
                    position=Point(x=0.0, y=-_COLUMN_M * column, z=height_m),
                    orientation=Quaternion(w=1.0),
                ),
                scale=Vector3(z=_TEXT_M),
                color=ColorRGBA(r=float(red), g=float(green), b=float(blue), a=1.0),
                frame_locked=True,
                text=name,
            )
        )
    return MarkerArray(markers=markers)


def label_info(
    vocabulary: Vocabulary, header: Header, min_confidence: float, vision_msgs: Any
) -> Any:
    """List the classes as vision_msgs/LabelInfo.

    Args:
        vocabulary: C classes; class i has class_id i.
        header: std_msgs/Header of the first cloud that is labelled with these classes.
        min_confidence: Least score of the labels, in [0, 1].
        vision_msgs: The module vision_msgs.msg.
    """
    classes = [
        vision_msgs.VisionClass(class_id=index, class_name=name)
        for index, name in enumerate(vocabulary.names)
    ]
    return vision_msgs.LabelInfo(header=header, class_map=classes, threshold=min_confidence)


def _find_vision_msgs() -> Any:
    """The module vision_msgs.msg; None where it is not installed (the ROS wheels have none)."""
    try:
        return importlib.import_module("vision_msgs.msg")
    except ImportError:
        return None
