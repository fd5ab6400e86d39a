"""Starts the node and, if asked for, a bag player, RViz and the Foxglove bridge."""

from __future__ import annotations

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessIO
from launch.events.process import ProcessIO
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from clip2scene_ros.launch_arguments import (
    dds_environment,
    existing_file,
    given_parameters,
    is_true,
    player_command,
    profile_for,
    remappings,
    rviz_remappings,
    topics_of_bag,
)

READY = "will be labelled by"
"""Part of the line that the node logs once it listens."""

SHARE = Path(get_package_share_directory("clip2scene_ros"))

ARGUMENTS = {
    "bag": ("", "Folder of a ROS 2 bag to play; empty: live topics."),
    "rate": ("1.0", "Speed of the player."),
    "loop": ("false", "Play the bag again and again."),
    "start_paused": ("false", "Start the player paused; the space bar goes on."),
    "profile": (
        "auto",
        "nuscenes, nuscenes_ros2bag, nuscenes2bag, kitti, robot (the bag's topics by their types), "
        "or auto (recognised from the bag); without a bag, auto and robot take the file's topics.",
    ),
    "points_topic": ("", "Cloud to label; empty: the profile's."),
    "odom_topic": ("", "Odometry, for pose_source odometry; empty: the profile's."),
    "cameras": ("", "Camera names, separated by commas; empty: the profile's."),
    "prompts": ("", "Texts to look for, separated by commas; empty: the weights' own."),
    "mode": ("", "lidar, camera or fused; empty: the parameter file's."),
    "weights": ("", "Student checkpoint, or small; empty: the parameter file's."),
    "device": ("", "auto, cpu, cuda or cuda:N; empty: the parameter file's."),
    "pose_source": ("", "tf, odometry or none; empty: the parameter file's."),
    "extrinsics_file": ("", "YAML file of sensor extrinsics, for bags without /tf_static."),
    "camera_info_url": ("", "Calibration files for bags without CameraInfo; {camera} in it."),
    "params_file": (str(SHARE / "config/segment_node.yaml"), "Parameters of the node."),
    "use_sim_time": ("auto", "true, false, or auto: true with a bag."),
    "namespace": ("", "Namespace of the node."),
    "log_level": ("info", "debug or info; above, the bag does not wait for the node."),
    "python": ("", "Python that runs the node, such as venv/bin/python; empty: the installed one."),
    "rviz": ("false", "Start RViz."),
    "foxglove": ("false", "Start foxglove_bridge."),
    "dds_profile": (
        str(SHARE / "config/fastdds_large_cloud.xml"),
        "Fast DDS profile for all that is started here; none: the environment's.",
    ),
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; everything else needs their values."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Turn the arguments into processes."""
    arguments = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    topics = topics_of_bag(Path(arguments["bag"])) if arguments["bag"] else {}
    profile = profile_for(
        arguments["profile"],
        topics,
        arguments["points_topic"],
        is_calibrated=bool(arguments["camera_info_url"]),
    )
    parameters = given_parameters(arguments, profile)
    environment = dds_environment(arguments["dds_profile"], os.environ)
    logger = ".".join([*filter(None, arguments["namespace"].split("/")), "clip2scene"])
    node = Node(
        package="clip2scene_ros",
        executable="segment_node",
        name="clip2scene",
        # Passed on even if it is empty: launch_ros then files the parameters below under the node's
        # full name, and not under /**, over which a full name in the parameter file would win.
        namespace=arguments["namespace"],
        # In this order: what was typed wins over the file.
        parameters=[existing_file("params_file", arguments["params_file"]), parameters],
        remappings=remappings(profile, arguments["points_topic"], arguments["odom_topic"]),
        arguments=["--ros-args", "--log-level", f"{logger}:={arguments['log_level']}"],
        prefix=arguments["python"] or None,
        additional_env=environment,
        output="screen",
        on_exit=Shutdown(reason="the node has ended"),
    )
    processes: list[LaunchDescriptionEntity] = [node]
    if arguments["bag"]:
        command = player_command(arguments)
        player = ExecuteProcess(cmd=command, additional_env=environment, output="screen")
        is_ready_logged = arguments["log_level"] in ("debug", "info")
        processes.append(start_when_ready(player, node) if is_ready_logged else player)
    sim_time = {"use_sim_time": parameters["use_sim_time"]}
    if is_true("rviz", arguments["rviz"]):
        config = SHARE / "config/segment.rviz"
        processes.append(
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", str(config)],
                parameters=[sim_time],
                remappings=rviz_remappings(config, arguments["namespace"]),
            )
        )
    if is_true("foxglove", arguments["foxglove"]):
        processes.append(
            Node(package="foxglove_bridge", executable="foxglove_bridge", parameters=[sim_time])
        )
    return processes


def start_when_ready(player: ExecuteProcess, node: Node) -> RegisterEventHandler:
    """Start the player once the node has loaded its weights, so that it hears the whole bag."""
    has_started = False

    def on_output(event: ProcessIO) -> ExecuteProcess | None:
        nonlocal has_started
        if has_started or READY.encode() not in event.text:
            return None
        has_started = True
        return player

    # rclpy logs to stderr or stdout, as the user's environment says.
    return RegisterEventHandler(
        OnProcessIO(target_action=node, on_stdout=on_output, on_stderr=on_output)
    )
