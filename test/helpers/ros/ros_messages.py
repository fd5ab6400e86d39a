"""Builders of small ROS messages, in the classes of the rosbags library."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = STORE.types
FLOAT32 = 7


def header(at_ns: int, frame: str) -> Any:
    stamp = TYPES["builtin_interfaces/msg/Time"](
        sec=at_ns // 1_000_000_000, nanosec=at_ns % 1_000_000_000
    )
    return TYPES["std_msgs/msg/Header"](stamp=stamp, frame_id=frame)


def cloud(
    array: np.ndarray, at_ns: int = 10**9, frame: str = "lidar_top", fields: Any = None
) -> Any:
    """A PointCloud2 of a structured array, or of an (N, 4) float32 one."""
    if array.dtype.names is None:
        names = ["x", "y", "z", "intensity"][: array.shape[1]]
        array = np.ascontiguousarray(array, np.float32)
        array = array.view(np.dtype([(name, "<f4") for name in names]))[:, 0]
    if fields is None:
        codes = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}
        fields = [
            point_field(name, array.dtype.fields[name][1], codes[array.dtype[name].str[1:]])
            for name in array.dtype.names
        ]
    is_organised = array.ndim == 2
    height = array.shape[0] if is_organised else 1
    width = array.shape[-1]
    return TYPES["sensor_msgs/msg/PointCloud2"](
        header=header(at_ns, frame),
        height=height,
        width=width,
        fields=fields,
        is_bigendian=array.dtype[0].str[0] == ">",
        point_step=array.dtype.itemsize,
        row_step=array.dtype.itemsize * width,
        data=np.frombuffer(array.tobytes(), np.uint8),
        is_dense=True,
    )


def point_field(name: str, offset: int, datatype: int) -> Any:
    return TYPES["sensor_msgs/msg/PointField"](name=name, offset=offset, datatype=datatype, count=1)


def jpeg(color: tuple[int, int, int] = (255, 0, 0), size: tuple[int, int] = (16, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def compressed_image(
    content: bytes, at_ns: int = 10**9, frame: str = "cam_front", kind: str = "jpeg"
) -> Any:
    return TYPES["sensor_msgs/msg/CompressedImage"](
        header=header(at_ns, frame), format=kind, data=np.frombuffer(content, np.uint8)
    )


def camera_info(
    at_ns: int = 10**9,
    frame: str = "cam_front",
    size: tuple[int, int] = (16, 8),
    focal: float = 10.0,
    distortion: tuple[float, ...] = (),
) -> Any:
    width, height = size
    return TYPES["sensor_msgs/msg/CameraInfo"](
        header=header(at_ns, frame),
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.array(distortion, np.float64),
        k=np.array([focal, 0, width / 2, 0, focal, height / 2, 0, 0, 1], np.float64),
        r=np.eye(3).reshape(-1),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=TYPES["sensor_msgs/msg/RegionOfInterest"](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        ),
    )


def transforms(*edges: tuple[int, str, str, tuple[float, float, float]]) -> Any:
    """A TFMessage of unrotated edges (stamp, parent, child, translation)."""
    return TYPES["tf2_msgs/msg/TFMessage"](
        transforms=[
            TYPES["geometry_msgs/msg/TransformStamped"](
                header=header(at_ns, parent),
                child_frame_id=child,
                transform=TYPES["geometry_msgs/msg/Transform"](
                    translation=TYPES["geometry_msgs/msg/Vector3"](*map(float, translation)),
                    rotation=quaternion(),
                ),
            )
            for at_ns, parent, child, translation in edges
        ]
    )


def odometry(at_ns: int, parent: str, child: str, translation: tuple[float, float, float]) -> Any:
    zero = TYPES["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0)
    return TYPES["nav_msgs/msg/Odometry"](
        header=header(at_ns, parent),
        child_frame_id=child,
        pose=TYPES["geometry_msgs/msg/PoseWithCovariance"](
            pose=TYPES["geometry_msgs/msg/Pose"](
                position=TYPES["geometry_msgs/msg/Point"](*map(float, translation)),
                orientation=quaternion(),
            ),
            covariance=np.zeros(36),
        ),
        twist=TYPES["geometry_msgs/msg/TwistWithCovariance"](
            twist=TYPES["geometry_msgs/msg/Twist"](linear=zero, angular=zero),
            covariance=np.zeros(36),
        ),
    )


def quaternion() -> Any:
    return TYPES["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
