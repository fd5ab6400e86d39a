"""What the node publishes beside labels, in a real graph with a segmenter of known answers."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import ros_graph
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_graph import (
    ONE_PER_QUADRANT,
    Graph,
    seconds_of,
    starting_graphs,
    values_of,
)
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Float64
from visualization_msgs.msg import MarkerArray

from clip2scene_core.prompts.prompt_set import PromptSet
from clip2scene_ros.node.parameters.options import online_options
from clip2scene_ros.node.parameters.table import NodeParameters

pytestmark = pytest.mark.ros

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class OutputGraph(Graph):
    """A graph whose driver can listen to more, and need not listen to the points."""

    def listen(self, message_type, topic, qos=10):
        """Keep what comes on ~/topic; returns the list."""
        messages = []
        path = f"/clip2scene/{topic}"
        self.driver.create_subscription(message_type, path, messages.append, qos)
        self.spin_until(lambda: self.node.count_subscribers(path))
        return messages

    def stop_listening_to_points(self):
        for subscription in list(self.driver.subscriptions):
            if subscription.topic_name == "/clip2scene/points":
                self.driver.destroy_subscription(subscription)
        self.spin_until(lambda: not self.node.count_subscribers("/clip2scene/points"))


@pytest.fixture
def start(segmenter, extrinsics_file, monkeypatch):
    """Start a graph with the given parameters, without poses unless they say otherwise."""
    with starting_graphs(
        lambda _: segmenter,
        monkeypatch,
        OutputGraph,
        diagnostics_period_s=0.1,
        pose_source="none",
        extrinsics_file=extrinsics_file,
        cameras=["cam_front"],
    ) as start_graph:
        yield start_graph


def test_the_layout_of_autoware(start):
    graph = start(output__layout="autoware")
    graph.send(1.0, [*ONE_PER_QUADRANT, [np.nan, 0, 0, 0]])
    graph.spin_until(lambda: graph.received.points)
    (cloud,) = graph.received.points
    layout = [(field.name, field.offset, field.datatype) for field in cloud.fields]
    assert layout == [
        ("x", 0, 7), ("y", 4, 7), ("z", 8, 7),
        ("class_id", 12, 2), ("probability", 16, 7), ("entropy", 20, 7),
    ]  # fmt: skip
    rows = np.frombuffer(bytes(cloud.data), np.uint8).reshape(5, 24)
    assert rows[:, 12].tolist() == [0, 1, 2, 3, 255]
    numbers = rows[:, 16:24].copy().view("<f4")
    np.testing.assert_allclose(numbers[:, 0], [0.75, 0.75, 0.75, 0.75, 0])
    np.testing.assert_allclose(numbers[:, 1], [0.5, 0.5, 0.5, 0.5, np.log(4)], rtol=1e-6)


def test_only_the_layout_of_autoware_costs_entropies():
    assert online_options(NodeParameters(output_layout="autoware")).with_entropies
    assert not online_options(NodeParameters()).with_entropies


def test_intensity_can_be_left_out(start):
    graph = start(output__include_intensity=False)
    graph.send(1.0)
    graph.spin_until(lambda: graph.received.points)
    assert [f.name for f in graph.received.points[0].fields] == [
        "x", "y", "z", "rgb", "label", "confidence",
    ]  # fmt: skip


def test_a_query_is_answered_in_intensity_while_there_is_one(start, segmenter):
    graph = start()
    answers = graph.listen(PointCloud2, "query/points")
    graph.send(1.0)
    graph.spin_until(lambda: len(graph.received.points) == 1)
    segmenter.apply(segmenter.encode(PromptSet(segmenter.vocabulary.prompts, query="tram")))
    graph.send(2.0)
    graph.spin_until(lambda: answers)
    (answer,) = answers
    assert (seconds_of(answer), answer.header.frame_id) == (2.0, "lidar_top")
    numbers = np.frombuffer(bytes(answer.data), "<f4").reshape(4, 4)
    np.testing.assert_array_equal(numbers[:, :2], np.array(ONE_PER_QUADRANT)[:, :2])
    np.testing.assert_allclose(numbers[:, 3], [0, 0.25, 0.5, 0.75])


def test_the_overlay_shows_the_labels_where_the_camera_sees_them(start, segmenter):
    graph = start(mode="fused", sync__max_wait=0.5)
    overlays = graph.listen(Image, "cam_front/overlay", BEST_EFFORT)
    image, info = ros_graph.make_image(1.01), ros_graph.make_info()
    image.height, image.width, image.step, image.data = 80, 160, 480, bytes([128] * 38400)
    info.height, info.width, info.k = 80, 160, np.array([80.0, 0, 80, 0, 80, 40, 0, 0, 1])
    graph.publish_camera("cam_front", image, info)
    # Straight ahead, in the middle of the image; and behind the camera.
    graph.send(1.0, [[5, 0, 0, 0], [-5, 0, 0, 0]])
    graph.spin_until(lambda: overlays)
    (overlay,) = overlays
    assert (overlay.encoding, overlay.width, overlay.height) == ("rgb8", 160, 80)
    assert (seconds_of(overlay), overlay.header.frame_id) == (1.01, "cam_front")
    picture = np.frombuffer(bytes(overlay.data), np.uint8).reshape(80, 160, 3)
    rows, columns = (picture == segmenter.vocabulary.colors[0]).all(axis=2).nonzero()
    np.testing.assert_allclose([rows.mean(), columns.mean()], [40, 80], atol=1)
    assert (picture[:, 0] == 96).all()  # the grey image, three quarters as bright


def test_the_stages_are_published_in_milliseconds(start):
    graph = start()
    stages = ("wait", "decode", "inference", "postprocess", "publish", "total")
    times = {name: graph.listen(Float64, f"debug/processing_time/{name}_ms") for name in stages}
    latency = graph.listen(Float64, "debug/pipeline_latency_ms")
    cycle = graph.listen(Float64, "debug/cyclic_time_ms")
    now_s = graph.node.get_clock().now().nanoseconds * 1e-9
    for number in (1, 2):
        graph.send(now_s - 100 + number)
        graph.spin_until(lambda number=number: len(latency) == number)
    graph.spin_until(lambda: cycle and all(len(messages) == 2 for messages in times.values()))
    parts = sum(times[name][0].data for name in stages[:-1])
    assert times["total"][0].data == pytest.approx(parts)
    assert all(0 <= times[name][0].data < 5000 for name in stages)
    assert 99_000 <= latency[0].data < 104_000
    assert len(cycle) == 1
    assert 0 < cycle[0].data < 5000


def test_legends_are_there_before_the_first_cloud_and_for_late_listeners(start, segmenter):
    graph = start()
    graph.send(1.0)
    graph.spin_until(lambda: graph.received.points)
    images = graph.listen(Image, "legend_image", LATCHED)
    markers = graph.listen(MarkerArray, "legend_markers", LATCHED)
    graph.spin_until(lambda: images and markers)
    assert images[0].encoding == "rgb8"
    assert [m.text for m in markers[0].markers[1:]] == ["car", "tree", "road", "building"]
    assert {m.header.frame_id for m in markers[0].markers} == {"base_link"}
    assert graph.set_parameters(prompts=["tram", "kerb"]) == [(True, "")]
    graph.spin_until(lambda: len(images) == len(markers) == 2)
    assert [m.text for m in markers[1].markers[1:]] == ["tram", "kerb"]
    assert [json.loads(m.data)["version"] for m in graph.received.legends] == [1, 2]


def test_without_map_and_listeners_nothing_is_labelled(start, segmenter):
    graph = start()
    graph.stop_listening_to_points()
    graph.send(1.0)
    item = graph.spin_until_item("inference", lambda item: "nobody listens" in item.message)
    assert segmenter.sweeps == []
    assert values_of(item)["not wanted"] == "1"
    heard = graph.listen(PointCloud2, "points")

    def is_labelled():
        graph.send(2.0)
        graph.spin_for(0.05)
        return heard

    graph.spin_until(is_labelled)


def test_a_map_wants_sweeps_that_nobody_else_wants(start, segmenter):
    graph = start(pose_source="odometry")
    graph.stop_listening_to_points()
    for stamp_s in (0.9, 1.1):
        graph.publish_pose(stamp_s)
    graph.send(1.0)
    graph.spin_until(lambda: graph.received.maps)
    assert len(segmenter.sweeps) == 1
    item = graph.spin_until_item("map", lambda item: item.message == "4 voxels in map")
    assert values_of(item)["published"] == "1"


def test_an_eager_node_labels_for_nobody(start, segmenter):
    graph = start(output__lazy=False)
    graph.stop_listening_to_points()
    graph.send(1.0)
    graph.spin_until(lambda: segmenter.sweeps)


def test_rates_and_ages_are_diagnosed(start):
    graph = start()
    now_s = graph.node.get_clock().now().nanoseconds * 1e-9
    for number in range(3):
        graph.send(now_s - 10 + 0.1 * number, [*ONE_PER_QUADRANT, [np.nan, 0, 0, 0]])
        graph.spin_until(lambda number=number: len(graph.received.points) == number + 1)
    graph.spin_until_item("inference", lambda item: values_of(item)["labelled"] == "3")
    inference, lidar = (values_of(graph.diagnosis(name)) for name in ("inference", "lidar"))
    assert 9_000 < float(inference["label age ms median"]) < 14_000
    assert float(inference["label age ms median"]) <= float(inference["label age ms p95"])
    assert float(inference["output Hz"]) > 0
    assert float(inference["drop ratio"]) == 0
    assert (lidar["points"], lidar["points not finite"], lidar["points unlabelled"]) == (
        "5", "1", "1",
    )  # fmt: skip
    assert (lidar["topic"], lidar["offered"]) == ("/points", "reliable")


def test_slow_processing_is_a_warning(start, segmenter):
    graph = start(max_processing_ms=1.0)
    segmenter.before_add = lambda _sweep: time.sleep(0.01)
    graph.send(1.0)
    status = graph.spin_until_diagnosed("inference", "a sweep takes", "max_processing_ms is 1")
    assert status.level == b"\x01"
