"""A labelled bag is read scan by scan, as `read_labelled_bag` reads it whole."""

import numpy as np
import pytest
import ros_messages
from fake_segmenter import FakeSegmenter, quadrants
from small_bags import MS, POINTS, START, small_bag, write_bag

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_ros.bags import labelled_stream
from clip2scene_ros.bags.io import BagError
from clip2scene_ros.bags.labelled_stream import LabelledBag, is_labelled_bag
from clip2scene_ros.bags.messages import cloud_message, header_message, string_message
from clip2scene_ros.bags.segment import ReplayOptions, segment_bag
from clip2scene_ros.messages.cloud_layouts import AUTOWARE_DTYPE, PCL_DTYPE
from clip2scene_ros.messages.legend import legend_json
from clip2scene_ros.sync.sweeps import SyncOptions

STAMPS = [0, 100, 200]


def labelled(tmp_path, messages, cloud_topic=None, **options):
    bag = write_bag(tmp_path / "bag", messages)
    replay = ReplayOptions(sync=SyncOptions(**options), cloud_topic=cloud_topic)
    segment_bag(bag, tmp_path / "labelled", FakeSegmenter(), replay)
    return tmp_path / "labelled"


def read(bag, **given):
    found = LabelledBag(bag, given)
    scans = list(found.scans())
    for scan in scans:
        np.testing.assert_array_equal(scan.labels, quadrants(scan.points))
        np.testing.assert_allclose(scan.points, POINTS, rtol=1e-6)  # in the unit they came in
        np.testing.assert_array_equal(scan.scores > 0, scan.labels != IGNORE_LABEL)
        assert scan.vocabulary.names == ("car", "tree", "road", "building")
    return found, scans


@pytest.mark.parametrize("scale", ["auto", 255.0])
def test_poses_of_tf(tmp_path, scale):
    found, scans = read(labelled(tmp_path, small_bag(STAMPS, 3)), intensity_scale=scale)
    assert found.pose_source == "tf"
    assert not found.left_out
    assert [(scan.stamp_ns - START) // MS for scan in scans] == STAMPS
    assert [scan.T_global_lidar[0, 3] for scan in scans] == [0, 10, 20]
    assert [scan.T_base_lidar[2, 3] for scan in scans] == [2, 2, 2]
    assert {scan.intensity_scale for scan in scans} == {255.0}


def test_poses_of_odometry(tmp_path):
    messages = [m for m in small_bag(STAMPS, 3) if m[0] != "/tf"]
    for ms in STAMPS:
        odometry = ros_messages.odometry(START + ms * MS, "odom", "base_link", (ms, 0, 0))
        messages.append(("/wheels", ms, odometry))
    messages.sort(key=lambda row: row[1])
    bag = labelled(tmp_path, messages, pose_source="odometry", fixed_frame="odom")
    found, scans = read(bag)
    assert found.pose_source == "odometry"
    assert [scan.T_global_lidar[0, 3] for scan in scans] == STAMPS


def test_without_poses_none_is_made_up(tmp_path):
    messages = [m for m in small_bag(STAMPS, 3) if m[0] == "/lidar_top"]
    found, scans = read(labelled(tmp_path, messages, pose_source="none"))
    assert found.pose_source == "none"
    assert len(scans) == 3
    assert all(np.isnan(scan.T_global_lidar).all() for scan in scans)


def test_clouds_without_stamps_are_found_by_their_order(tmp_path):
    messages = [("/lidar_top", ms, ros_messages.cloud(POINTS, 0)) for ms in STAMPS]
    _, scans = read(labelled(tmp_path, messages, pose_source="none", zero_stamp="arrival"))
    assert [(scan.stamp_ns - START) // MS for scan in scans] == STAMPS


def test_the_labelled_one_of_several_clouds(tmp_path):
    other = [
        ("/rear", ms + 1, ros_messages.cloud(POINTS[:2], START + (ms + 1) * MS)) for ms in STAMPS
    ]
    messages = sorted(small_bag(STAMPS, 3) + other, key=lambda row: row[1])
    _, scans = read(labelled(tmp_path, messages, cloud_topic="/lidar_top"))
    assert len(scans) == 3


def write_labels(tmp_path, *clouds, legend=True):
    """A bag as a recorder of the node's topics leaves it: labels by hand."""
    messages = [m for m in small_bag(STAMPS, 3) if m[0] == "/lidar_top"]
    vocabulary = FakeSegmenter().vocabulary
    if legend:
        text = string_message(legend_json(vocabulary, 1))
        messages.insert(0, ("/clip2scene/legend", 0, text))
    for ms, array in clouds:
        message = cloud_message(array, header_message(START + ms * MS, "lidar_top"))
        messages.append(("/clip2scene/points", ms + 5, message))
    return write_bag(tmp_path / "bag", sorted(messages, key=lambda row: row[1]))


def test_autowares_layout(tmp_path):
    array = np.zeros(4, AUTOWARE_DTYPE)
    array["class_id"] = [0, 3, 2, 255]
    array["probability"] = [0.5, 0.6, 0.7, 0]
    (scan,) = LabelledBag(write_labels(tmp_path, (100, array))).scans()
    np.testing.assert_array_equal(scan.labels, [0, 3, 2, 255])
    np.testing.assert_allclose(scan.scores, [0.5, 0.6, 0.7, 0])


def test_what_does_not_fit_is_left_out_and_counted(tmp_path):
    array = np.zeros(4, PCL_DTYPE)
    bag = LabelledBag(write_labels(tmp_path, (0, array), (100, array[:2]), (150, array)))
    assert len(list(bag.scans())) == 1
    assert sum(bag.left_out.values()) == 2
    assert "with another number of points than its cloud" in bag.left_out


def test_damage_is_refused(tmp_path):
    array = np.zeros(4, PCL_DTYPE)
    array["label"] = 4
    with pytest.raises(BagError, match="has the label 4, but its legend has 4 classes"):
        list(LabelledBag(write_labels(tmp_path, (0, array))).scans())
    array["label"] = 1
    (tmp_path / "no").mkdir()
    bag = LabelledBag(write_labels(tmp_path / "no", (0, array), legend=False))
    assert list(bag.scans()) == []
    assert bag.left_out == {"before the first legend": 1}
    plain = write_bag(tmp_path / "plain", small_bag(STAMPS, 3))
    assert not is_labelled_bag(plain)
    with pytest.raises(BagError, match=r"no labelled cloud .*; label it first"):
        LabelledBag(plain)
    (tmp_path / "far").mkdir()
    with pytest.raises(BagError, match="belongs to a cloud on /lidar_top"):
        LabelledBag(write_labels(tmp_path / "far", (150, array)))


def test_only_few_labels_are_kept(tmp_path, monkeypatch):
    bag = labelled(tmp_path, small_bag([*range(0, 1000, 50)], 20))
    monkeypatch.setattr(labelled_stream, "_MAX_LABELS", 3)
    monkeypatch.setattr(labelled_stream, "_MAX_CLOUDS", 3)
    _, scans = read(bag)
    assert len(scans) == 20


def test_a_turned_cloud_frame_is_that_of_the_sensor(tmp_path):
    """Clouds in base_link come out where their LiDAR saw them from."""
    messages = small_bag(STAMPS, 3)
    shifted = POINTS + np.float32([0, 0, 2, 0])
    messages = [
        (topic, ms, ros_messages.cloud(shifted, START + ms * MS, "base_link"))
        if topic == "/lidar_top"
        else (topic, ms, message)
        for topic, ms, message in messages
    ]
    bag = labelled(tmp_path, messages, sensor_frame="lidar_top")
    (first, *_) = LabelledBag(bag, {"sensor_frame": "lidar_top"}).scans()
    np.testing.assert_allclose(first.points[:3], POINTS[:3], atol=1e-5)
    assert first.T_global_lidar[2, 3] == 2
