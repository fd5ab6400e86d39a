"""The launch file's arguments as parameters, remappings and commands, without ROS."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from clip2scene_core.files.damage import shortened
from clip2scene_core.files.text import NOT_YAML, load_yaml, read_text
from clip2scene_ros.sync.topics import (
    PROFILES,
    ROBOT,
    Profile,
    ProfileError,
    choose_profile,
    resolved,
)

TEXT_PARAMETERS: Final = (
    "weights",
    "device",
    "mode",
    "pose_source",
    "extrinsics_file",
    "camera_info_url",
)
"""Arguments that are parameters of the node with the same name."""

_DDS_VARIABLES: Final = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_LOG_LEVELS: Final = ("debug", "info", "warn", "error", "fatal")
_DISCOVERY_S: Final = 2.0
_OWN_TOPIC: Final = re.compile(r"/clip2scene/[\w/]+")


_MAX_METADATA_BYTES: Final = 1 << 23


class LaunchError(ValueError):
    """An argument that cannot be used; the message names it."""


def topics_of_bag(bag: Path) -> dict[str, str]:
    """Read a bag's topic table from its metadata.yaml.

    Args:
        bag: Folder of a ROS 2 bag.

    Returns:
        Type by topic name.

    Raises:
        LaunchError: If the folder is no ROS 2 bag, or `ros2 bag play` cannot play it.
    """
    metadata = bag / "metadata.yaml"
    try:
        content = load_yaml(read_text(metadata, _MAX_METADATA_BYTES))
        entries = content["rosbag2_bagfile_information"]["topics_with_message_count"]
        topics = [entry["topic_metadata"] for entry in entries]
        formats = {topic["serialization_format"] for topic in topics}
        types = {resolved(topic["name"]): topic["type"] for topic in topics}
        if not all(isinstance(text, str) for text in (*formats, *types, *types.values())):
            raise TypeError("a name, type or format is no text")
    except OSError as error:
        raise LaunchError(
            f"bag: {metadata} cannot be read ({error.strerror}); give the folder of a ROS 2 bag"
        ) from error
    except NOT_YAML as error:
        raise LaunchError(f"bag: {metadata} is not the metadata of a ROS 2 bag") from error
    foreign = sorted(formats - {"cdr"})
    if foreign:
        raise LaunchError(
            f"bag: {bag} holds {shortened(', '.join(foreign), 60)} messages, which `ros2 bag play` "
            f"refuses; write the scene anew with `clip2scene bag`"
        )
    return types


def profile_for(
    profile: str, topics: Mapping[str, str], points_topic: str, is_calibrated: bool = False
) -> Profile | None:
    """Choose the topics.

    Args:
        profile: A key of PROFILES; "auto" recognizes the layout of the bag; "robot" finds the
            topics by their types.
        topics: Type by topic name of the bag; empty without a bag.
        points_topic: Topic of the cloud; "" if the user did not name it.
        is_calibrated: Calibrations come from files: cameras without CameraInfo are used, too.

    Returns:
        The profile; None if there is neither a bag nor a name, which leaves the topics to the
        parameter file.

    Raises:
        LaunchError: If the name is unknown, or the bag has no or several clouds.
    """
    if profile in PROFILES:
        chosen = PROFILES[profile]
        return replace(chosen, cloud_topic=points_topic or chosen.cloud_topic)
    if profile not in ("auto", ROBOT):
        known = ", ".join(["auto", ROBOT, *PROFILES])
        raise LaunchError(f"profile must be one of {known}; got '{profile}'")
    if not topics:
        return None
    try:
        found = choose_profile(topics, points_topic or None, is_calibrated)
    except ProfileError as error:
        raise LaunchError(f"points_topic: {error}") from error
    if profile == ROBOT:  # the topics, without the options of a known layout
        return Profile(ROBOT, found.cloud_topic, found.cameras, found.odometry_topic)
    return found


def remappings(
    profile: Profile | None, points_topic: str, odom_topic: str = ""
) -> list[tuple[str, str]]:
    """List the remappings of the node's two relative inputs, `points` and `odom`.

    Args:
        profile: The topics; None leaves them to the arguments.
        points_topic: Topic of the cloud; "" if the user did not name it. A profile has it already.
        odom_topic: Topic of the odometry; "" if the user did not name it.

    Returns:
        (name, topic) of each input that has a topic; the others keep their names.
    """
    if profile is not None:
        points_topic, odom_topic = profile.cloud_topic, odom_topic or profile.odometry_topic
    topics = {"points": points_topic, "odom": odom_topic}
    return [(name, topic) for name, topic in topics.items() if topic]


def given_parameters(arguments: Mapping[str, str], profile: Profile | None) -> dict[str, Any]:
    """Collect the node's parameters that launch arguments set.

    Args:
        arguments: Launch arguments by name; "" for those that were not given.
        profile: The topics; None leaves them to the parameter file.

    Returns:
        Parameters by name; they override the parameter file.

    Raises:
        LaunchError: If the cameras' topics do not follow one template.
    """
    wanted = _listed(arguments["cameras"])
    parameters: dict[str, Any] = {"cameras": wanted} if wanted else {}
    if profile is not None:
        parameters = _camera_parameters(_kept_cameras(profile, wanted))
        parameters |= profile.sync_options()
    if arguments["prompts"]:
        parameters["prompts"] = _listed(arguments["prompts"])
    for name in TEXT_PARAMETERS:
        if arguments[name]:
            parameters[name] = arguments[name]
    parameters["use_sim_time"] = is_true(
        "use_sim_time", arguments["use_sim_time"], default=bool(arguments["bag"])
    )
    return parameters


def player_command(arguments: Mapping[str, str]) -> list[str]:
    """Make the command that plays the bag and its clock.

    Args:
        arguments: Launch arguments by name.

    Raises:
        LaunchError: If `loop` or `start_paused` is neither true nor false.
    """
    command = ["ros2", "bag", "play", arguments["bag"], "--clock", "100"]
    # What is published before the subscriptions are found is lost.
    command += ["--rate", arguments["rate"], "--delay", str(_DISCOVERY_S)]
    if is_true("loop", arguments["loop"]):
        command.append("--loop")
    if is_true("start_paused", arguments["start_paused"]):
        command.append("--start-paused")
    return command


def full_namespace(pushed: str, namespace: str) -> str:
    """Give the namespace that launch_ros starts a node in.

    Args:
        pushed: Namespace that the launch files around this one have pushed; "" for none.
        namespace: Argument `namespace`; with a leading slash it counts alone.
    """
    parts = [namespace] if namespace.startswith("/") else [pushed, namespace]
    return "/" + "/".join(name for part in parts for name in part.split("/") if name)


def node_log_level(namespace: str, level: str) -> str:
    """Make the value of --log-level for the node's own logger, whose name has its namespace.

    Args:
        namespace: Full namespace of the node.
        level: One of debug, info, warn, error, fatal.

    Raises:
        LaunchError: If the level is another one.
    """
    if level.lower() not in _LOG_LEVELS:
        raise LaunchError(f"log_level must be one of {', '.join(_LOG_LEVELS)}, got '{level}'")
    return f"{'.'.join([*filter(None, namespace.split('/')), 'clip2scene'])}:={level.lower()}"


def python_prefix(python: str) -> str | None:
    """Make the prefix that runs the node by a Python of the user's choice.

    Args:
        python: Path or name of a program; "" for the installed one.

    Raises:
        LaunchError: If there is no such program.
    """
    if not python:
        return None
    found = shutil.which(os.path.expanduser(python))
    if found is None:
        raise LaunchError(
            f"python: '{python}' is no program that can be run; give the Python of an environment, "
            f"such as venv/bin/python"
        )
    return shlex.quote(os.path.abspath(found))


def is_node_required(arguments: Mapping[str, str]) -> bool:
    """Say whether the end of the node ends everything that was launched with it.

    Args:
        arguments: Launch arguments by name.

    Raises:
        LaunchError: If a switch is neither true nor false, or the node is to start again, too.
    """
    is_respawned = is_true("respawn", arguments["respawn"])
    is_demo = bool(arguments["bag"]) and not is_respawned
    is_required = is_true("required", arguments["required"], default=is_demo)
    if is_required and is_respawned:
        raise LaunchError(
            "required and respawn are both true: a node that ends everything cannot start again"
        )
    return is_required


def check_player(status: int) -> None:
    """Check how the player ended.

    Args:
        status: Its exit status.

    Raises:
        LaunchError: If it failed.
    """
    if status != 0:
        raise LaunchError(f"bag: the player ended with status {status}; what it said stands above")


def rviz_remappings(config: Path, namespace: str) -> list[tuple[str, str]]:
    """List the remappings of RViz's topics into the namespace of the node.

    Args:
        config: RViz configuration for a node without namespace.
        namespace: Namespace of the node; "" for none.
    """
    prefix = namespace.strip("/")
    if not prefix:
        return []
    topics = sorted(set(_OWN_TOPIC.findall(config.read_text(encoding="utf-8"))))
    return [(topic, f"/{prefix}{topic}") for topic in topics]


def existing_file(name: str, path: str) -> str:
    """Check that an argument names a file; its readers would only warn.

    Args:
        name: Name of the argument.
        path: What the user gave for it: the path of a file.

    Raises:
        LaunchError: If there is no such file.
    """
    if not Path(path).is_file():
        raise LaunchError(f"{name}: there is no file '{path}'")
    return path


def dds_environment(profile: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Make the environment variables that name the DDS profile for Fast DDS 2 and 3.

    Args:
        profile: Path of an XML file, or "none".
        environment: Environment of this process; if it names a profile, that one stays.

    Returns:
        Variables to add, by name.

    Raises:
        LaunchError: If the file is missing.
    """
    if profile == "none" or any(name in environment for name in _DDS_VARIABLES):
        return {}
    return dict.fromkeys(_DDS_VARIABLES, existing_file("dds_profile", profile))


def is_true(name: str, text: str, default: bool = False) -> bool:
    """Read a switch.

    Args:
        name: Name of the argument.
        text: "true" or "false"; "" or "auto" takes the default.
        default: Value if the user gave none.

    Raises:
        LaunchError: If the text is another one.
    """
    if text in ("", "auto"):
        return default
    if text.lower() not in ("true", "false"):
        raise LaunchError(f"{name} must be true or false, got '{text}'")
    return text.lower() == "true"


def _kept_cameras(profile: Profile, wanted: list[str]) -> Profile:
    unknown = [camera for camera in wanted if camera not in profile.cameras]
    if unknown:
        known = ", ".join(profile.cameras) or "none"
        raise LaunchError(f"cameras: there is no {', '.join(unknown)}; there are {known}")
    if not wanted:
        return profile
    return replace(profile, cameras={camera: profile.cameras[camera] for camera in wanted})


def _camera_parameters(profile: Profile) -> dict[str, Any]:
    """Convert the camera topics of a profile to the node's parameters."""
    if not profile.cameras:
        return {"cameras": [""]}
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


def _listed(text: str) -> list[str]:
    return [part.strip().strip("'\"") for part in text.strip("[]").split(",") if part.strip()]


def _template(topic: str, camera: str) -> str:
    for name, placeholder in ((camera, "{camera}"), (camera.upper(), "{CAMERA}")):
        if f"/{name}/" in topic:
            return topic.replace(f"/{name}/", f"/{placeholder}/")
    return topic
