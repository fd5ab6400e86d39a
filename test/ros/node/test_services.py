"""The node's services on the live graph, called as `ros2 service call` does."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import ros_graph
from ros_graph import make_cloud, seconds_of
from std_srvs.srv import SetBool, Trigger

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


def test_the_map_is_written_where_the_parameter_says(start_graph, extrinsics_file, tmp_path):
    file = tmp_path / "street.npz"
    graph = start_graph(pose_source="odometry", extrinsics_file=extrinsics_file)
    answer = graph.call(Trigger, "save_map")
    assert not answer.success
    assert "'map.save_path' names no file" in answer.message
    assert graph.set_parameters(**{"map.save_path": str(file)}) == [(True, "")]
    answer = graph.call(Trigger, "save_map")
    assert not answer.success
    assert "the map is empty" in answer.message
    for stamp_s in (1.0, 2.0):
        graph.publish_pose(stamp_s)
    send(graph, 1.5)
    graph.spin_until(lambda: graph.received.points)
    answer = graph.call(Trigger, "save_map")
    assert (answer.success, answer.message) == (True, f"{file}: 2 voxels")
    assert len(np.load(file)["labels"]) == 2


@pytest.mark.parametrize("name", ["reset", "get_legend", "save_map"])
def test_before_it_is_configured_the_node_says_what_is_missing(start_graph, name):
    graph = start_graph(autostart=False)
    answer = graph.call(Trigger, name)
    assert not answer.success
    assert answer.message == "clip2scene is not configured; configure it first"
