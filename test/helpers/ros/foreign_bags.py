"""The tiny data set as bags in the layouts that other converters and robots write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rosbags.convert.converter import convert
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from clip2scene_core.datasets.nuscenes import read_points
from clip2scene_core.datasets.nuscenes_tables import SensorRecord
from clip2scene_ros.bags.messages import (
    STORE,
    camera_info_message,
    cloud_message,
    compressed_image_message,
    header_message,
    odometry_message,
    tf_message,
    transform_message,
)

KITTI_DISTORTION = (-0.37, 0.2, 0.001, 0.002, -0.07)
Message = tuple[str, int, Any]
"""Topic, bag time in nanoseconds, message."""


def write(path: Path, messages: list[Message], storage=StoragePlugin.SQLITE3) -> Path:
    """Write messages in order of bag time."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}
        for topic, at_ns, message in sorted(messages, key=lambda row: row[1]):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], at_ns, STORE.serialize_cdr(message, kind))
    return path


def through_ros1(bag: Path, out: Path) -> Path:
    """Make a ROS 1 bag of it, and of that what `rosbags-convert` makes."""
    old = out.with_suffix(".bag")
    noetic = get_typestore(Stores.ROS1_NOETIC)
    rest = ([], [], [], [])
    convert([bag], old, "sqlite3", 9, None, "file", STORE, noetic, *rest)
    convert([old], out, "sqlite3", 9, None, "file", noetic, STORE, *rest)
    return out


def nuscenes_ros2bag(records: list[SensorRecord]) -> list[Message]:
    """Upper case; transforms at keyframes, the next one's in advance; an R that is no rotation."""
    messages: list[Message] = []
    keyframes = [r for r in records if r.modality == "lidar" and r.is_key_frame]
    sensors = {r.channel: r for r in records}.values()
    for this, following in zip(keyframes, [*keyframes[1:], None], strict=True):
        transforms = []
        for at in filter(None, (this, following)):
            header = header_message(at.stamp_ns, "map")
            transforms.append(transform_message(at.T_global_ego, header, "base_link"))
            header = header_message(at.stamp_ns, "base_link")
            transforms += [transform_message(r.T_ego_sensor, header, r.channel) for r in sensors]
        messages.append(("/tf", this.stamp_ns, tf_message(transforms)))
    for record in records:
        frame = record.channel
        header = header_message(record.stamp_ns, frame)
        # A keyframe's images lie at the time of its sweep.
        at_ns = min((k.stamp_ns for k in keyframes), key=lambda ns: abs(ns - record.stamp_ns))
        at_ns = at_ns if record.is_key_frame else record.stamp_ns
        if record.modality == "lidar":
            messages.append((f"/{frame}", at_ns, nuscenes_cloud(record, header, 5)))
        else:
            info = camera_info_message(record.intrinsics, (32, 56), header)
            info.r = np.array([1.0, 0, 0, 1, 0, 0, 1, 0, 0])
            jpeg = compressed_image_message(record.path.read_bytes(), "jpeg", header)
            messages.append((f"/{frame}/camera_info", at_ns, info))
            messages.append((f"/{frame}/image_rect_compressed", at_ns, jpeg))
    return messages


def nuscenes2bag(records: list[SensorRecord], is_port: bool = False) -> list[Message]:
    """Relative names, raw images, no CameraInfo, all transforms with every pose.

    Args:
        is_port: As its ROS 2 port: no stamps on clouds and images, no frame on images.
    """
    messages: list[Message] = []
    sensors = {r.channel: r for r in records}.values()
    for record in records:
        at_ns, frame = record.stamp_ns, record.channel.lower()
        header = header_message(at_ns, "odom")
        transforms = [transform_message(record.T_global_ego, header, "base_link")]
        header = header_message(at_ns, "base_link")
        transforms += [
            transform_message(r.T_ego_sensor, header, r.channel.lower()) for r in sensors
        ]
        transforms.append(transform_message(np.eye(4), header_message(at_ns, "map"), "odom"))
        messages.append(("/tf", at_ns, tf_message(transforms)))
        odometry = odometry_message(record.T_global_ego, header_message(at_ns, "odom"), "base_link")
        messages.append(("/odom", at_ns, odometry))
        header = header_message(0 if is_port else at_ns, frame)
        if record.modality == "lidar":
            messages.append((frame, at_ns, nuscenes_cloud(record, header, 4)))
        else:
            if is_port:
                header.frame_id = ""
            messages.append((f"{frame}/raw", at_ns, raw_image(record, header)))
    return messages


def kitti2bag(records: list[SensorRecord]) -> list[Message]:
    """Frames world, imu_link, velo_link; intensity in [0, 1]; extrinsics again with every pose.

    Only P is of the images, which are rectified; K and D are the lens'.
    """
    messages: list[Message] = []
    T_base_imu = np.eye(4)
    T_base_imu[:3, 3] = -0.5, 0.25, 1.0
    names = {"LIDAR_TOP": "velo_link", "CAM_FRONT": "camera_color_left", "CAM_BACK": "camera_gray"}
    sensors = {r.channel: r for r in records}.values()
    for record in records:
        at_ns, frame = record.stamp_ns, names[record.channel]
        header = header_message(at_ns, "world")
        pose = tf_message([transform_message(record.T_global_ego, header, "base_link")])
        messages.append(("/tf", at_ns, pose))
        static = [transform_message(T_base_imu, header_message(at_ns, "base_link"), "imu_link")]
        for sensor in sensors:
            T_imu_sensor = np.linalg.inv(T_base_imu) @ sensor.T_ego_sensor
            header = header_message(at_ns, "imu_link")
            static.append(transform_message(T_imu_sensor, header, names[sensor.channel]))
        messages.append(("/tf_static", at_ns, tf_message(static)))
        header = header_message(at_ns, frame)
        if record.modality == "lidar":
            cloud = nuscenes_cloud(record, header, 4, scale=1 / 255)
            messages.append(("/kitti/velo/pointcloud", at_ns, cloud))
        else:
            info = camera_info_message(record.intrinsics, (32, 56), header)
            info.k, info.d = 1.3 * info.k + 7, np.array(KITTI_DISTORTION)
            messages.append((f"/kitti/{frame}/camera_info", at_ns, info))
            messages.append((f"/kitti/{frame}/image_raw", at_ns, raw_image(record, header)))
    return messages


def robot(records: list[SensorRecord]) -> list[Message]:
    """Names of its own, an odom frame and no map."""
    messages: list[Message] = []
    names = {"LIDAR_TOP": "os_lidar", "CAM_FRONT": "front_optical", "CAM_BACK": "rear_optical"}
    sensors = {r.channel: r for r in records}.values()
    header = header_message(records[0].stamp_ns, "base_link")
    static = [transform_message(r.T_ego_sensor, header, names[r.channel]) for r in sensors]
    messages.append(("/tf_static", records[0].stamp_ns, tf_message(static)))
    for record in records:
        at_ns, frame = record.stamp_ns, names[record.channel]
        header = header_message(at_ns, "odom")
        pose = tf_message([transform_message(record.T_global_ego, header, "base_link")])
        messages.append(("/tf", at_ns, pose))
        header = header_message(at_ns, frame)
        if record.modality == "lidar":
            messages.append(("/ouster/points", at_ns, nuscenes_cloud(record, header, 4)))
        else:
            side = frame.removesuffix("_optical")
            info = camera_info_message(record.intrinsics, (32, 56), header)
            jpeg = compressed_image_message(record.path.read_bytes(), "jpeg", header)
            messages.append((f"/{side}/camera_info", at_ns, info))
            messages.append((f"/{side}/image_raw/compressed", at_ns, jpeg))
    return messages


def nuscenes_cloud(record: SensorRecord, header: Any, num_fields: int, scale: float = 1.0) -> Any:
    """The sweep's first columns; the intensity times `scale`."""
    names = ["x", "y", "z", "intensity", "ring"][:num_fields]
    columns = read_points(record.path)[:, :num_fields].copy()
    columns[:, 3] *= scale
    layout = np.dtype([(name, "<f4") for name in names])
    return cloud_message(np.ascontiguousarray(columns).view(layout)[:, 0], header)


def raw_image(record: SensorRecord, header: Any) -> Any:
    """The picture as bgr8."""
    pixels = np.asarray(Image.open(record.path).convert("RGB"))[:, :, ::-1]
    height, width = pixels.shape[:2]
    return STORE.types["sensor_msgs/msg/Image"](
        header=header,
        height=height,
        width=width,
        encoding="bgr8",
        is_bigendian=0,
        step=3 * width,
        data=np.frombuffer(pixels.tobytes(), np.uint8),
    )
