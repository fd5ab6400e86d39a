"""What the launch file works out before it starts anything: topics of a bag, parameters, remaps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from clip2scene_ros.profiles import PROFILES, Profile, ProfileError, choose_profile


class LaunchError(ValueError):
    """An argument that cannot be used; the message names it."""


def topics_of_bag(bag: Path) -> dict[str, str]:
    """Read a bag's topic table from its metadata.yaml.

    Args:
        bag: Folder of a ROS 2 bag.

    Returns:
        Type by topic name.

    Raises:
        LaunchError: If it is no such folder, or `ros2 bag play` could not play it.
    """
    metadata = bag / "metadata.yaml"
    try:
        content = yaml.safe_load(metadata.read_text(encoding="utf-8"))
        entries = content["rosbag2_bagfile_information"]["topics_with_message_count"]
        topics = [entry["topic_metadata"] for entry in entries]
        formats = {topic["serialization_format"] for topic in topics}
        types = {topic["name"]: topic["type"] for topic in topics}
    except OSError as error:
        raise LaunchError(
            f"bag: {metadata} cannot be read ({error.strerror}); give the folder of a ROS 2 bag"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise LaunchError(f"bag: {metadata} is not the metadata of a ROS 2 bag") from error
    foreign = sorted(formats - {"cdr"})
    if foreign:
        raise LaunchError(
            f"bag: {bag} holds {', '.join(foreign)} messages, which `ros2 bag play` refuses; "
            f"write the scene anew with `clip2scene bag`"
        )
    return types


def profile_for(profile: str, topics: Mapping[str, str], points_topic: str) -> Profile:
    """Choose the topics.

    Args:
        profile: A name of PROFILES; "robot" leaves the node's own parameters alone; "auto" looks at
            the bag's topics, and is "robot" without a bag.
        topics: Of the bag, empty without one.
        points_topic: The cloud, where the user named it.

    Returns:
        The profile; that of "robot" has no cameras.

    Raises:
        LaunchError: If the name is unknown or the bag leaves a choice.
    """
    if profile == "robot" or (profile == "auto" and not topics):
        return Profile("robot", points_topic or "points", {}, "odom")
    if profile != "auto":
        if profile not in PROFILES:
            known = ", ".join(["auto", "robot", *PROFILES])
            raise LaunchError(f"profile must be one of {known}; got '{profile}'")
        chosen = PROFILES[profile]
        cloud = points_topic or chosen.cloud_topic
        return Profile(chosen.name, cloud, chosen.cameras, chosen.odometry_topic)
    try:
        return choose_profile(topics, points_topic or None)
    except ProfileError as error:
        raise LaunchError(f"points_topic: {error}") from error


def camera_parameters(profile: Profile) -> dict[str, Any]:
    """Express a profile's camera topics as the node's parameters.

    Raises:
        LaunchError: If the cameras' topics do not follow one template.
    """
    if not profile.cameras:
        return {} if profile.name == "robot" else {"cameras": [""]}
    templates = {
        (_template(topics.image, camera), _template(topics.info, camera))
        for camera, topics in profile.cameras.items()
    }
    if len(templates) > 1:
        listed = ", ".join(sorted(image for image, _ in templates))
        raise LaunchError(f"cameras: their topics follow several patterns ({listed}); name some")
    image, info = templates.pop()
    return {
        "cameras": list(profile.cameras),
        "camera_image_topic": image,
        "camera_info_topic": info,
    }


def given_parameters(arguments: Mapping[str, str], profile: Profile) -> dict[str, Any]:
    """Collect the node's parameters that launch arguments set; the others keep the file's values.

    Args:
        arguments: Launch arguments by name; an empty one was not given.
        profile: The topics.

    Returns:
        Parameters by name, stronger than the parameter file.

    Raises:
        LaunchError: If the cameras' topics do not follow one template.
    """
    wanted = _listed(arguments["cameras"])
    if wanted and profile.cameras:
        unknown = [camera for camera in wanted if camera not in profile.cameras]
        if unknown:
            raise LaunchError(
                f"cameras: there is no {', '.join(unknown)}; there are {', '.join(profile.cameras)}"
            )
        kept = {camera: profile.cameras[camera] for camera in wanted}
        profile = Profile(profile.name, profile.cloud_topic, kept, profile.odometry_topic)
    parameters = camera_parameters(profile)
    if wanted:
        parameters["cameras"] = wanted
    if arguments["prompts"]:
        parameters["prompts"] = _listed(arguments["prompts"])
    for name in ("weights", "device", "mode", "pose_source", "extrinsics_file"):
        if arguments[name]:
            parameters[name] = arguments[name]
    parameters["use_sim_time"] = _is_true(
        "use_sim_time", arguments["use_sim_time"], default=bool(arguments["bag"])
    )
    return parameters


def player_command(arguments: Mapping[str, str]) -> list[str]:
    """Write the command that plays the bag and its clock.

    Raises:
        LaunchError: If `loop` or `start_paused` is neither true nor false.
    """
    command = ["ros2", "bag", "play", arguments["bag"], "--clock", "100"]
    command += ["--rate", arguments["rate"]]
    if _is_true("loop", arguments["loop"]):
        command.append("--loop")
    if _is_true("start_paused", arguments["start_paused"]):
        command.append("--start-paused")
    return command


def _is_true(name: str, text: str, default: bool = False) -> bool:
    if text in ("", "auto"):
        return default
    if text.lower() not in ("true", "false"):
        raise LaunchError(f"{name} must be true or false, got '{text}'")
    return text.lower() == "true"


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.strip("[]").split(",") if part.strip()]


def _template(topic: str, camera: str) -> str:
    for name, placeholder in ((camera, "{camera}"), (camera.upper(), "{CAMERA}")):
        if name in topic.split("/"):
            return "/".join(placeholder if part == name else part for part in topic.split("/"))
    return topic
