"""Messages to arrays; the message classes of rclpy and of rosbags have the same attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.files.color_picture import PictureError, decode_picture
from clip2scene_core.geometry.se3 import matrix_from_quaternion
from clip2scene_ros.messages.encodings import (
    CHANNEL_ORDERS,
    refusal_of_encoding,
    refusal_of_format,
)
from clip2scene_ros.messages.raw_colors import (
    BAYER_PATTERNS,
    NV_ORDERS,
    YUV_ORDERS,
    rgb_from_bayer,
    rgb_from_nv,
    rgb_from_yuv,
)

NANOSECONDS: Final = 1_000_000_000

INTENSITY: Final = "intensity"
"""Field of a PointCloud2 that holds the intensity, by the custom of ROS."""

FLOATS: Final = (7, 8)
"""Datatypes of a PointField that are no whole numbers: FLOAT32 and FLOAT64."""

_SHOWN: Final = 40
_DATATYPES: Final = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}


class CloudError(ValueError):
    """A PointCloud2 that cannot be read; the message describes it."""


class ImageError(ValueError):
    """An image message that cannot be decoded; the message describes it."""


def stamp_ns(header: Any) -> int:
    """Read the stamp of a std_msgs/Header, in nanoseconds."""
    return int(header.stamp.sec) * NANOSECONDS + int(header.stamp.nanosec)


def bare_frame(frame_id: str) -> str:
    """Take the leading slash from a frame of ROS 1, as tf2 does: "/map" is "map"."""
    return str(frame_id).lstrip("/")


def points_from_cloud(
    message: Any, intensity_scale: float = 255.0, intensity_field: str = INTENSITY
) -> NDArray[np.float32]:
    """Read the points of a PointCloud2, whatever its layout.

    Args:
        message: sensor_msgs/PointCloud2 with x, y, z and, optionally, intensity.
        intensity_scale: The sensor's largest intensity.
        intensity_field: Field to take for the intensity, such as "reflectivity". Another one than
            the default must be there.

    Returns:
        (N, 4) float32: x, y, z in metres in the message's frame, and intensity divided by
        `intensity_scale` (0 if the cloud has none). Points keep the message's order, row by row;
        points and intensities that are not finite are kept, too.

    Raises:
        CloudError: If x, y or z is missing, has an unknown datatype or lies outside the point, or
            the length of the message does not fit its layout.
    """
    if message.width * message.height == 0:
        return np.zeros((0, 4), dtype=np.float32)
    names = [field.name for field in message.fields]
    has_intensity = intensity_field in names or intensity_field != INTENSITY
    columns = ["x", "y", "z"] + ([intensity_field] if has_intensity else [])
    view = fields_from_cloud(message, columns)
    points = np.zeros((message.height * message.width, 4), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for column, name in enumerate(columns):
            points[:, column] = view[name].reshape(-1)
    points[:, 3] /= intensity_scale
    return points


def fields_from_cloud(message: Any, names: Sequence[str]) -> NDArray[np.void]:
    """View some fields of a PointCloud2's points, whatever its layout.

    Args:
        message: sensor_msgs/PointCloud2.
        names: Names of the fields, each with count 1.

    Returns:
        (height, width) structured array with these names, each in its datatype in the cloud.

    Raises:
        CloudError: If a field is missing, is there twice at two places, has an unknown datatype or
            lies outside the point, or the length of the message does not fit its layout.
    """
    fields: dict[str, Any] = {}
    for field in message.fields:
        first = fields.setdefault(field.name, field)
        if field.name in names and _place(first) != _place(field):
            raise CloudError(
                f"cloud has two fields {field.name}, at {first.offset} and {field.offset}: which "
                f"one holds?"
            )
    missing = [name for name in names if name not in fields]
    if missing:
        raise CloudError(
            f"cloud has no {', '.join(missing)}; its fields are {', '.join(fields) or 'none'}"
        )
    for name in names:
        _check_field(fields[name], message.point_step)
    buffer = np.frombuffer(message.data, dtype=np.uint8)
    row_step = _row_step(message, len(buffer))
    order = ">" if message.is_bigendian else "<"
    return np.ndarray(
        shape=(message.height, message.width),
        dtype=np.dtype(
            {
                "names": list(names),
                "formats": [order + _DATATYPES[fields[name].datatype] for name in names],
                "offsets": [fields[name].offset for name in names],
                "itemsize": message.point_step,
            }
        ),
        buffer=buffer,
        strides=(row_step, message.point_step),
    )


def image_from_message(message: Any) -> NDArray[np.uint8]:
    """Decode an image message.

    Args:
        message: sensor_msgs/CompressedImage (JPEG or PNG) or sensor_msgs/Image (one of
            KNOWN_ENCODINGS: RGB in any order, gray, Bayer of 8 bits, or YUV 4:2:2).

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: If the encoding is another one, as those of depth, thermal and label images, or
            the bytes do not make a picture (see `decode_picture`).
    """
    return _from_compressed(message) if hasattr(message, "format") else _from_raw(message)


def matrix_from_transform(transform: Any) -> NDArray[np.float64]:
    """Read a geometry_msgs/Transform as T_parent_child, (4, 4) float64.

    Raises:
        ValueError: If its quaternion is zero or not finite.
    """
    return _matrix(transform.translation, transform.rotation)


def matrix_from_pose(pose: Any) -> NDArray[np.float64]:
    """Read a geometry_msgs/Pose of a child in its parent as T_parent_child, (4, 4) float64.

    Raises:
        ValueError: If its quaternion is zero or not finite.
    """
    return _matrix(pose.position, pose.orientation)


def _matrix(position: Any, rotation: Any) -> NDArray[np.float64]:
    return matrix_from_quaternion(
        (rotation.w, rotation.x, rotation.y, rotation.z), (position.x, position.y, position.z)
    )


def _row_step(message: Any, num_bytes: int) -> int:
    """Bytes from one row to the next; many drivers leave row_step wrong where rows are packed."""
    packed = int(message.width * message.point_step)
    if num_bytes == packed * message.height:
        return packed
    row_step = int(message.row_step)
    last_may_end_early = row_step * (message.height - 1) + packed
    if packed > row_step or num_bytes not in (row_step * message.height, last_may_end_early):
        raise CloudError(
            f"cloud of {message.height} x {message.width} points of {message.point_step} bytes has "
            f"{num_bytes} bytes, but row_step * height = {row_step} * {message.height}"
        )
    return row_step


def _place(field: Any) -> tuple[int, int]:
    return field.offset, field.datatype


def _check_field(field: Any, point_step: int) -> None:
    if field.datatype not in _DATATYPES:
        raise CloudError(
            f"field {field.name} has the unknown datatype {field.datatype}; "
            f"PointField knows 1 (INT8) to 8 (FLOAT64)"
        )
    size = int(_DATATYPES[field.datatype][1])
    if field.offset + size > point_step:
        raise CloudError(
            f"field {field.name} at offset {field.offset} reaches beyond "
            f"the point's {point_step} bytes"
        )


def _from_compressed(message: Any) -> NDArray[np.uint8]:
    refusal = refusal_of_format(message.format)
    if refusal:
        raise ImageError(refusal)
    try:
        return decode_picture(bytes(message.data))
    except PictureError as error:
        raise ImageError(
            f"image of {len(message.data)} bytes, format {message.format[:_SHOWN]!r}, {error}"
        ) from error


def _from_raw(message: Any) -> NDArray[np.uint8]:
    refusal = refusal_of_encoding(message.encoding)
    if refusal:
        raise ImageError(refusal)
    encoding, height, width = message.encoding, message.height, message.width
    buffer = np.frombuffer(message.data, dtype=np.uint8)
    row_bytes = width * (2 if encoding in YUV_ORDERS else CHANNEL_ORDERS.get(encoding, (1,))[0])
    num_rows = height * 3 // 2 if encoding in NV_ORDERS else height
    if len(buffer) != message.step * num_rows or row_bytes > message.step or row_bytes == 0:
        more = " * 3 / 2" if encoding in NV_ORDERS else ""
        raise ImageError(
            f"image of {width} x {height} {encoding} has {len(buffer)} "
            f"bytes, but step * height{more} = {message.step} * {height}{more}"
        )
    rows = buffer.reshape(num_rows, message.step)[:, :row_bytes]
    if encoding in CHANNEL_ORDERS:
        num_channels, order = CHANNEL_ORDERS[encoding]
        return rows.reshape(height, width, num_channels)[..., order]
    if width % 2 or (encoding not in YUV_ORDERS and height % 2):
        raise ImageError(
            f"image of {width} x {height} {encoding}: pixels of this encoding come in pairs; check "
            f"width, height and encoding of the driver"
        )
    if encoding in BAYER_PATTERNS:
        return rgb_from_bayer(rows, encoding)
    if encoding in NV_ORDERS:
        return rgb_from_nv(rows, encoding)
    return rgb_from_yuv(rows.reshape(height, width // 2, 4), encoding)
