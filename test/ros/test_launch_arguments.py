"""What the launch file works out, and that it, RViz and the Fast DDS profile fit the node."""

from __future__ import annotations

import ast
import shlex
import sys
import xml.etree.ElementTree as ElementTree

import fake_launch
import pytest
import yaml
from checkout import ROOT
from fake_launch import LAUNCH_FILE

from clip2scene_ros.launch_arguments import (
    LaunchError,
    dds_environment,
    given_parameters,
    player_command,
    profile_for,
    remappings,
    rviz_remappings,
    topics_of_bag,
)
from clip2scene_ros.sync.topics import (
    KITTI,
    NUSCENES,
    NUSCENES_CAMERAS,
    CameraTopics,
    Profile,
)

REAL_BAG = ROOT.parent / "shared/data/nuscenes_keyframe_bag"

CLOUD = "sensor_msgs/msg/PointCloud2"


@pytest.fixture
def launch_file(monkeypatch):
    """The launch file, imported without ROS."""
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    return fake_launch.load_launch_file(monkeypatch, ROOT)


@pytest.fixture
def defaults(launch_file):
    """The launch arguments with their defaults."""
    return {name: default for name, (default, _) in launch_file.ARGUMENTS.items()}


@pytest.fixture
def make_bag(tmp_path):
    """Write a bag's metadata.yaml."""

    def make(topics, serialization_format="cdr"):
        entries = [
            {
                "topic_metadata": {
                    "name": name,
                    "type": kind,
                    "serialization_format": serialization_format,
                }
            }
            for name, kind in topics.items()
        ]
        content = {"rosbag2_bagfile_information": {"topics_with_message_count": entries}}
        (tmp_path / "metadata.yaml").write_text(yaml.safe_dump(content))
        return tmp_path

    return make


def test_the_topics_of_a_bag_are_read_from_its_metadata(make_bag):
    assert topics_of_bag(make_bag({"/velodyne": CLOUD})) == {"/velodyne": CLOUD}


def test_a_folder_that_is_no_bag_is_refused(tmp_path):
    with pytest.raises(LaunchError, match=r"metadata.yaml cannot be read"):
        topics_of_bag(tmp_path)
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: 3")
    with pytest.raises(LaunchError, match="is not the metadata of a ROS 2 bag"):
        topics_of_bag(tmp_path)


def test_a_protobuf_bag_is_refused_with_the_way_out(make_bag):
    with pytest.raises(LaunchError, match=r"protobuf messages.*clip2scene bag"):
        topics_of_bag(make_bag({"/lidar_top": "foxglove.PointCloud"}, "protobuf"))


def test_without_a_bag_the_parameter_files_topics_stay(defaults):
    profile = profile_for("auto", {}, "")
    assert profile is None
    assert given_parameters(defaults, profile) == {"use_sim_time": False}
    assert remappings(profile, "") == []
    assert remappings(profile, "/velodyne") == [("points", "/velodyne")]
    assert remappings(profile, "", "/odometry") == [("odom", "/odometry")]


def test_a_bag_brings_its_topics_and_its_clock(defaults):
    profile = profile_for("auto", {"/velodyne": CLOUD}, "")
    assert profile.cloud_topic == "/velodyne"
    arguments = {**defaults, "bag": "drive"}
    assert given_parameters(arguments, profile) == {"cameras": [""], "use_sim_time": True}


def test_odometry_that_was_named_wins_over_the_bags():
    topics = {"/velodyne": CLOUD, "/wheels": "nav_msgs/msg/Odometry"}
    profile = profile_for("auto", topics, "")
    assert remappings(profile, "") == [("points", "/velodyne"), ("odom", "/wheels")]
    assert remappings(profile, "", "/fused") == [("points", "/velodyne"), ("odom", "/fused")]


def test_the_real_keyframes_topics_become_one_template(defaults):
    if not REAL_BAG.is_dir():
        pytest.skip("the bag of the real keyframe is not beside this repository")
    profile = profile_for("auto", topics_of_bag(REAL_BAG), "")
    parameters = given_parameters(defaults, profile)
    assert parameters["cameras"] == list(NUSCENES_CAMERAS)
    assert parameters["camera_image_topic"] == "/{CAMERA}/image_raw/compressed"
    assert parameters["camera_info_topic"] == "/{CAMERA}/camera_info"


def test_arguments_that_were_given_win(defaults):
    given = {
        **defaults,
        "mode": "fused",
        "cameras": "cam_front, cam_back",
        "prompts": "tram, kerb stone",
        "use_sim_time": "true",
    }
    parameters = given_parameters(given, profile_for("nuscenes", {}, "/other"))
    assert parameters == {
        "mode": "fused",
        "cameras": ["cam_front", "cam_back"],
        "camera_image_topic": "/{camera}/image_rect_compressed",
        "camera_info_topic": "/{camera}/camera_info",
        "prompts": ["tram", "kerb stone"],
        "use_sim_time": True,
    }


def test_a_camera_that_the_bag_does_not_have_is_refused(defaults):
    with pytest.raises(LaunchError, match="there is no cam_rear; there are cam_front,"):
        given_parameters({**defaults, "cameras": "cam_rear"}, NUSCENES)


def test_cameras_of_several_patterns_are_refused(defaults):
    cameras = {"a": CameraTopics("/a/image", "/a/info"), "b": CameraTopics("/b/raw", "/b/info")}
    with pytest.raises(LaunchError, match=r"several patterns \(/{camera}/image, /{camera}/raw\)"):
        given_parameters(defaults, Profile("robot", "/points", cameras))


def test_an_unknown_profile_is_refused():
    with pytest.raises(LaunchError, match="must be one of auto, robot, nuscenes, nuscenes_ros2bag"):
        profile_for("waymo", {}, "")


def test_a_layout_brings_its_frame_and_its_intensity(defaults):
    assert given_parameters(defaults, KITTI) == {
        "cameras": ["kitti/camera_color_left"],
        "camera_image_topic": "/{camera}/image_raw",
        "camera_info_topic": "/{camera}/camera_info",
        "fixed_frame": "world",
        "intensity_scale": 1.0,
        "image_kind": "rectified",
        "use_sim_time": False,
    }


def test_profile_robot_takes_the_topics_of_a_bag_and_nothing_else(defaults):
    profile = profile_for("robot", {"/kitti/velo/pointcloud": CLOUD}, "")
    assert profile is not None
    assert profile.cloud_topic == "/kitti/velo/pointcloud"
    assert given_parameters(defaults, profile) == {"cameras": [""], "use_sim_time": False}


def test_several_clouds_leave_the_choice_to_the_user():
    with pytest.raises(LaunchError, match=r"^points_topic: several clouds: /a, /b"):
        profile_for("auto", {"/a": CLOUD, "/b": CLOUD}, "")


def test_the_player_publishes_the_clock(defaults):
    arguments = {**defaults, "bag": "drive", "rate": "0.5", "loop": "true", "start_paused": "True"}
    command = "ros2 bag play drive --clock 100 --rate 0.5 --delay 2.0 --loop --start-paused"
    assert player_command(arguments) == command.split()


def test_a_switch_is_true_or_false(defaults):
    with pytest.raises(LaunchError, match="loop must be true or false, got 'yes'"):
        player_command({**defaults, "bag": "drive", "loop": "yes"})


def test_the_launch_file_describes_every_argument_of_the_interface(launch_file):
    *declared, started = launch_file.generate_launch_description().positional[0]
    described = {argument.positional[0]: argument.description for argument in declared}
    assert all(described.values())
    assert set(described) >= {
        "profile", "bag", "rate", "loop", "start_paused", "rviz", "foxglove", "params_file",
        "use_sim_time", "namespace", "log_level", "weights", "device", "mode", "points_topic",
        "cameras", "dds_profile", "python", "required", "respawn",
    }  # fmt: skip
    assert started.function is launch_file.start


def test_the_node_alone_is_started_by_default(launch_file, defaults):
    (node,) = launch_file.start(defaults)
    assert (node.package, node.executable, node.name) == (
        "clip2scene_ros", "segment_node", "clip2scene",
    )  # fmt: skip
    assert node.namespace == ""
    assert node.parameters == [str(ROOT / "config/segment_node.yaml"), {"use_sim_time": False}]
    assert node.remappings == []
    assert node.prefix is None
    assert (node.on_exit, node.respawn) == (None, False), "a robot's bring-up goes on without it"


def test_a_bag_starts_a_player_once_the_node_listens(launch_file, defaults, make_bag):
    bag = make_bag({"/velodyne": CLOUD})
    node, handler = launch_file.start({**defaults, "bag": str(bag), "rate": "0.5"})
    assert node.parameters[1]["use_sim_time"] is True
    assert node.remappings == [("points", "/velodyne"), ("odom", "/odom")]
    (on_output,) = handler.positional
    assert on_output.target_action is node
    assert on_output.on_stderr(fake_launch.Noted(text=b"loading")) is None
    line = b"/clip2scene/points will be labelled by 16 prompts from /velodyne"
    player = on_output.on_stderr(fake_launch.Noted(text=line))
    assert player.cmd == f"ros2 bag play {bag} --clock 100 --rate 0.5 --delay 2.0".split()
    assert on_output.on_stdout(fake_launch.Noted(text=line)) is None
    assert "ended" in node.on_exit.reason


@pytest.mark.parametrize("log_level", ["debug", "warn", "fatal"])
def test_the_player_waits_at_every_log_level_and_for_a_line_in_pieces(
    launch_file, defaults, make_bag, log_level
):
    bag = str(make_bag({"/velodyne": CLOUD}))
    _, handler = launch_file.start({**defaults, "bag": bag, "log_level": log_level})
    (on_output,) = handler.positional
    pieces = [b"[INFO] loads\n/clip2scene/points will be la", b"", b"belled by 16 prompts"]
    started = [on_output.on_stdout(fake_launch.Noted(text=piece)) for piece in pieces]
    assert started[:2] == [None, None]
    assert started[2].cmd[:3] == ["ros2", "bag", "play"]


def test_a_player_that_fails_ends_the_launch_with_an_error(launch_file, defaults, make_bag):
    bag = str(make_bag({"/velodyne": CLOUD}))
    _, handler = launch_file.start({**defaults, "bag": bag})
    player = handler.positional[0].on_stderr(fake_launch.Noted(text=launch_file.READY.encode()))
    running = fake_launch.Noted(is_shutdown=False)
    with pytest.raises(LaunchError, match="bag: the player ended with status 1"):
        player.on_exit(fake_launch.Noted(returncode=1), running)
    assert player.on_exit(fake_launch.Noted(returncode=0), running) is None
    ending = fake_launch.Noted(is_shutdown=True)
    assert player.on_exit(fake_launch.Noted(returncode=-2), ending) is None


@pytest.mark.parametrize(
    ("given", "ends_all", "starts_again"),
    [
        ({}, False, False),
        ({"required": "true"}, True, False),
        ({"respawn": "true"}, False, True),
        ({"bag": "drive"}, True, False),
        ({"bag": "drive", "required": "false"}, False, False),
        ({"bag": "drive", "respawn": "true"}, False, True),
    ],
)
def test_what_the_end_of_the_node_means_is_the_users_choice(
    launch_file, defaults, make_bag, given, ends_all, starts_again
):
    if "bag" in given:
        given = {**given, "bag": str(make_bag({"/velodyne": CLOUD}))}
    node, *_ = launch_file.start({**defaults, **given})
    assert (node.on_exit is not None, node.respawn) == (ends_all, starts_again)
    assert node.respawn_delay > 0


def test_a_node_cannot_end_everything_and_start_again(launch_file, defaults):
    with pytest.raises(LaunchError, match="required and respawn are both true"):
        launch_file.start({**defaults, "required": "true", "respawn": "true"})


def test_node_and_player_get_the_dds_profile_under_both_names(launch_file, defaults, make_bag):
    arguments = {**defaults, "bag": str(make_bag({"/velodyne": CLOUD})), "log_level": "warn"}
    node, handler = launch_file.start(arguments)
    player = handler.positional[0].on_stdout(fake_launch.Noted(text=launch_file.READY.encode()))
    profile = str(ROOT / "config/fastdds_large_cloud.xml")
    assert (
        node.additional_env
        == player.additional_env
        == {
            "FASTRTPS_DEFAULT_PROFILES_FILE": profile,
            "FASTDDS_DEFAULT_PROFILES_FILE": profile,
        }
    )


def test_the_users_own_dds_profile_wins_and_a_missing_one_is_refused():
    assert dds_environment("x.xml", {"FASTDDS_DEFAULT_PROFILES_FILE": "mine.xml"}) == {}
    assert dds_environment("none", {}) == {}
    with pytest.raises(LaunchError, match=r"dds_profile: there is no file 'x\.xml'"):
        dds_environment("x.xml", {})


def test_a_missing_parameter_file_is_refused(launch_file, defaults):
    with pytest.raises(LaunchError, match=r"params_file: there is no file 'mine\.yaml'"):
        launch_file.start({**defaults, "params_file": "mine.yaml"})


def test_rviz_and_foxglove_are_started_on_the_nodes_clock(launch_file, defaults):
    arguments = {**defaults, "rviz": "true", "foxglove": "True", "use_sim_time": "true"}
    _, rviz, bridge = launch_file.start(arguments)
    assert (rviz.package, rviz.executable) == ("rviz2", "rviz2")
    assert rviz.arguments == ["-d", str(ROOT / "config/segment.rviz")]
    assert (bridge.package, bridge.executable) == ("foxglove_bridge", "foxglove_bridge")
    assert rviz.parameters == bridge.parameters == [{"use_sim_time": True}]
    assert set(rviz.additional_env) == {
        "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE",
    }  # fmt: skip
    assert rviz.additional_env == bridge.additional_env
    with pytest.raises(LaunchError, match="rviz must be true or false, got 'yes'"):
        launch_file.start({**defaults, "rviz": "yes"})


def test_rviz_follows_the_node_into_its_namespace():
    config = ROOT / "config/segment.rviz"
    assert rviz_remappings(config, "") == rviz_remappings(config, "/") == []
    assert ("/clip2scene/points", "/van/clip2scene/points") in rviz_remappings(config, "/van")


def test_the_two_inputs_are_remapped(launch_file, defaults):
    topics = {"points_topic": "/velodyne", "odom_topic": "/odometry"}
    (node,) = launch_file.start({**defaults, **topics})
    assert node.remappings == [("points", "/velodyne"), ("odom", "/odometry")]


def test_python_runs_the_node(launch_file, defaults, tmp_path, monkeypatch):
    python = tmp_path / "my venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (node,) = launch_file.start({**defaults, "python": str(python), "namespace": "van"})
    assert shlex.split(node.prefix) == [str(python)], "the link, or it would be no environment"
    assert node.namespace == "van"
    monkeypatch.chdir(tmp_path)
    (node,) = launch_file.start({**defaults, "python": "my venv/bin/python"})
    assert shlex.split(node.prefix) == [str(python)]


def test_a_python_that_cannot_be_run_is_refused(launch_file, defaults, tmp_path):
    (tmp_path / "python").touch()
    for python in (str(tmp_path / "python"), str(tmp_path), "venv/bin/no_python"):
        with pytest.raises(LaunchError, match=r"^python: '.*' is no program that can be run"):
            launch_file.start({**defaults, "python": python})


@pytest.mark.parametrize(
    ("pushed", "namespace", "logger"),
    [
        ("", "", "clip2scene"),
        ("", "van", "van.clip2scene"),
        ("", "/fleet/van/", "fleet.van.clip2scene"),
        ("/robot1", "", "robot1.clip2scene"),
        ("/robot1", "lidar", "robot1.lidar.clip2scene"),
        ("/robot1", "/lidar", "lidar.clip2scene"),
    ],
)
def test_the_log_level_reaches_the_node_in_every_namespace(
    launch_file, defaults, pushed, namespace, logger
):
    given = {**defaults, "namespace": namespace, "log_level": "debug", "rviz": "true"}
    node, rviz = launch_file.start({**given, "ros_namespace": pushed})
    assert node.arguments == ["--ros-args", "--log-level", f"{logger}:=debug"]
    topics = dict(rviz.remappings)
    wanted = "/" + logger.replace(".", "/") + "/points"
    assert topics.get("/clip2scene/points", "/clip2scene/points") == wanted


def test_an_unknown_log_level_is_refused(launch_file, defaults):
    with pytest.raises(LaunchError, match="log_level must be one of debug, info, warn"):
        launch_file.start({**defaults, "log_level": "loud"})


def test_the_launch_file_waits_for_a_line_that_the_node_logs():
    (ready,) = (
        node.value.value
        for node in ast.parse(LAUNCH_FILE.read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "READY"
    )
    assert ready in (ROOT / "clip2scene_ros/segment_node.py").read_text()


def test_the_fast_dds_segment_holds_a_cloud_many_times():
    tree = ElementTree.parse(ROOT / "config/fastdds_large_cloud.xml")
    namespace = "{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}"
    (size,) = tree.iter(f"{namespace}segment_size")
    largest_cloud_bytes = 28 * 34_720
    assert int(size.text or 0) >= 8 * largest_cloud_bytes
