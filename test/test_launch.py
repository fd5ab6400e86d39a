"""What the launch file works out, and that it, RViz and the Fast DDS profile fit the node."""

from __future__ import annotations

import ast
import importlib.util
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from clip2scene_ros.launch_arguments import (
    LaunchError,
    given_parameters,
    player_command,
    profile_for,
    topics_of_bag,
)
from clip2scene_ros.profiles import NUSCENES, NUSCENES_CAMERAS, CameraTopics, Profile

ROOT = Path(__file__).parent.parent
LAUNCH_FILE = ROOT / "launch/segment.launch.py"
REAL_BAG = ROOT.parent / "shared/data/nuscenes_keyframe_bag"

CLOUD = "sensor_msgs/msg/PointCloud2"


@pytest.fixture
def defaults():
    """The launch arguments with their defaults, read without importing `launch`."""
    tree = ast.parse(LAUNCH_FILE.read_text())
    (table,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ARGUMENTS"
    )
    assert isinstance(table, ast.Dict)
    values = {}
    for key, row in zip(table.keys, table.values, strict=True):
        default = row.elts[0]
        values[key.value] = default.value if isinstance(default, ast.Constant) else "a file"
    return values


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
    assert profile.cloud_topic == "points"
    assert given_parameters(defaults, profile) == {"use_sim_time": False}


def test_a_bag_brings_its_topics_and_its_clock(defaults):
    profile = profile_for("auto", {"/velodyne": CLOUD}, "")
    assert profile.cloud_topic == "/velodyne"
    arguments = {**defaults, "bag": "drive"}
    assert given_parameters(arguments, profile) == {"cameras": [""], "use_sim_time": True}


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
        given_parameters(defaults, Profile("guessed", "/points", cameras))


def test_an_unknown_profile_is_refused():
    with pytest.raises(LaunchError, match="must be one of auto, robot, nuscenes, nuscenes_upper"):
        profile_for("kitti", {}, "")


def test_several_clouds_leave_the_choice_to_the_user():
    with pytest.raises(LaunchError, match=r"^points_topic: several clouds: /a, /b"):
        profile_for("auto", {"/a": CLOUD, "/b": CLOUD}, "")


def test_the_player_publishes_the_clock(defaults):
    arguments = {**defaults, "bag": "drive", "rate": "0.5", "loop": "true", "start_paused": "True"}
    command = "ros2 bag play drive --clock 100 --rate 0.5 --loop --start-paused"
    assert player_command(arguments) == command.split()


def test_a_switch_is_true_or_false(defaults):
    with pytest.raises(LaunchError, match="loop must be true or false, got 'yes'"):
        player_command({**defaults, "bag": "drive", "loop": "yes"})


def test_the_launch_file_describes_every_argument(defaults):
    pytest.importorskip("launch.actions", reason="needs ROS 2's launch")
    pytest.importorskip("launch_ros.actions", reason="needs launch_ros")
    spec = importlib.util.spec_from_file_location("segment_launch", LAUNCH_FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    description = module.generate_launch_description()
    declared = {argument.name: argument for argument in description.get_launch_arguments()}
    assert set(declared) == set(defaults)
    assert all(argument.description for argument in declared.values())


def test_the_launch_file_waits_for_a_line_that_the_node_logs():
    (ready,) = (
        node.value.value
        for node in ast.parse(LAUNCH_FILE.read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "READY"
    )
    assert ready in (ROOT / "clip2scene_ros/segment_node.py").read_text()


def test_rviz_shows_topics_that_the_node_publishes():
    content = yaml.safe_load((ROOT / "config/segment.rviz").read_text())
    displays = content["Visualization Manager"]["Displays"]
    topics = {display["Topic"]["Value"] for display in displays if "Topic" in display}
    publishers = (ROOT / "clip2scene_ros/publishers.py").read_text()
    published = {f"/clip2scene/{name}" for name in ("points", "map") if f'"~/{name}"' in publishers}
    assert topics == published == {"/clip2scene/points", "/clip2scene/map"}


def test_rviz_waits_for_the_latched_map():
    content = yaml.safe_load((ROOT / "config/segment.rviz").read_text())
    durability = {
        display["Topic"]["Value"]: display["Topic"]["Durability Policy"]
        for display in content["Visualization Manager"]["Displays"]
        if "Topic" in display
    }
    assert durability["/clip2scene/map"] == "Transient Local"


def test_the_fast_dds_segment_holds_a_cloud_many_times():
    tree = ElementTree.parse(ROOT / "config/fastdds_large_cloud.xml")
    namespace = "{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}"
    (size,) = tree.iter(f"{namespace}segment_size")
    largest_cloud_bytes = 28 * 34_720
    assert int(size.text or 0) >= 8 * largest_cloud_bytes
