"""The launch file, run by ROS 2's own `launch`: the real node, and a player that notes its call."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import pytest
from checkout import ROOT

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")
pytest.importorskip("launch.actions", reason="needs ROS 2's launch")
pytest.importorskip("launch_ros.actions", reason="needs launch_ros")

from launch import LaunchDescription, LaunchService
from launch.actions import (
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit, OnProcessIO
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace

from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_ros.bags.extrinsics import read_bag_extrinsics
from clip2scene_ros.bags.from_dataset import write_scene_bag
from clip2scene_ros.sync.extrinsics import save_extrinsics

pytestmark = [pytest.mark.ros, pytest.mark.slow]

NODE = "import sys\nfrom clip2scene_ros.segment_node import main\nsys.exit(main())\n"
PLAYER = """#!{python}
import json, os, sys
names = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
call = {{"command": sys.argv[1:], "profiles": [os.environ.get(name) for name in names]}}
open({note!r}, "w").write(json.dumps(call))
"""
PARAMETERS = """
/clip2scene:
  ros__parameters:
    mode: camera
    cameras: [no_such_camera]
    min_confidence: 0.25
"""


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    """What `colcon build` would leave, with a `ros2` that only notes how it was called."""
    folder = tmp_path / "prefix"
    marker = folder / "share/ament_index/resource_index/packages/clip2scene_ros"
    marker.parent.mkdir(parents=True)
    marker.touch()
    (folder / "share/clip2scene_ros").symlink_to(ROOT)
    (folder / "lib/clip2scene_ros").mkdir(parents=True)
    node = folder / "lib/clip2scene_ros/segment_node"
    node.write_text(NODE)
    player = folder / "bin/ros2"
    player.parent.mkdir()
    player.write_text(PLAYER.format(python=sys.executable, note=str(tmp_path / "played.json")))
    for script in (node, player):
        script.chmod(0o755)
    others = os.environ.get("AMENT_PREFIX_PATH", "")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{folder}{os.pathsep}{others}".rstrip(os.pathsep))
    monkeypatch.setenv("PATH", f"{player.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(random.SystemRandom().randint(1, 100)))
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    return folder


def launch(*neighbors, is_player_watched=True, **arguments):
    """Run the launch file beside others until its player ends; give the exit status and the log."""
    log = []
    service = LaunchService(noninteractive=True)
    service.include_launch_description(
        LaunchDescription(
            [
                RegisterEventHandler(
                    OnProcessExit(
                        on_exit=lambda event, _: (
                            Shutdown()
                            if "ros2" in event.cmd[0] and is_player_watched
                            else log.append(event.returncode)
                        )
                    )
                ),
                RegisterEventHandler(
                    OnProcessIO(
                        on_stdout=lambda event: log.append(event.text.decode()),
                        on_stderr=lambda event: log.append(event.text.decode()),
                    )
                ),
                *neighbors,
                TimerAction(period=90.0, actions=[Shutdown(reason="the test took too long")]),
                IncludeLaunchDescription(
                    PythonLaunchDescriptionSource(str(ROOT / "launch/segment.launch.py")),
                    launch_arguments=arguments.items(),
                ),
            ]
        )
    )
    return service.run(), log


def test_a_bag_is_played_into_the_node_with_the_arguments_stronger_than_the_file(
    prefix, tiny_nuscenes, tmp_path
):
    bag = tmp_path / "bag"
    write_scene_bag(NuScenesDataset(tiny_nuscenes), "scene-0001", bag)
    save_extrinsics(tmp_path / "extrinsics.yaml", read_bag_extrinsics(bag))
    (tmp_path / "mine.yaml").write_text(PARAMETERS)
    status, log = launch(
        bag=str(bag),
        params_file=str(tmp_path / "mine.yaml"),
        mode="lidar",
        pose_source="odometry",
        extrinsics_file=str(tmp_path / "extrinsics.yaml"),
        prompts="car,road",
        python=sys.executable,
    )
    text = "".join(line for line in log if isinstance(line, str))
    assert "mode lidar: /clip2scene/points will be labelled by 2 prompts from /lidar_top" in text
    assert status == 0, text
    call = json.loads((tmp_path / "played.json").read_text())
    command = f"bag play {bag} --clock 100 --rate 1.0 --delay 2.0"
    assert call["command"] == command.split()
    assert {Path(p).name for p in call["profiles"]} == {"fastdds_large_cloud.xml"}


def test_a_node_that_cannot_start_ends_the_launch_if_it_is_required(prefix, tmp_path):
    _, log = launch(
        weights=str(tmp_path / "none.safetensors"), python=sys.executable, required="true"
    )
    assert 1 in log, "the node's exit status"


def test_a_node_that_cannot_start_leaves_the_rest_of_the_robot_alone(prefix, tmp_path):
    marker = tmp_path / "went_on"
    neighbor = ExecuteProcess(cmd=["sleep", "1000"])
    goes_on = OnProcessExit(
        target_action=lambda action: action is not neighbor,
        on_exit=[
            TimerAction(
                period=3.0,
                actions=[OpaqueFunction(function=lambda _: marker.touch()), Shutdown()],
            )
        ],
    )
    launch(
        neighbor,
        RegisterEventHandler(goes_on),
        weights=str(tmp_path / "none.safetensors"),
        python=sys.executable,
    )
    assert marker.exists()


def test_a_player_that_fails_ends_the_demo_with_an_error(prefix, tiny_nuscenes, tmp_path):
    bag = tmp_path / "bag"
    write_scene_bag(NuScenesDataset(tiny_nuscenes), "scene-0001", bag)
    player = prefix / "bin/ros2"
    player.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no such storage')\n")
    status, log = launch(
        is_player_watched=False,
        bag=str(bag),
        pose_source="none",
        python=sys.executable,
        log_level="error",
    )
    assert status == 1
    assert any(isinstance(line, str) and "no such storage" in line for line in log)


def test_debug_reaches_a_node_in_a_pushed_namespace_and_has_something_to_say(prefix, tmp_path):
    heard = OnProcessIO(
        on_stderr=lambda event: Shutdown() if b"DEBUG" in event.text else None,
        on_stdout=lambda event: Shutdown() if b"DEBUG" in event.text else None,
    )
    _, log = launch(
        PushRosNamespace("robot1"),
        RegisterEventHandler(heard),
        namespace="van",
        pose_source="none",
        python=sys.executable,
        log_level="debug",
    )
    text = "".join(line for line in log if isinstance(line, str))
    assert "[DEBUG]" in text
    assert "[robot1.van.clip2scene]" in text
    assert "[rcl]" not in text
