"""The node's services on the live graph, called as `ros2 service call` does."""

from __future__ import annotations

import json
import os
import threading

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import ros_graph
from ros_graph import make_cloud, seconds_of
from std_srvs.srv import SetBool, Trigger

from clip2scene_ros.node.map_folder import MAX_MAPS

pytestmark = pytest.mark.ros

POINTS = [[5, 5, 0, 10], [-5, 5, 0, 20]]


def send(graph, stamp_s):
    before = graph.inputs["lidar"].received
    graph.publishers["cloud"].publish(make_cloud(POINTS, stamp_s))
    graph.spin_until(lambda: graph.inputs["lidar"].received > before)


def test_a_paused_node_labels_nothing_and_says_so_and_goes_on(start_graph):
    graph = start_graph()
    answer = graph.call(SetBool, "set_enabled", data=False)
    assert (answer.success, answer.message) == (True, "paused: sweeps are not labelled")
    send(graph, 1.0)
    status = graph.spin_until_diagnosed("inference", "paused by ~/set_enabled")
    assert status.level == b"\x01"
    assert graph.call(SetBool, "set_enabled", data=True).success
    send(graph, 2.0)
    graph.spin_until(lambda: graph.received.points)
    assert [seconds_of(cloud) for cloud in graph.received.points] == [2.0]


def test_the_sweep_that_is_being_labelled_is_not_published_after_a_pause(start_graph, segmenter):
    graph = start_graph()
    has_begun, may_end = threading.Event(), threading.Event()

    def block(_sweep):
        has_begun.set()
        may_end.wait(5)

    segmenter.before_add = block
    with ros_graph.released(may_end):
        send(graph, 1.0)
        graph.spin_until(has_begun.is_set)
        assert graph.call(SetBool, "set_enabled", data=False).success
    graph.spin_for(0.2)
    assert graph.received.points == []


def test_a_reset_forgets_the_map_and_the_clouds_that_wait(start_graph, segmenter, extrinsics_file):
    graph = start_graph(pose_source="odometry", extrinsics_file=extrinsics_file, tf_timeout=10.0)
    graph.publish_pose(1.0)
    send(graph, 1.5)  # waits for a pose behind it
    assert graph.call(Trigger, "reset").success
    assert segmenter.num_resets == 1
    for stamp_s in (2.0, 3.0, 4.0):
        graph.publish_pose(stamp_s)
    send(graph, 3.5)
    graph.spin_until(lambda: graph.received.points)
    assert [seconds_of(cloud) for cloud in graph.received.points] == [3.5]


def test_the_legend_is_that_of_the_topic(start_graph):
    graph = start_graph(prompts=["tram", "kerb stone"])
    answer = graph.call(Trigger, "get_legend")
    assert answer.success
    assert json.loads(answer.message) == json.loads(graph.received.legends[-1].data)


@pytest.fixture
def start_with_map(start_graph, extrinsics_file, tmp_path):
    """Start a graph whose map has two voxels and may be written to a folder."""

    def start(**parameters):
        folder = tmp_path / "maps"
        folder.mkdir()
        graph = start_graph(
            pose_source="odometry",
            extrinsics_file=extrinsics_file,
            **{"map.folder": str(folder), **parameters},
        )
        for stamp_s in (1.0, 2.0):
            graph.publish_pose(stamp_s)
        send(graph, 1.5)
        graph.spin_until(lambda: graph.received.points)
        return graph, folder

    return start


def save_as(graph, name):
    ((is_taken, reason),) = graph.set_parameters(**{"map.save_path": name})
    if not is_taken:
        return False, reason
    answer = graph.call(Trigger, "save_map")
    return answer.success, answer.message


def test_the_map_is_written_into_the_folder_and_replaces_its_like(start_with_map):
    graph, folder = start_with_map()
    assert "'map.save_path' names no file" in graph.call(Trigger, "save_map").message
    for _ in range(2):
        assert save_as(graph, "street.npz") == (True, f"{folder}/street.npz: 2 voxels")
    assert len(np.load(folder / "street.npz")["labels"]) == 2
    for _ in range(2):
        assert save_as(graph, "street.ply") == (True, f"{folder}/street.ply: 2 voxels")


def test_an_empty_map_is_not_written(start_graph, tmp_path):
    graph = start_graph(
        pose_source="odometry", **{"map.folder": str(tmp_path), "map.save_path": "street.npz"}
    )
    answer = graph.call(Trigger, "save_map")
    assert not answer.success
    assert "the map is empty" in answer.message


def test_without_a_folder_nothing_is_written(start_with_map, tmp_path):
    graph, _ = start_with_map(**{"map.folder": ""})
    is_saved, reason = save_as(graph, "street.npz")
    assert not is_saved
    assert "'map.folder' names no folder" in reason
    ((is_taken, _),) = graph.set_parameters(**{"map.folder": str(tmp_path)})
    assert not is_taken, "a peer must not choose the folder"


@pytest.mark.parametrize(
    "name",
    [
        "../out.npz", "{tmp}/out.npz", "below/out.npz", "..", "./../maps/../out.ply", ".out.npz",
        "..\\out.npz", "out.npz/", "o\nut.npz", "out\x1b[2J.ply", "x" * 300 + ".npz", "out.txt",
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(start_with_map, tmp_path, name):
    graph, folder = start_with_map()
    (folder / "below").mkdir()
    is_saved, reason = save_as(graph, name.format(tmp=tmp_path))
    assert not is_saved
    assert reason.isprintable()
    assert len(reason) < 400
    assert sorted(path.name for path in tmp_path.rglob("*.npz")) == []
    assert sorted(path.name for path in tmp_path.rglob("*out*")) == []


def test_what_is_no_map_of_ours_is_never_replaced(start_with_map, tmp_path):
    graph, folder = start_with_map()
    precious = tmp_path / "precious.npz"
    np.savez(precious, points=np.zeros(3))
    text = "ply\nformat binary_little_endian 1.0\nelement vertex 0\nend_header\n"
    others = {"arrays.npz": precious.read_bytes(), "scan.ply": text.encode(), "empty.npz": b""}
    for name, content in others.items():
        (folder / name).write_bytes(content)
    (folder / "link.npz").symlink_to(precious)
    (folder / "dangling.npz").symlink_to(tmp_path / "new.npz")
    (folder / "folder.npz").mkdir()
    os.mkfifo(folder / "pipe.ply")
    before = sorted(folder.iterdir())
    for path in before:
        is_saved, reason = save_as(graph, path.name)
        assert (is_saved, "is no map of ours" in reason) == (False, True), path.name
    assert {name: (folder / name).read_bytes() for name in others} == others
    assert sorted(folder.iterdir()) == before
    assert precious.read_bytes() == others["arrays.npz"]
    assert not (tmp_path / "new.npz").exists()


def test_a_full_folder_takes_no_new_map(start_with_map):
    graph, folder = start_with_map()
    assert save_as(graph, "first.npz")[0]
    for number in range(MAX_MAPS):
        (folder / f"{number}.txt").touch()
    is_saved, reason = save_as(graph, "second.npz")
    assert (is_saved, f"holds {MAX_MAPS} files" in reason) == (False, True)
    assert save_as(graph, "first.npz")[0]


@pytest.mark.parametrize("name", ["reset", "get_legend", "save_map"])
def test_before_it_is_configured_the_node_says_what_is_missing(start_graph, name):
    graph = start_graph(autostart=False)
    answer = graph.call(Trigger, name)
    assert not answer.success
    assert answer.message == "clip2scene is not configured; configure it first"
