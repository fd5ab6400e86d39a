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
from launch.events.process import ProcessExited, ProcessIO
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from clip2scene_ros.launch_arguments import (
    check_player,
    dds_environment,
    existing_file,
    full_namespace,
    given_parameters,
    is_node_required,
    is_true,
    node_log_level,
    player_command,
    profile_for,
    python_prefix,
    remappings,
    rviz_remappings,
    topics_of_bag,
)

READY = "will be labelled by"
"""Part of the line that the node says once it listens, whatever its log level."""

RESPAWN_DELAY_S = 5.0

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
    "log_level": ("info", "Level of the node's log: debug, info, warn, error or fatal."),
    "python": ("", "Python that runs the node, such as venv/bin/python; empty: the installed one."),
    "required": (
        "auto",
        "true: the end of the node ends everything that was launched; false: the rest goes on; "
        "auto: true with a bag, which is of no use without the node, else false.",
    ),
    "respawn": ("false", "Start the node again, 5 s after it ended for whatever reason."),
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
    # What a launch file around this one has pushed, under which launch_ros puts the node.
    pushed = LaunchConfiguration("ros_namespace", default="").perform(context)
    namespace = full_namespace(pushed, arguments["namespace"])
    is_required = is_node_required(arguments)
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
        arguments=["--ros-args", "--log-level", node_log_level(namespace, arguments["log_level"])],
        prefix=python_prefix(arguments["python"]),
        additional_env=environment,
        output="screen",
        on_exit=Shutdown(reason="the node has ended") if is_required else None,
        respawn=is_true("respawn", arguments["respawn"]),
        respawn_delay=RESPAWN_DELAY_S,
    )
    processes: list[LaunchDescriptionEntity] = [node]
    if arguments["bag"]:
        player = ExecuteProcess(
            cmd=player_command(arguments),
            additional_env=environment,
            output="screen",
            on_exit=on_player_exit,
        )
        processes.append(start_when_ready(player, node))
    sim_time = {"use_sim_time": parameters["use_sim_time"]}
    if is_true("rviz", arguments["rviz"]):
        config = SHARE / "config/segment.rviz"
        processes.append(
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", str(config)],
                parameters=[sim_time],
                remappings=rviz_remappings(config, namespace),
                additional_env=environment,
            )
        )
    if is_true("foxglove", arguments["foxglove"]):
        processes.append(
            Node(
                package="foxglove_bridge",
                executable="foxglove_bridge",
                parameters=[sim_time],
                additional_env=environment,
            )
        )
    return processes


def on_player_exit(event: ProcessExited, context: LaunchContext) -> None:
    """End everything with an error if the player failed; what it played to its end stays shown."""
    if not context.is_shutdown:
        check_player(event.returncode)


def start_when_ready(player: ExecuteProcess, node: Node) -> RegisterEventHandler:
    """Start the player once the node has loaded its weights, so that it hears the whole bag."""
    has_started = False
    heard = b""

    def on_output(event: ProcessIO) -> ExecuteProcess | None:
        nonlocal has_started, heard
        heard += event.text  # a line may come in pieces
        if has_started or READY.encode() not in heard:
            heard = heard[-len(READY) :]
            return None
        has_started = True
        return player

    # rclpy logs to stderr or stdout, as the user's environment says.
    return RegisterEventHandler(
        OnProcessIO(target_action=node, on_stdout=on_output, on_stderr=on_output)
    )
