"""What the node takes from a peer: sizes and names, checked before anything is done with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from clip2scene_ros.messages.quoting import quoted

MAX_POINTS: Final = 1_000_000
"""Points of a cloud; the densest rotating LiDARs send 300,000."""

MAX_CLOUD_BYTES: Final = 128 * 2**20
MAX_IMAGE_BYTES: Final = 64 * 2**20

MAX_NAME_CHARS: Final = 255
"""Characters of a frame, a field or an encoding, as for a topic in ROS."""

MAX_FIELDS: Final = 64
MAX_DISTORTION: Final = 64
MAX_TRANSFORMS: Final = 1_000
"""Transforms in a message of /tf or /tf_static."""

MAX_EDGES: Final = 2_000
"""Pairs of frames on /tf and /tf_static; each is kept."""


def reason_to_refuse(message: Any) -> str | None:
    """Say what of a message is beyond the limits; None if it can be taken.

    Args:
        message: PointCloud2, Image, CompressedImage, CameraInfo or Odometry; for transforms see
            `EdgeLimit`.
    """
    size = _oversize(message)
    return size or _unfit_name(_names(message))


class EdgeLimit:
    """Picks the transforms that the node takes: names within the limit, and not ever new ones."""

    def __init__(self) -> None:
        self._edges: set[tuple[str, str]] = set()

    def pick(self, transforms: list[Any]) -> tuple[list[Any], str | None]:
        """Leave out the transforms that cannot be taken.

        Args:
            transforms: geometry_msgs/TransformStamped.

        Returns:
            The others, and why some were left out; None if none was.
        """
        if len(transforms) > MAX_TRANSFORMS:
            return [], f"{len(transforms)} transforms in a message, the node takes {MAX_TRANSFORMS}"
        taken, reason = [], None
        for transform in transforms:
            edge = transform.header.frame_id, transform.child_frame_id
            unfit = _unfit_name(edge)
            if unfit is None and edge not in self._edges and len(self._edges) >= MAX_EDGES:
                unfit = f"more than {MAX_EDGES} pairs of frames; {quoted(edge[1])} is left out"
            if unfit is None:
                self._edges.add(edge)
                taken.append(transform)
            else:
                reason = unfit
        return taken, reason


def _oversize(message: Any) -> str | None:
    if isinstance(message, PointCloud2):
        num_points, num_bytes = message.width * message.height, len(message.data)
        if max(num_points, num_bytes // max(1, message.point_step)) > MAX_POINTS:
            return (
                f"a cloud of {num_points} points and {num_bytes} bytes, the node takes "
                f"{MAX_POINTS} points; thin it, for example by a voxel grid filter"
            )
        if num_bytes > MAX_CLOUD_BYTES:
            return f"a cloud of {num_bytes} bytes, the node takes {MAX_CLOUD_BYTES}"
        if len(message.fields) > MAX_FIELDS:
            return f"a cloud of {len(message.fields)} fields, the node takes {MAX_FIELDS}"
    if isinstance(message, (Image, CompressedImage)) and len(message.data) > MAX_IMAGE_BYTES:
        return f"an image of {len(message.data)} bytes, the node takes {MAX_IMAGE_BYTES}"
    if isinstance(message, CameraInfo) and len(message.d) > MAX_DISTORTION:
        return f"CameraInfo of {len(message.d)} coefficients, the node takes {MAX_DISTORTION}"
    return None


def _names(message: Any) -> Iterator[str]:
    yield message.header.frame_id
    if isinstance(message, PointCloud2):
        yield from (field.name for field in message.fields)
    for attribute in ("encoding", "format", "distortion_model", "child_frame_id"):
        if hasattr(message, attribute):
            yield getattr(message, attribute)


def _unfit_name(names: Iterator[str] | tuple[str, ...]) -> str | None:
    for name in names:
        if len(name) > MAX_NAME_CHARS:
            return f"the name {quoted(name)} is longer than {MAX_NAME_CHARS} characters"
        if not name.isprintable():
            return f"the name {quoted(name)} has characters that cannot be printed"
    return None
