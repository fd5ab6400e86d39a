"""A labelled bag is read back with its labels and poses, however it was labelled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import ros_messages
from fake_segmenter import FakeSegmenter, quadrants
from small_bags import MS, POINTS, START, small_bag, write_bag

from clip2scene_ros.bags.io import BagError
from clip2scene_ros.bags.labelled_reader import read_labelled_bag
from clip2scene_ros.bags.segment import ReplayOptions, segment_bag
from clip2scene_ros.sync.sweeps import SyncOptions

STAMPS = [0, 100, 200]


def read_back(tmp_path, messages, cloud_topic=None, **options):
    """Label messages with some options, and read the labelled bag without being told them."""
    bag = write_bag(tmp_path / "bag", messages)
    replay = ReplayOptions(sync=SyncOptions(**options), cloud_topic=cloud_topic)
    segment_bag(bag, tmp_path / "labelled", FakeSegmenter(), replay)
    sweeps = read_labelled_bag(tmp_path / "labelled")
    for labelled in sweeps:
        np.testing.assert_array_equal(labelled.labels, quadrants(labelled.sweep.points))
        assert labelled.vocabulary.names == ("car", "tree", "road", "building")
    return sweeps


def stamps_of(sweeps):
    return [(labelled.sweep.stamp_ns - START) // MS for labelled in sweeps]


def test_bag_labelled_with_poses_of_tf(tmp_path):
    sweeps = read_back(tmp_path, small_bag(STAMPS, 3))
    assert stamps_of(sweeps) == STAMPS
    assert [labelled.sweep.T_global_lidar[0, 3] for labelled in sweeps] == [0, 10, 20]


@pytest.mark.parametrize("kept", ["/tf", "/tf_static", ""])
def test_bag_labelled_without_poses_is_shown_sweep_by_sweep(tmp_path, kept):
    messages = [m for m in small_bag(STAMPS, 3) if m[0] in ("/lidar_top", kept)]
    sweeps = read_back(tmp_path, messages, pose_source="none")
    assert stamps_of(sweeps) == STAMPS
    for labelled in sweeps:
        np.testing.assert_array_equal(labelled.sweep.T_global_lidar, np.eye(4))


def test_bag_labelled_with_odometry(tmp_path):
    messages = [m for m in small_bag(STAMPS, 3) if m[0] != "/tf"]
    for ms in STAMPS:
        odometry = ros_messages.odometry(START + ms * MS, "odom", "base_link", (ms, 0, 0))
        messages.append(("/wheels", ms, odometry))
    messages.sort(key=lambda row: row[1])
    sweeps = read_back(tmp_path, messages, pose_source="odometry", fixed_frame="odom")
    assert [labelled.sweep.T_global_lidar[0, 3] for labelled in sweeps] == STAMPS


def test_bag_labelled_in_another_fixed_frame(tmp_path):
    messages = []
    for topic, ms, message in small_bag(STAMPS, 3):
        if topic == "/tf":
            message = ros_messages.transforms((START + ms * MS, "world", "base_link", (ms, 0, 0)))
        messages.append((topic, ms, message))
    sweeps = read_back(tmp_path, messages, fixed_frame="world")
    assert [labelled.sweep.T_global_lidar[0, 3] for labelled in sweeps] == STAMPS


def test_bag_labelled_with_stamps_of_arrival(tmp_path):
    zero = ros_messages.header(0, "lidar_top")
    messages = [
        (t, ms, replace(m, header=zero) if t == "/lidar_top" else m)
        for t, ms, m in small_bag(STAMPS, 3)
    ]
    assert stamps_of(read_back(tmp_path, messages, zero_stamp="arrival")) == STAMPS


def test_labelled_cloud_is_found_among_several(tmp_path):
    others = [
        ("/rear", ms, ros_messages.cloud(POINTS, START + (ms + 7) * MS)) for ms in (0, 100, 200)
    ]
    messages = sorted([*small_bag(STAMPS, 3), *others], key=lambda row: row[1])
    sweeps = read_back(tmp_path, messages, cloud_topic="/lidar_top")
    assert stamps_of(sweeps) == STAMPS


def test_bag_without_labels_is_refused(tmp_path):
    bag = write_bag(tmp_path / "bag", small_bag(STAMPS, 3))
    with pytest.raises(BagError, match="no cloud on /clip2scene/points belongs to a cloud"):
        read_labelled_bag(bag)
