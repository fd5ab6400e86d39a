"""The topics of a bag that are segmented."""

from __future__ import annotations

from pathlib import Path

from clip2scene_ros.bags.io import BagError, open_bag
from clip2scene_ros.bags.reading.recording import Recording
from clip2scene_ros.sync.topics import Profile, ProfileError, choose_profile, resolved


def choose_bag_profile(
    bag: Path, cloud_topic: str | None = None, is_calibrated: bool = False
) -> Profile:
    """Recognize the layout of a bag by its topics.

    Args:
        bag: See `open_bag`.
        cloud_topic: The cloud to label, for bags that have several.
        is_calibrated: Calibrations come from files: cameras without CameraInfo are used, too.

    Raises:
        BagError: If the bag cannot be read, or its topics leave no or several clouds.
    """
    with open_bag(bag) as reader:
        return profile_of(reader, cloud_topic, is_calibrated)


def profile_of(
    reader: Recording, cloud_topic: str | None = None, is_calibrated: bool = False
) -> Profile:
    """Recognize the layout of an open bag, as `choose_bag_profile` does.

    Raises:
        BagError: If its topics leave no or several clouds.
    """
    types = {resolved(connection.topic): connection.msgtype for connection in reader.connections}
    try:
        return choose_profile(types, cloud_topic, is_calibrated)
    except ProfileError as error:
        raise BagError(f"{reader.path}: {error}") from error


def require_cameras(bag: Path, profile: Profile, mode: str) -> None:
    """Refuse a mode that uses cameras where there is none.

    Args:
        bag: For the message.
        profile: Topics that were found in it.
        mode: "lidar", "camera" or "fused".

    Raises:
        BagError: If the mode uses cameras and the profile has none; it says which image topics were
            passed over, and why.
    """
    if mode != "lidar" and not profile.cameras:
        raise BagError(
            f"{bag}: mode '{mode}' uses cameras, but none can be used: {profile.why_no_camera()}; "
            f"name the topics (cameras, camera_image_topic, camera_info_topic) or calibration "
            f"files (camera_info_url), or take mode 'lidar'"
        )
