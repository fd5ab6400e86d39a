"""Further arguments of how messages become sweeps: the node's parameters under the same names."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

from clip2scene_ros.sync.camera_topics import CameraTopics
from clip2scene_ros.sync.sweeps import MISSING_POSES, ZERO_STAMPS, SyncOptions
from clip2scene_ros.sync.topics import Profile

_POSE_WAIT_S: Final = 5.0  # a bag is whole, so waiting costs no more than memory

_FIELD_OF: Final = {
    "rigid_extrinsics": "rigid_extrinsics",
    "zero_stamp": "zero_stamp",
    "stamp_offset": "stamp_offset_s",
    "tf_timeout": "pose_wait_s",
    "on_missing_tf": "on_missing_pose",
    "sync_tolerance": "tolerance_s",
    "sync_max_wait": "max_wait_s",
}
"""Field of SyncOptions by argument, which is the node's parameter with _ in place of a dot."""


def add_sync_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that `sync_fields` and `with_named_cameras` read."""
    defaults = SyncOptions(pose_wait_s=_POSE_WAIT_S)
    parser.add_argument(
        "--rigid-extrinsics",
        type=_switch,
        default=defaults.rigid_extrinsics,
        metavar="true|false",
        help="sensors do not move on the robot; false looks extrinsics up at the stamps",
    )
    parser.add_argument(
        "--zero-stamp",
        choices=ZERO_STAMPS,
        help="messages with stamp 0: reject them, or take the bag's time; by default as the bag's "
        "layout says, or reject",
    )
    parser.add_argument(
        "--stamp-offset",
        type=float,
        default=defaults.stamp_offset_s,
        metavar="S",
        help="added to the stamps of clouds, for a LiDAR whose clock is off",
    )
    parser.add_argument(
        "--tf-timeout",
        type=float,
        default=defaults.pose_wait_s,
        metavar="S",
        help="time to wait for a pose at or after a sweep",
    )
    parser.add_argument(
        "--on-missing-tf",
        choices=MISSING_POSES,
        default=defaults.on_missing_pose,
        help="a sweep without pose: drop it, or label it by itself",
    )
    parser.add_argument(
        "--sync-tolerance",
        type=float,
        default=defaults.tolerance_s,
        metavar="S",
        help="an image serves sweeps this near in time",
    )
    parser.add_argument(
        "--sync-max-wait",
        type=float,
        default=defaults.max_wait_s,
        metavar="S",
        help="time to wait for late images",
    )
    parser.add_argument(
        "--cameras", nargs="+", metavar="NAME", help="cameras to use; by default all of the bag"
    )
    parser.add_argument(
        "--camera-image-topic",
        metavar="TOPIC",
        help="topic of a camera's images, where it is not found; {camera} is its name",
    )
    parser.add_argument(
        "--camera-info-topic",
        metavar="TOPIC",
        help="topic of a camera's CameraInfo; by default camera_info beside the images",
    )


def sync_fields(arguments: argparse.Namespace) -> dict[str, Any]:
    """Collect fields of SyncOptions; None stands for what was not typed."""
    return {field: getattr(arguments, name) for name, field in _FIELD_OF.items()}


def with_named_cameras(profile: Profile, arguments: argparse.Namespace) -> Profile:
    """Take the cameras that the arguments name.

    Raises:
        ValueError: If a camera is not known, or one topic stands for several cameras.
    """
    image, info, names = (
        arguments.camera_image_topic,
        arguments.camera_info_topic,
        arguments.cameras,
    )
    if image is None:
        if info is not None:
            raise ValueError("camera_info_topic says nothing without camera_image_topic; name both")
        unknown = [name for name in names or () if name not in profile.cameras]
        if unknown:
            raise ValueError(
                f"cameras: there is no {', '.join(unknown)}; there are "
                f"{', '.join(profile.cameras) or 'none'} ({profile.why_no_camera()})"
            )
        kept = profile.cameras if names is None else {n: profile.cameras[n] for n in names}
        return replace(profile, cameras=kept)
    names = names or ["camera"]
    if len(names) > 1 and "{camera}" not in image.lower():
        raise ValueError(f"camera_image_topic must contain {{camera}}, got '{image}'")
    info = info or f"{image.removesuffix('/compressed').rpartition('/')[0]}/camera_info"
    cameras = {name: CameraTopics(_fill(image, name), _fill(info, name)) for name in names}
    return replace(profile, cameras=cameras)


def with_option_names(text: str, settings: Collection[str]) -> str:
    """Name settings as a command line does: zero_stamp is --zero-stamp.

    Args:
        text: Message that names parameters of the node; paths in it stay as they are.
        settings: Arguments that the command has, such as "zero_stamp".
    """
    names = sorted((name for name in settings if "_" in name), key=len, reverse=True)
    known = "|".join(re.escape(name).replace("_", "[_.]") for name in names)
    return re.sub(
        rf"(?<![\w/.{{-])({known})(?![\w/.]*/|\w)",
        lambda found: "--" + re.sub(r"[_.]", "-", found[1]),
        text,
    )


def _fill(template: str, camera: str) -> str:
    topic = template.replace("{camera}", camera).replace("{CAMERA}", camera.upper())
    return f"/{topic.lstrip('/')}"


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"must be true or false, got '{text}'")
    return text.lower() == "true"
