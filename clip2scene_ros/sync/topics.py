"""Which topics hold the cloud and the cameras: known layouts, and a choice by name and type."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from clip2scene_ros.sync.camera_topics import IMAGE_TYPES as IMAGE_TYPES
from clip2scene_ros.sync.camera_topics import INFO_TYPE as INFO_TYPE
from clip2scene_ros.sync.camera_topics import (
    NUSCENES_CAMERAS,
    OWN_PREFIX,
    CameraTopics,
    find_cameras,
)

CLOUD_TYPE: Final = "sensor_msgs/msg/PointCloud2"
ODOMETRY_TYPE: Final = "nav_msgs/msg/Odometry"
TF_TYPE: Final = "tf2_msgs/msg/TFMessage"

GROUND_TRUTH_SUFFIX: Final = "/lidarseg"
"""Ending of a topic with the ground truth of the cloud whose name stands before it."""

IMAGE_KINDS: Final = ("auto", "rectified", "raw")
"""Raw is as the lens gives it; auto goes by the name of the images' topic."""
_RECTIFIED_NAME: Final = re.compile(r"(^|_)(rect|rectified|undist|undistorted)(_|$)")
_RAW_NAME: Final = re.compile(r"(^|_)raw(_|$)")


class ProfileError(ValueError):
    """No cloud can be chosen from the topics; the message lists them."""


@dataclass(frozen=True)
class Profile:
    """The topics that are segmented, and the options that their layout fixes.

    Attributes:
        name: A key of PROFILES, "robot" for topics found by their types, "node" for topics from a
            node's parameters.
        cloud_topic: Topic of the sensor_msgs/PointCloud2.
        cameras: Topics by camera name, for example "cam_front"; may be empty.
        odometry_topic: Topic of the nav_msgs/Odometry, used when poses come from odometry.
        fixed_frame: Frame of the map; None if the layout does not fix it.
        intensity_scale: The LiDAR's largest intensity; None if the layout does not fix it.
        zero_stamp: What happens to stamps of 0, "reject" or "arrival"; None if the layout does not
            fix it.
        passed_over: Image topics of no camera, each with the reason.
        image_kind: "rectified" where images are, whatever their topics are called; None if the
            layout does not fix it.
    """

    name: str
    cloud_topic: str
    cameras: Mapping[str, CameraTopics] = field(default_factory=dict)
    odometry_topic: str = "/odom"
    fixed_frame: str | None = None
    intensity_scale: float | None = None
    zero_stamp: str | None = None
    image_kind: str | None = None
    passed_over: Mapping[str, str] = field(default_factory=dict, compare=False)

    def why_no_camera(self) -> str:
        """Say which image topics were passed over, and why."""
        if not self.passed_over:
            return "there is no topic with images"
        listed = "; ".join(f"{image}: {reason}" for image, reason in self.passed_over.items())
        return f"passed over were {listed}"

    def check_cameras(self, cameras: Collection[str]) -> None:
        """Check that cameras have topics.

        Raises:
            ValueError: If one has none.
        """
        unknown = [camera for camera in cameras if camera not in self.cameras]
        if unknown:
            raise ValueError(
                f"no topics for {', '.join(unknown)}; "
                f"known cameras are {', '.join(self.cameras) or 'none'}"
            )

    def sync_options(self) -> dict[str, Any]:
        """Give the fields of SyncOptions that the layout fixes; parameters have the same names."""
        fields = ("fixed_frame", "intensity_scale", "zero_stamp", "image_kind")
        return {name: getattr(self, name) for name in fields if getattr(self, name) is not None}


NUSCENES: Final = Profile(
    "nuscenes",
    "/lidar_top",
    {
        name: CameraTopics(f"/{name}/image_rect_compressed", f"/{name}/camera_info")
        for name in NUSCENES_CAMERAS
    },
)
"""Lower-case names of nuscenes2mcap, which `clip2scene bag` writes, too."""

NUSCENES_ROS2BAG: Final = Profile(
    "nuscenes_ros2bag",
    "/LIDAR_TOP",
    {
        name: CameraTopics(f"/{name.upper()}/image_rect_compressed", f"/{name.upper()}/camera_info")
        for name in NUSCENES_CAMERAS
    },
)
"""Upper-case names of nuscenes_to_ros2bag."""

NUSCENES2BAG: Final = Profile(
    "nuscenes2bag",
    "/lidar_top",
    {name: CameraTopics(f"/{name}/raw", f"/{name}/camera_info") for name in NUSCENES_CAMERAS},
    zero_stamp="arrival",
)
"""Bags of nuscenes2bag after rosbags-convert: raw images, and no CameraInfo.

Its port NuScenes2Bag_ROS2 has the same topics and leaves the stamps 0; its bag times are right.
"""

KITTI: Final = Profile(
    "kitti",
    "/kitti/velo/pointcloud",
    {
        "kitti/camera_color_left": CameraTopics(
            "/kitti/camera_color_left/image_raw", "/kitti/camera_color_left/camera_info"
        )
    },
    fixed_frame="world",
    intensity_scale=1.0,
    image_kind="rectified",
)
"""Bags of kitti2bag after rosbags-convert: the left color camera alone.

K and D in them are the lens', the images are KITTI's rectified ones.
"""

_KITTI_CAMERAS: Final[tuple[str, ...]] = ("kitti/camera_color_left", "kitti/camera_color/left")
"""The camera of KITTI as released kitti2bags and newer ones call it."""

PROFILES: Final[Mapping[str, Profile]] = {
    profile.name: profile for profile in (NUSCENES, NUSCENES_ROS2BAG, NUSCENES2BAG, KITTI)
}
ROBOT: Final = "robot"
"""Name of the profile whose topics are found by their types."""


def resolved(topic: str) -> str:
    """Make a topic name absolute, as a bag player does; converted bags hold relative names."""
    return f"/{topic.lstrip('/')}"


def is_rectified(topic: str, image_kind: str = "auto") -> bool:
    """Tell whether the images of a topic are rectified.

    Args:
        topic: For example "/front/image_rect_color/compressed".
        image_kind: One of IMAGE_KINDS. "auto": the last part of the name that speaks of it decides;
            image_rect, image_rect_raw, rect/image and undistorted are rectified, image_raw and
            names that say nothing are not.
    """
    if image_kind != "auto":
        return image_kind == "rectified"
    for part in reversed(topic.lower().split("/")):
        if _RECTIFIED_NAME.search(part):
            return True
        if _RAW_NAME.search(part):
            return False
    return False


def choose_profile(
    topics: Mapping[str, str], cloud_topic: str | None = None, is_calibrated: bool = False
) -> Profile:
    """Choose the cloud and the cameras of a bag or a graph.

    Ground truth, radar and our own outputs are not candidates. For cameras see `find_cameras`.

    Args:
        topics: Type by topic name, for example {"/lidar_top": "sensor_msgs/msg/PointCloud2"}.
        cloud_topic: The cloud to use where there are several.
        is_calibrated: Calibrations come from files: cameras without CameraInfo are used, too.

    Returns:
        The profile; cameras in the order of nuScenes, others by name.

    Raises:
        ProfileError: If no topic or more than one could be the cloud, or `cloud_topic` is not one.
    """
    cloud_topic = _choose_cloud(topics, cloud_topic)
    cameras, passed_over = find_cameras(topics, is_calibrated)
    odometry = sorted(name for name, kind in topics.items() if kind == ODOMETRY_TYPE)
    layout = _recognize(topics, cloud_topic)
    if layout is None:
        layout = Profile(ROBOT, cloud_topic)
    elif layout is KITTI:  # the other three cameras see the same from beside it
        cameras = {name: cameras[name] for name in _KITTI_CAMERAS if name in cameras} or cameras
    return replace(
        layout,
        cameras=cameras,
        odometry_topic=odometry[0] if len(odometry) == 1 else "/odom",
        passed_over=passed_over,
    )


def _recognize(topics: Mapping[str, str], cloud_topic: str) -> Profile | None:
    """The known layout with this cloud and the most of its image topics."""
    candidates = [p for p in PROFILES.values() if p.cloud_topic == cloud_topic]
    return max(
        candidates,
        key=lambda profile: sum(camera.image in topics for camera in profile.cameras.values()),
        default=None,
    )


def _choose_cloud(topics: Mapping[str, str], cloud_topic: str | None) -> str:
    clouds = sorted(name for name, kind in topics.items() if kind == CLOUD_TYPE)
    if cloud_topic is not None:
        if cloud_topic not in clouds:
            raise ProfileError(
                f"{cloud_topic} is no {CLOUD_TYPE}; those are {', '.join(clouds) or 'none'}"
            )
        return cloud_topic
    candidates = [
        name
        for name in clouds
        if not name.endswith(GROUND_TRUTH_SUFFIX)
        and not name.startswith(OWN_PREFIX)
        and "radar" not in name.lower()
    ]
    known = [name for name in candidates if any(name == p.cloud_topic for p in PROFILES.values())]
    if len(known) == 1:
        return known[0]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise ProfileError(f"several clouds: {', '.join(candidates)}; name the one to segment")
    listed = ", ".join(f"{name} ({kind})" for name, kind in sorted(topics.items()))
    raise ProfileError(f"no {CLOUD_TYPE} topic to segment; there are {listed or 'no topics'}")
