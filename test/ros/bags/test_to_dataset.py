import numpy as np
import pytest
import ros_messages
from rosbags.rosbag2 import Reader
from small_bags import MS, START, small_bag, write_bag

from clip2scene_core.datasets import NuScenesDataset, open_dataset
from clip2scene_core.geometry.se3 import transform_points
from clip2scene_ros.bags.io import BagError
from clip2scene_ros.bags.keyframes import KeyframeOptions
from clip2scene_ros.bags.pose_track import PoseTrack
from clip2scene_ros.bags.to_dataset import RecordingOptions, write_dataset
from clip2scene_ros.sync.sweeps import SyncOptions

EVERY = KeyframeOptions(period_s=0.0, distance_m=0.0)


def test_a_data_set_survives_the_way_through_a_bag(tiny_nuscenes, scene_bag, tmp_path):
    summary = write_dataset([scene_bag], tmp_path / "set", [RecordingOptions(num_previous=9)])
    assert (summary.num_keyframes, summary.num_scenes, summary.num_images) == (2, 1, 4)
    before = NuScenesDataset(tiny_nuscenes, num_sweeps=5, with_labels=True)
    after = open_dataset(tmp_path / "set", num_sweeps=5, with_labels=True)
    assert [scene.name for scene in after.scenes] == ["bag-000"]
    for index in range(2):
        old, new = before[index], after[index]
        assert [sweep.stamp_ns for sweep in new.sweeps] == [sweep.stamp_ns for sweep in old.sweeps]
        np.testing.assert_array_equal(new.keyframe.labels, old.keyframe.labels)
        for mine, theirs in zip(new.sweeps, old.sweeps, strict=True):
            # The axes are the robot's now; the places in the world are the same.
            np.testing.assert_allclose(
                transform_points(mine.T_global_lidar, mine.points[:, :3]),
                transform_points(theirs.T_global_lidar, theirs.points[:, :3]),
                atol=1e-4,
            )
            np.testing.assert_allclose(mine.points[:, 3], theirs.points[:, 3], atol=1e-6)
        by_name = {view.name: view for view in old.cameras}
        assert {view.name for view in new.cameras} == set(by_name)
        for view in new.cameras:
            same = by_name[view.name]
            assert view.stamp_ns == same.stamp_ns
            np.testing.assert_allclose(view.T_global_camera, same.T_global_camera, atol=1e-6)
            np.testing.assert_allclose(view.intrinsics, same.intrinsics)


def test_clouds_are_turned_upright(scene_bag, tmp_path):
    write_dataset([scene_bag], tmp_path / "set")
    dataset = NuScenesDataset(tmp_path / "set")
    T_ego_lidar = next(
        record.T_ego_sensor
        for record in dataset.scene_records("bag-000")
        if record.modality == "lidar"
    )
    np.testing.assert_allclose(T_ego_lidar[:3, :3], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(T_ego_lidar[:3, 3], [1.0, 0.0, 2.0])


def test_scenes_end_after_a_while_and_are_named_by_recording(scene_bag, tmp_path):
    options = RecordingOptions(scene_s=0.4)
    summary = write_dataset([scene_bag], tmp_path / "set", [options])
    assert summary.num_scenes == 2
    names = [scene.name for scene in open_dataset(tmp_path / "set").scenes]
    assert names == ["bag-000", "bag-001"]


def test_without_poses_each_keyframe_stands_alone(scene_bag, tmp_path):
    options = RecordingOptions(SyncOptions(pose_source="none"))
    write_dataset([scene_bag], tmp_path / "set", [options])
    dataset = open_dataset(tmp_path / "set", num_sweeps=2)
    assert [scene.num_keyframes for scene in dataset.scenes] == [1, 1]
    for index in range(2):
        assert len(dataset[index].sweeps) == 1
        assert len(dataset[index].cameras) == 2


def test_poses_of_a_track_are_used(scene_bag, tmp_path):
    stamps = np.array([1_499_999_999, 1_500_000_001], dtype=np.int64) * 10**9
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[:, 0, 3] = 0.0, 2000.0
    write_dataset([scene_bag], tmp_path / "set", tracks=[PoseTrack(stamps, poses)])
    dataset = open_dataset(tmp_path / "set")
    places = [dataset[index].keyframe.T_global_lidar[0, 3] for index in range(2)]
    assert places[1] - places[0] == pytest.approx(500.0)


def test_a_calibration_sent_once_and_recorded_last_serves_all_images(scene_bag, tmp_path):
    rows, last = [], {}
    with Reader(scene_bag) as reader:
        for connection, at_ns, raw in reader.messages():
            message = ros_messages.STORE.deserialize_cdr(raw, connection.msgtype)
            row = (connection.topic, (at_ns - START) // MS, message)
            if connection.msgtype == "sensor_msgs/msg/CameraInfo":
                last.setdefault(connection.topic, row)
            else:
                rows.append(row)
    end_ms = max(ms for _, ms, _ in rows)
    rows += [(topic, end_ms, message) for topic, _, message in last.values()]
    assert len(last) == 2
    bag = write_bag(tmp_path / "late", rows)
    summary = write_dataset([bag], tmp_path / "set", [RecordingOptions(num_previous=9)])
    assert (summary.num_keyframes, summary.num_images) == (2, 4)


def test_recordings_without_cameras_are_refused_and_leave_nothing(tmp_path):
    bag = write_bag(tmp_path / "blind", small_bag())
    with pytest.raises(BagError, match="blind: no camera can be used"):
        write_dataset([bag], tmp_path / "set")
    assert [path.name for path in tmp_path.iterdir()] == ["blind"]


def test_what_exists_is_not_replaced(scene_bag, tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(BagError, match="exists already"):
        write_dataset([scene_bag], tmp_path / "set")


def test_options_out_of_range_are_refused():
    with pytest.raises(ValueError, match="scene_s positive"):
        RecordingOptions(scene_s=0)
