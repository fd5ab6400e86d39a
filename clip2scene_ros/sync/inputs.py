"""The topics that a synchronizer takes, each with the method that takes its messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import CLOUD_TYPE, INFO_TYPE, ODOMETRY_TYPE, TF_TYPE, resolved


@dataclass(frozen=True)
class SyncInput:
    """One topic that a synchronizer takes.

    Attributes:
        name: "lidar", "CAMERA image", "CAMERA info", "odometry", "tf" or "tf_static".
        topic: Absolute name, for example "/lidar_top".
        message_type: For example "sensor_msgs/msg/PointCloud2"; None for images, which are Image or
            CompressedImage.
        take: Hands a message to the synchronizer; the second argument is the time now in
            nanoseconds.
    """

    name: str
    topic: str
    message_type: str | None
    take: Callable[[Any, int], None]


def inputs_of(synchronizer: SweepSynchronizer) -> dict[str, SyncInput]:
    """List the topics of the synchronizer's profile and cameras, by name of the input.

    The synchronizer ignores some of them: odometry unless poses come from odometry, CameraInfo
    where calibrations come from files.
    """
    profile = synchronizer.profile
    inputs = [SyncInput("lidar", profile.cloud_topic, CLOUD_TYPE, synchronizer.on_cloud)]
    for camera in synchronizer.options.cameras:
        topics = profile.cameras[camera]
        on_image = partial(synchronizer.on_image, camera)
        on_info = _without_time(partial(synchronizer.on_camera_info, camera))
        inputs.append(SyncInput(f"{camera} image", topics.image, None, on_image))
        inputs.append(SyncInput(f"{camera} info", topics.info, INFO_TYPE, on_info))
    inputs.append(
        SyncInput("odometry", profile.odometry_topic, ODOMETRY_TYPE, synchronizer.on_odometry)
    )
    for name, is_static in (("tf", False), ("tf_static", True)):
        on_tf = partial(_take_tf, synchronizer, is_static)
        inputs.append(SyncInput(name, f"/{name}", TF_TYPE, on_tf))
    return {sync_input.name: sync_input for sync_input in inputs}


def find_input(inputs: Mapping[str, SyncInput], topic: str, message_type: str) -> SyncInput | None:
    """Find the input that a topic of a bag belongs to.

    Args:
        inputs: From `inputs_of`.
        topic: As the bag names it, with or without the leading slash.
        message_type: Every tf2_msgs/msg/TFMessage is an input, whatever its topic; it is static if
            the topic ends in "tf_static".

    Returns:
        The input, or None if the topic is no input.
    """
    if message_type == TF_TYPE:
        return inputs["tf_static" if topic.endswith("tf_static") else "tf"]
    absolute = resolved(topic)
    return next((found for found in inputs.values() if found.topic == absolute), None)


def _take_tf(synchronizer: SweepSynchronizer, is_static: bool, message: Any, now_ns: int) -> None:
    synchronizer.on_tf(message, is_static, now_ns)


def _without_time(take: Callable[[Any], None]) -> Callable[[Any, int], None]:
    return lambda message, _now_ns: take(message)
