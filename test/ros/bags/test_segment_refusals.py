"""Bags that cannot be labelled: one line says why, and nothing is left behind."""

from __future__ import annotations

import re

import numpy as np
import pytest
import ros_messages
from fake_segmenter import FakeSegmenter
from rosbags.rosbag2 import StoragePlugin, Writer
from small_bags import START, small_bag, write_bag

from clip2scene_ros.bags.io import BagError
from clip2scene_ros.bags.segment import ReplayOptions, segment_bag


def test_what_is_no_bag_is_refused(tmp_path):
    with pytest.raises(BagError, match="does not exist"):
        segment_bag(tmp_path / "none", tmp_path / "out", FakeSegmenter())
    (tmp_path / "folder").mkdir()
    with pytest.raises(BagError, match=r"is no recording: it has no .mcap, .db3 or .bag file$"):
        segment_bag(tmp_path / "folder", tmp_path / "out", FakeSegmenter())
    (tmp_path / "folder" / "metadata.yaml").write_text(
        "rosbag2_bagfile_information: {relative_file_paths: [bag_0.mcap]}"
    )
    with pytest.raises(BagError, match=r"is no recording: none of its files is there$"):
        segment_bag(tmp_path / "folder", tmp_path / "out", FakeSegmenter())


@pytest.mark.parametrize("kept", [0.01, 0.05])
@pytest.mark.parametrize("is_bare", [False, True])
def test_bag_that_breaks_off_in_its_first_chunk_is_refused(scene_bag, tmp_path, kept, is_bare):
    file = scene_bag / "bag.mcap"
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(BagError, match=r"truncated or damaged .*mcap recover") as caught:
        segment_bag(file if is_bare else scene_bag, tmp_path / "out", FakeSegmenter())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kept", [0.9, 0.999])
@pytest.mark.parametrize("is_bare", [False, True])
def test_bag_that_lacks_its_index_alone_is_read(scene_bag, tmp_path, kept, is_bare):
    file = scene_bag / "bag.mcap"
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    bag = file if is_bare else scene_bag
    assert segment_bag(bag, tmp_path / "out", FakeSegmenter()).num_labelled == 6


def test_damaged_chunk_is_refused(scene_bag, tmp_path):
    file = scene_bag / "bag.mcap"
    content = bytearray(file.read_bytes())
    content[2000:2100] = bytes(100)
    file.write_bytes(content)
    with pytest.raises(BagError, match="truncated or damaged"):
        segment_bag(scene_bag, tmp_path / "out", FakeSegmenter())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "tiny"]


def test_damaged_message_is_refused_by_topic(tmp_path):
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(
            "/lidar_top", "sensor_msgs/msg/PointCloud2", typestore=ros_messages.STORE
        )
        writer.write(connection, START, bytes(30))
    with pytest.raises(BagError, match=r"/lidar_top: a .*PointCloud2 of 30 bytes is damaged"):
        segment_bag(tmp_path / "bag", tmp_path / "out", FakeSegmenter())


@pytest.mark.parametrize("is_bare", [False, True])
def test_protobuf_is_refused_by_name(tmp_path, is_bare):
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(
            "/lidar_top",
            "foxglove.PointCloud",
            msgdef="not read",
            rihs01="none",
            serialization_format="protobuf",
        )
        writer.write(connection, START, b"not read")
    bag = tmp_path / "bag" / "bag.mcap" if is_bare else tmp_path / "bag"
    with pytest.raises(BagError, match=r"encoded as protobuf .* 'clip2scene bag'"):
        segment_bag(bag, tmp_path / "out", FakeSegmenter())


def test_bag_without_cloud_is_refused(tmp_path):
    bag = write_bag(tmp_path / "bag", [m for m in small_bag() if m[0] == "/tf"])
    with pytest.raises(BagError, match=r"no sensor_msgs/msg/PointCloud2 .* there are /tf"):
        segment_bag(bag, tmp_path / "out", FakeSegmenter())


def test_several_clouds_are_refused_unless_one_is_named(tmp_path):
    messages = small_bag(cloud_topic="/front") + small_bag(cloud_topic="/rear")
    bag = write_bag(tmp_path / "bag", messages)
    with pytest.raises(BagError, match="several clouds: /front, /rear"):
        segment_bag(bag, tmp_path / "out", FakeSegmenter())
    options = ReplayOptions(cloud_topic="/rear")
    assert segment_bag(bag, tmp_path / "out", FakeSegmenter(), options).num_labelled == 2


def test_no_labelled_cloud_is_an_error_with_reasons(tmp_path):
    bag = write_bag(tmp_path / "bag", [m for m in small_bag() if m[0] == "/lidar_top"])
    with pytest.raises(BagError, match=r"none of 2 clouds could be labelled: 2 x no pose: .*map"):
        segment_bag(bag, tmp_path / "out", FakeSegmenter())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag"]


def test_existing_output_is_refused(tmp_path):
    bag = write_bag(tmp_path / "bag", small_bag())
    (tmp_path / "out").mkdir()
    with pytest.raises(BagError, match="exists already"):
        segment_bag(bag, tmp_path / "out", FakeSegmenter())


def test_every_reason_is_said_and_not_the_first_alone(tmp_path):
    """The first cloud has no image near it; the others' images are of 16 bits."""
    messages = small_bag(at_ms=(0, 500, 1000, 1500), num_poses=4)
    for ms in (500, 1000, 1500):
        at_ns = START + ms * 1_000_000
        image = ros_messages.TYPES["sensor_msgs/msg/Image"](
            header=ros_messages.header(at_ns, "lidar_top"),
            height=8,
            width=16,
            encoding="mono16",
            is_bigendian=0,
            step=32,
            data=np.zeros(256, np.uint8),
        )
        info = ros_messages.camera_info(at_ns, "lidar_top")
        messages += [("/front/image_raw", ms, image), ("/front/camera_info", ms, info)]
    messages.sort(key=lambda message: message[1])
    bag = write_bag(tmp_path / "bag", messages)
    with pytest.raises(BagError) as caught:
        segment_bag(bag, tmp_path / "out", FakeSegmenter(True), ReplayOptions(with_cameras=True))
    said = str(caught.value)
    assert re.search(r"4 x camera left out: 3 x .*'mono16', .*; 1 x .*: no image came on", said)
