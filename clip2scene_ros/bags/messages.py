"""Messages in the classes of the rosbags library: read, made from arrays, copied to other bags."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

from clip2scene_core.geometry.se3 import quaternion_from_matrix
from clip2scene_ros.bags.io import BagError
from clip2scene_ros.messages.cloud_layouts import fields_of, has_only_finite_points
from clip2scene_ros.messages.decode import NANOSECONDS

STORE: Final = get_typestore(Stores.ROS2_JAZZY)
"""Definitions of all ROS 2 message types; they serialize to CDR."""

_TYPES: Final[Any] = STORE.types


def read_message(connection: Connection, content: bytes) -> Any:
    """Deserialize a message of a bag.

    Args:
        connection: Connection that the message belongs to.
        content: CDR bytes.

    Raises:
        BagError: If its bytes do not make a message of its type.
    """
    try:
        return STORE.deserialize_cdr(content, connection.msgtype)
    except Exception as error:  # its parser raises whatever damage provokes
        raise BagError(
            f"{connection.topic}: a {connection.msgtype} of {len(content)} bytes is damaged"
        ) from error


def header_message(at_ns: int, frame_id: str) -> Any:
    """Make a std_msgs/Header."""
    stamp = _TYPES["builtin_interfaces/msg/Time"](
        sec=at_ns // NANOSECONDS, nanosec=at_ns % NANOSECONDS
    )
    return _TYPES["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id)


def cloud_message(array: NDArray[np.void], header: Any) -> Any:
    """Make a sensor_msgs/PointCloud2 of height 1.

    Args:
        array: (N,) structured array; its names and datatypes become the fields.
        header: std_msgs/Header.
    """
    fields = [
        _TYPES["sensor_msgs/msg/PointField"](name=name, offset=offset, datatype=datatype, count=1)
        for name, offset, datatype in fields_of(array.dtype)
    ]
    return _TYPES["sensor_msgs/msg/PointCloud2"](
        header=header,
        height=1,
        width=len(array),
        fields=fields,
        is_bigendian=False,
        point_step=array.dtype.itemsize,
        row_step=array.nbytes,
        data=np.frombuffer(array.tobytes(), dtype=np.uint8),
        is_dense=has_only_finite_points(array),
    )


def image_message(picture: NDArray[np.uint8], header: Any) -> Any:
    """Make a sensor_msgs/Image with encoding rgb8.

    Args:
        picture: (H, W, 3) uint8 RGB.
        header: std_msgs/Header.
    """
    height, width = picture.shape[:2]
    return _TYPES["sensor_msgs/msg/Image"](
        header=header,
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=0,
        step=3 * width,
        data=np.ascontiguousarray(picture).reshape(-1),
    )


def compressed_image_message(content: bytes, image_format: str, header: Any) -> Any:
    """Make a sensor_msgs/CompressedImage with the bytes of an image file.

    Args:
        content: Bytes of the file.
        image_format: "jpeg" or "png".
        header: std_msgs/Header.
    """
    return _TYPES["sensor_msgs/msg/CompressedImage"](
        header=header, format=image_format, data=np.frombuffer(content, dtype=np.uint8)
    )


def camera_info_message(
    intrinsics: NDArray[np.float64], image_size: tuple[int, int], header: Any
) -> Any:
    """Make the sensor_msgs/CameraInfo of a rectified pinhole camera.

    Args:
        intrinsics: (3, 3) float64, pixels.
        image_size: Height and width, pixels.
        header: std_msgs/Header.
    """
    projection = np.zeros((3, 4))
    projection[:, :3] = intrinsics
    region = _TYPES["sensor_msgs/msg/RegionOfInterest"](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return _TYPES["sensor_msgs/msg/CameraInfo"](
        header=header,
        height=image_size[0],
        width=image_size[1],
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.ascontiguousarray(intrinsics, dtype=np.float64).reshape(-1),
        r=np.eye(3).reshape(-1),
        p=projection.reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=region,
    )


def transform_message(T_parent_child: NDArray[np.float64], header: Any, child: str) -> Any:
    """Make a geometry_msgs/TransformStamped.

    Args:
        T_parent_child: (4, 4) float64, metres.
        header: std_msgs/Header; its frame is the parent.
        child: Name of the child frame.
    """
    translation = _TYPES["geometry_msgs/msg/Vector3"](*T_parent_child[:3, 3].tolist())
    transform = _TYPES["geometry_msgs/msg/Transform"](
        translation=translation, rotation=_quaternion(T_parent_child)
    )
    return _TYPES["geometry_msgs/msg/TransformStamped"](
        header=header, child_frame_id=child, transform=transform
    )


def tf_message(transforms: list[Any]) -> Any:
    """Make a tf2_msgs/TFMessage of several TransformStamped."""
    return _TYPES["tf2_msgs/msg/TFMessage"](transforms=transforms)


def odometry_message(T_parent_child: NDArray[np.float64], header: Any, child: str) -> Any:
    """Make a nav_msgs/Odometry without twist; -1 in the twist's covariance says so.

    Args:
        T_parent_child: (4, 4) float64, metres.
        header: std_msgs/Header; its frame is the parent.
        child: Name of the child frame.
    """
    pose = _TYPES["geometry_msgs/msg/Pose"](
        position=_TYPES["geometry_msgs/msg/Point"](*T_parent_child[:3, 3].tolist()),
        orientation=_quaternion(T_parent_child),
    )
    zero = _TYPES["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0)
    unknown = np.zeros(36)
    unknown[0] = -1.0
    return _TYPES["nav_msgs/msg/Odometry"](
        header=header,
        child_frame_id=child,
        pose=_TYPES["geometry_msgs/msg/PoseWithCovariance"](pose=pose, covariance=np.zeros(36)),
        twist=_TYPES["geometry_msgs/msg/TwistWithCovariance"](
            twist=_TYPES["geometry_msgs/msg/Twist"](linear=zero, angular=zero), covariance=unknown
        ),
    )


def string_message(text: str) -> Any:
    """Make a std_msgs/String."""
    return _TYPES["std_msgs/msg/String"](data=text)


def add_copy(writer: Writer, connection: Connection) -> Connection:
    """Declare a topic of one bag in another, with the same type, definition and QoS.

    Args:
        writer: The other bag, open.
        connection: Connection of the first bag.

    Returns:
        The connection to write the serialized messages to.
    """
    assert isinstance(connection.ext, ConnectionExtRosbag2)
    definition, digest = connection.msgdef.data, connection.digest
    if connection.msgtype in STORE.fielddefs:
        # A bare file has no hash, and an old sqlite3 bag no definition: take those of the type.
        definition = definition or STORE.generate_msgdef(connection.msgtype, ros_version=2)[0]
        digest = digest or STORE.hash_rihs01(connection.msgtype)
    return writer.add_connection(
        connection.topic,
        connection.msgtype,
        msgdef=definition,
        rihs01=digest or "RIHS01_" + "0" * 64,
        serialization_format=connection.ext.serialization_format,
        offered_qos_profiles=connection.ext.offered_qos_profiles,
    )


def _quaternion(transform: NDArray[np.float64]) -> Any:
    w, x, y, z = quaternion_from_matrix(transform).tolist()
    return _TYPES["geometry_msgs/msg/Quaternion"](x=x, y=y, z=z, w=w)
