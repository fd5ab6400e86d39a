"""The topics of a bag that are segmented."""

from __future__ import annotations

from pathlib import Path

from clip2scene_ros.bags.io import BagError, open_bag
from clip2scene_ros.bags.recording import Recording
from clip2scene_ros.sync.topics import Profile, ProfileError, choose_profile, resolved


def choose_bag_profile(
    bag: Path, cloud_topic: str | None = None, is_calibrated: bool = False
) -> Profile:
    """Recognize the layout of a bag by its topics.

    Args:
        bag: A ROS 2 bag: folder, .mcap or .db3.
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
