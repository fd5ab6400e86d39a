"""The legend's messages by hand-computed values, and when each is published."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import torch
from builtin_interfaces.msg import Time
from rclpy.qos import DurabilityPolicy
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_ros.node.outputs.legend import (
    LegendPublishers,
    legend_image,
    legend_markers,
)

pytestmark = pytest.mark.ros

CAR_AND_TREE = make_vocabulary(["car", "tree"], torch.eye(2))
BUS = make_vocabulary(["bus"], torch.eye(1))
FIRST = Header(stamp=Time(sec=7), frame_id="lidar_top")


class RecordingNode:
    """Stands in for a node: keeps what is published as (topic, message)."""

    def __init__(self):
        self.published = []
        self.qos = {}

    def create_publisher(self, _message_type, topic, qos):
        self.qos[topic] = qos
        return SimpleNamespace(publish=lambda message: self.published.append((topic, message)))

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=lambda: Time(sec=5)))


@pytest.fixture
def node():
    return RecordingNode()


@pytest.fixture
def vision_msgs(monkeypatch):
    """What the wheels lack: message classes that keep their arguments."""
    module = SimpleNamespace(LabelInfo=SimpleNamespace, VisionClass=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "vision_msgs", SimpleNamespace(msg=module))
    monkeypatch.setitem(sys.modules, "vision_msgs.msg", module)
    return module


def topics(node):
    return [topic for topic, _ in node.published]


def test_new_words_are_published_once_and_latched(node, monkeypatch):
    monkeypatch.setitem(sys.modules, "vision_msgs", None)  # as where it is not installed
    legend = LegendPublishers(node, "base_link")
    legend.announce(CAR_AND_TREE)
    assert topics(node) == ["~/legend", "~/legend_image", "~/legend_markers"]
    legend.announce_cloud(CAR_AND_TREE, FIRST, 0.0)
    assert len(node.published) == 3
    legend.announce(BUS)
    assert topics(node)[3:] == ["~/legend", "~/legend_image", "~/legend_markers"]
    versions = [json.loads(m.data)["version"] for topic, m in node.published if topic == "~/legend"]
    assert versions == [1, 2]
    assert all(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL for qos in node.qos.values())


def test_label_info_comes_with_the_stamp_of_its_first_cloud(node, vision_msgs):
    legend = LegendPublishers(node, "base_link")
    legend.announce(CAR_AND_TREE)
    assert "~/label_info" not in topics(node)
    later = Header(stamp=Time(sec=8), frame_id="lidar_top")
    legend.announce_cloud(CAR_AND_TREE, FIRST, 0.25)
    legend.announce_cloud(CAR_AND_TREE, later, 0.25)
    ((_, info),) = (item for item in node.published if item[0] == "~/label_info")
    assert (info.header, info.threshold) == (FIRST, 0.25)
    assert [(c.class_id, c.class_name) for c in info.class_map] == [(0, "car"), (1, "tree")]


def test_label_info_follows_the_threshold_and_the_vocabulary(node, vision_msgs):
    legend = LegendPublishers(node, "base_link")
    for vocabulary, threshold in ((CAR_AND_TREE, 0.0), (CAR_AND_TREE, 0.5), (BUS, 0.5), (BUS, 0.5)):
        legend.announce_cloud(vocabulary, FIRST, threshold)
    infos = [message for topic, message in node.published if topic == "~/label_info"]
    assert [(len(info.class_map), info.threshold) for info in infos] == [
        (2, 0.0), (2, 0.5), (1, 0.5),
    ]  # fmt: skip


def test_the_image_is_a_picture_of_the_classes(node):
    message = legend_image(CAR_AND_TREE, Header())
    assert (message.encoding, message.step) == ("rgb8", 3 * message.width)
    picture = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
    for color in CAR_AND_TREE.colors:
        assert (picture == color).all(axis=2).sum() > 300


def test_markers_replace_the_old_ones_and_stand_in_the_order_of_the_classes():
    clear, car, tree = legend_markers(CAR_AND_TREE, "base_link").markers
    assert clear.action == Marker.DELETEALL
    assert [(m.type, m.id, m.text) for m in (car, tree)] == [
        (Marker.TEXT_VIEW_FACING, 0, "car"),
        (Marker.TEXT_VIEW_FACING, 1, "tree"),
    ]
    assert {m.header.frame_id for m in (clear, car, tree)} == {"base_link"}
    assert car.header.stamp == Time()
    assert car.frame_locked
    np.testing.assert_allclose([car.pose.position.z, tree.pose.position.z], [1.6, 1.0])
    np.testing.assert_allclose(
        [car.color.r, car.color.g, car.color.b], CAR_AND_TREE.colors[0] / 255
    )


def test_many_markers_stand_in_columns():
    vocabulary = make_vocabulary([f"word {i}" for i in range(21)], torch.eye(21))
    markers = legend_markers(vocabulary, "base_link").markers[1:]
    assert markers[20].pose.position.z == markers[0].pose.position.z
    assert markers[20].pose.position.y == markers[0].pose.position.y - 5
