"""A bag through the node and the same bag through the offline replay: one answer."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

from fake_segmenter import FakeSegmenter
from ros_graph import QuadrantSegmenter, labels_of
from sensor_msgs.msg import CameraInfo, CompressedImage

from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_ros.bags.extrinsics import read_bag_extrinsics
from clip2scene_ros.bags.from_dataset import write_scene_bag
from clip2scene_ros.bags.io import open_bag, read_messages
from clip2scene_ros.bags.messages import read_message
from clip2scene_ros.bags.segment import ReplayOptions, segment_bag
from clip2scene_ros.cli.main import main
from clip2scene_ros.node.parameters.options import make_segmenter
from clip2scene_ros.sync.extrinsics import save_extrinsics
from clip2scene_ros.sync.sweeps import SyncOptions

pytestmark = pytest.mark.ros

CAMERAS = ("cam_front", "cam_back")


@pytest.fixture
def bag(tiny_nuscenes, tmp_path):
    write_scene_bag(NuScenesDataset(tiny_nuscenes), "scene-0001", tmp_path / "bag")
    return tmp_path / "bag"


@pytest.fixture
def start(bag, start_graph, tmp_path):
    """Start the node with waits so long that a slow test machine does not cut them short."""
    save_extrinsics(tmp_path / "extrinsics.yaml", read_bag_extrinsics(bag))

    def start_with_cameras(mode, make_segmenter):
        graph = start_graph(
            is_heard=False,
            make_segmenter=make_segmenter,
            mode=mode,
            pose_source="odometry",
            extrinsics_file=str(tmp_path / "extrinsics.yaml"),
            cameras=list(CAMERAS),
            sync__max_wait=0.5,
            tf_timeout=10.0,
        )
        for camera in CAMERAS if mode != "lidar" else ():
            for kind, message_type in (
                ("image_rect_compressed", CompressedImage),
                ("camera_info", CameraInfo),
            ):
                topic = f"/{camera}/{kind}"
                graph.publishers[topic] = graph.driver.create_publisher(message_type, topic, 5)
        graph.connect()
        publishers = graph.publishers.values()
        graph.spin_until(lambda: all(p.get_subscription_count() for p in publishers))
        return graph

    return start_with_cameras


def play(bag, graph):
    """Publish the bag's bytes: first all but the clouds, then each cloud once the last is answered.

    In the bag's own order, several clouds would wait for one image, and the newest would win.
    """
    names = {"/lidar_top": "cloud", "/odom": "odometry"}
    with open_bag(bag) as reader:
        messages = [(names.get(c.topic, c.topic), raw) for c, _, raw in read_messages(reader)]
    for name, content in messages:
        if name in graph.publishers and name != "cloud":
            graph.deliver(graph.publishers[name], bytes(content))
    clouds = [content for name, content in messages if name == "cloud"]
    for number, content in enumerate(clouds, start=1):
        graph.publishers["cloud"].publish(bytes(content))
        graph.spin_until(lambda number=number: len(graph.received.points) == number)


def test_node_and_replay_see_the_same(bag, start, tmp_path):
    offline, live = FakeSegmenter(), QuadrantSegmenter()
    live_graph = start("fused", lambda _: live)
    options = ReplayOptions(SyncOptions(pose_source="odometry", cameras=CAMERAS))
    segment_bag(bag, tmp_path / "labelled", offline, options)
    play(bag, live_graph)
    assert [sweep.stamp_ns for sweep in live.sweeps] == [s.stamp_ns for s in offline.sweeps]
    for ours, theirs in zip(live.sweeps, offline.sweeps, strict=True):
        np.testing.assert_array_equal(ours.points, theirs.points)
        np.testing.assert_array_equal(ours.T_global_lidar, theirs.T_global_lidar)
    for ours, theirs in zip(live.cameras, offline.cameras, strict=True):
        assert [(c.name, c.stamp_ns) for c in ours] == [(c.name, c.stamp_ns) for c in theirs]
        for our_camera, their_camera in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(our_camera.image, their_camera.image)
    assert any(offline.cameras), "without cameras half of the comparison is empty"


@pytest.mark.parametrize("mode", ["lidar", "fused"])
def test_node_and_command_label_alike_point_for_point(bag, start, tmp_path, mode):
    """Both with the shipped models and with what they take by default."""
    graph = start(mode, make_segmenter)
    play(bag, graph)
    command = ["segment", str(bag), "--out", str(tmp_path / "labelled"), "--mode", mode]
    assert main([*command, "--pose-source", "odometry"]) == 0
    live = [cloud_of(message) for message in graph.received.points]
    offline = read_clouds(tmp_path / "labelled")
    assert len(live) == 6
    assert live == offline
    labels = {label for message in graph.received.points for label in labels_of(message)}
    assert len(labels - {65535}) > 1, "two clouds without labels are always alike"


def cloud_of(message):
    """All that a cloud holds: stamp, frame, layout and every byte of its points."""
    stamp, fields = message.header.stamp, message.fields
    return (
        (stamp.sec, stamp.nanosec, message.header.frame_id),
        [(f.name, f.offset, f.datatype, f.count) for f in fields],
        (message.height, message.width, message.point_step, message.row_step, message.is_dense),
        bytes(message.data),
    )


def read_clouds(bag):
    with open_bag(bag) as reader:
        wanted = [c for c in reader.connections if c.topic == "/clip2scene/points"]
        return [cloud_of(read_message(c, raw)) for c, _, raw in read_messages(reader, wanted)]
