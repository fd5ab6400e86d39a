from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import ros_messages
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag2 import Reader

from clip2scene_core.datasets.nuscenes import NuScenesDataset, read_points
from clip2scene_core.geometry.se3 import quaternion_from_matrix
from clip2scene_core.sample import DatasetError
from clip2scene_ros.bags.from_dataset import BagOptions, write_scene_bag
from clip2scene_ros.bags.io import BagError
from clip2scene_ros.messages.camera_info import camera_model
from clip2scene_ros.messages.decode import (
    matrix_from_pose,
    matrix_from_transform,
    points_from_cloud,
    stamp_ns,
)
from clip2scene_ros.messages.point_times import point_times

SCENE = "scene-0001"


def read_bag(path):
    """All messages as (topic, bag time, message) in order."""
    with Reader(path) as reader:
        return [
            (c.topic, at_ns, ros_messages.STORE.deserialize_cdr(content, c.msgtype))
            for c, at_ns, content in reader.messages()
        ]


def of_topic(messages, topic):
    return [message for name, _, message in messages if name == topic]


@pytest.fixture
def dataset(tiny_nuscenes):
    return NuScenesDataset(tiny_nuscenes, scenes=[SCENE], with_labels=True)


def test_every_reading_is_written_at_its_own_stamp(dataset, tmp_path):
    steps = []
    summary = write_scene_bag(
        dataset, SCENE, tmp_path / "bag", progress=lambda done, total: steps.append((done, total))
    )
    assert (summary.num_sweeps, summary.num_images, summary.num_labelled_sweeps) == (6, 6, 2)
    assert summary.duration_s == pytest.approx(0.52)
    assert steps[0] == (1, 12)
    assert steps[-1] == (12, 12)
    messages = read_bag(tmp_path / "bag")
    times = [at_ns for _, at_ns, _ in messages]
    assert times == sorted(times)
    for topic, at_ns, message in messages:
        header = message.transforms[0].header if topic.startswith("/tf") else message.header
        assert stamp_ns(header) == at_ns
    assert {topic for topic, _, _ in messages} == {
        "/tf_static", "/tf", "/odom", "/lidar_top", "/lidar_top/lidarseg",
        "/cam_front/image_rect_compressed", "/cam_front/camera_info",
        "/cam_back/image_rect_compressed", "/cam_back/camera_info",
    }  # fmt: skip


def test_a_time_that_begins_at_zero_is_moved(dataset, tmp_path, monkeypatch):
    """As of SemanticKITTI's sequences; readers refuse the stamp 0."""
    records = list(dataset.scene_records(SCENE))
    first_ns = records[0].stamp_ns
    since_zero = [replace(one, stamp_ns=one.stamp_ns - first_ns) for one in records]
    monkeypatch.setattr(dataset, "scene_records", lambda scene_name: iter(since_zero))
    write_scene_bag(dataset, SCENE, tmp_path / "all")
    write_scene_bag(dataset, SCENE, tmp_path / "part", BagOptions(start_s=0.2))
    messages = read_bag(tmp_path / "all")
    times = sorted({at_ns for _, at_ns, _ in messages})
    assert times == [1_000_000_000 + one.stamp_ns for one in since_zero]
    for topic, at_ns, message in messages:
        header = message.transforms[0].header if topic.startswith("/tf") else message.header
        assert stamp_ns(header) == at_ns
    assert {at_ns for _, at_ns, _ in read_bag(tmp_path / "part")} <= set(times)


def test_pose_comes_before_the_reading_that_needs_it(dataset, tmp_path):
    write_scene_bag(dataset, SCENE, tmp_path / "bag")
    messages = read_bag(tmp_path / "bag")
    assert messages[0][0] == "/tf_static"
    posed = set()
    for topic, at_ns, _ in messages:
        if topic == "/tf":
            posed.add(at_ns)
        elif topic != "/tf_static":
            assert at_ns in posed


def test_cloud_holds_the_files_bytes(dataset, tmp_path):
    write_scene_bag(dataset, SCENE, tmp_path / "bag")
    clouds = of_topic(read_bag(tmp_path / "bag"), "/lidar_top")
    sweeps = [r for r in dataset.scene_records(SCENE) if r.modality == "lidar"]
    assert [stamp_ns(cloud.header) for cloud in clouds] == [r.stamp_ns for r in sweeps]
    for cloud, record in zip(clouds, sweeps, strict=True):
        assert [field.name for field in cloud.fields] == ["x", "y", "z", "intensity", "ring"]
        assert (cloud.point_step, cloud.width, cloud.height) == (20, 48, 1)
        assert cloud.is_dense
        assert cloud.header.frame_id == "lidar_top"
        assert bytes(cloud.data) == record.path.read_bytes()
    np.testing.assert_allclose(
        points_from_cloud(clouds[0], intensity_scale=1.0), read_points(sweeps[0].path)[:, :4]
    )


def test_times_of_the_points_become_a_field(dataset, tiny_nuscenes, tmp_path):
    (tiny_nuscenes / "lidar_times").mkdir()
    lidar = [r for r in dataset.scene_records(SCENE) if r.modality == "lidar"]
    times_s = np.linspace(-0.05, 0, 48, dtype=np.float32)
    times_s.tofile(tiny_nuscenes / "lidar_times" / f"{lidar[0].token}.bin")
    write_scene_bag(dataset, SCENE, tmp_path / "bag")
    first, second, *_ = of_topic(read_bag(tmp_path / "bag"), "/lidar_top")
    np.testing.assert_array_equal(point_times(first, points_from_cloud(first)), times_s)
    assert [field.name for field in second.fields] == ["x", "y", "z", "intensity", "ring"]
    np.testing.assert_array_equal(
        points_from_cloud(first)[:, :3], read_points(lidar[0].path)[:, :3]
    )


def test_times_of_another_number_of_points_are_refused(dataset, tiny_nuscenes, tmp_path):
    (tiny_nuscenes / "lidar_times").mkdir()
    lidar = next(r for r in dataset.scene_records(SCENE) if r.modality == "lidar")
    np.zeros(47, np.float32).tofile(tiny_nuscenes / "lidar_times" / f"{lidar.token}.bin")
    with pytest.raises(BagError, match="holds 47 times, but the sweep has 48 points"):
        write_scene_bag(dataset, SCENE, tmp_path / "bag")


def test_images_are_untouched_and_calibrated(dataset, tmp_path):
    write_scene_bag(dataset, SCENE, tmp_path / "bag")
    messages = read_bag(tmp_path / "bag")
    images = of_topic(messages, "/cam_back/image_rect_compressed")
    infos = of_topic(messages, "/cam_back/camera_info")
    records = [r for r in dataset.scene_records(SCENE) if r.channel == "CAM_BACK"]
    for image, info, record in zip(images, infos, records, strict=True):
        assert bytes(image.data) == record.path.read_bytes()
        assert image.format == "jpeg"
        assert image.header == info.header
        np.testing.assert_array_equal(camera_model(info, (32, 56))[0], record.intrinsics)
        np.testing.assert_array_equal(info.r.reshape(3, 3), np.eye(3))
        assert info.distortion_model == "plumb_bob"


def test_poses_and_extrinsics_are_the_data_sets(dataset, tmp_path):
    write_scene_bag(dataset, SCENE, tmp_path / "bag")
    messages = read_bag(tmp_path / "bag")
    (static,) = of_topic(messages, "/tf_static")
    extrinsics = {t.child_frame_id: matrix_from_transform(t.transform) for t in static.transforms}
    poses = {
        stamp_ns(m.transforms[0].header): matrix_from_transform(m.transforms[0].transform)
        for m in of_topic(messages, "/tf")
    }
    odometry = {stamp_ns(m.header): m for m in of_topic(messages, "/odom")}
    assert set(extrinsics) == {"lidar_top", "cam_front", "cam_back"}
    assert {t.header.frame_id for t in static.transforms} == {"base_link"}
    for record in dataset.scene_records(SCENE):
        T_map_sensor = poses[record.stamp_ns] @ extrinsics[record.channel.lower()]
        np.testing.assert_allclose(T_map_sensor, record.T_global_sensor, atol=1e-9)
        message = odometry[record.stamp_ns]
        assert (message.header.frame_id, message.child_frame_id) == ("map", "base_link")
        np.testing.assert_allclose(
            matrix_from_pose(message.pose.pose), record.T_global_ego, atol=1e-9
        )
    assert quaternion_from_matrix(extrinsics["lidar_top"]).shape == (4,)


def test_ground_truth_has_the_stamp_and_count_of_its_cloud(dataset, tmp_path):
    write_scene_bag(dataset, SCENE, tmp_path / "bag")
    messages = read_bag(tmp_path / "bag")
    clouds = {stamp_ns(m.header): m for m in of_topic(messages, "/lidar_top")}
    ground_truths = of_topic(messages, "/lidar_top/lidarseg")
    for index, ground_truth in enumerate(ground_truths):
        assert ground_truth.width == clouds[stamp_ns(ground_truth.header)].width
        assert [(f.name, f.offset, f.datatype) for f in ground_truth.fields] == [("label", 0, 2)]
        np.testing.assert_array_equal(ground_truth.data, dataset[index].keyframe.labels)


def test_ground_truth_is_written_only_if_asked_for(dataset, tmp_path):
    summary = write_scene_bag(dataset, SCENE, tmp_path / "bag", BagOptions(with_labels=False))
    assert summary.num_labelled_sweeps == 0
    assert not of_topic(read_bag(tmp_path / "bag"), "/lidar_top/lidarseg")


def test_offered_qos_is_stored_for_replay(dataset, tmp_path):
    write_scene_bag(dataset, SCENE, tmp_path / "bag")
    with Reader(tmp_path / "bag") as reader:
        qos = {c.topic: c.ext.offered_qos_profiles[0] for c in reader.connections}
    assert {profile.reliability for profile in qos.values()} == {QosReliability.RELIABLE}
    latched = [t for t, q in qos.items() if q.durability is QosDurability.TRANSIENT_LOCAL]
    assert latched == ["/tf_static"]


def test_chunks_are_compressed(dataset, tmp_path):
    write_scene_bag(dataset, SCENE, tmp_path / "bag")
    assert sorted(path.name for path in (tmp_path / "bag").iterdir()) == [
        "bag.mcap",
        "metadata.yaml",
    ]
    assert b"zstd" in (tmp_path / "bag" / "bag.mcap").read_bytes()


def test_sqlite3_holds_the_same_messages(dataset, tmp_path):
    write_scene_bag(dataset, SCENE, tmp_path / "mcap")
    write_scene_bag(dataset, SCENE, tmp_path / "sqlite3", BagOptions(storage="sqlite3"))
    assert (tmp_path / "sqlite3" / "sqlite3.db3").is_file()

    def raw_messages(path):
        with Reader(path) as reader:
            return [(c.topic, at_ns, bytes(raw)) for c, at_ns, raw in reader.messages()]

    assert sorted(raw_messages(tmp_path / "sqlite3")) == sorted(raw_messages(tmp_path / "mcap"))


def test_part_of_a_scene_is_cut_by_stamp(dataset, tmp_path):
    options = BagOptions(start_s=0.1, duration_s=0.2)
    summary = write_scene_bag(dataset, SCENE, tmp_path / "bag", options)
    assert summary.num_sweeps == 2  # 0.12 and 0.22 s after the first reading
    assert summary.num_images == 2  # 0.25 and 0.26 s


def test_sweep_rate_is_limited_but_keyframes_stay(dataset, tmp_path):
    summary = write_scene_bag(dataset, SCENE, tmp_path / "bag", BagOptions(max_sweep_rate_hz=5))
    stamps_ns = [stamp_ns(m.header) for m in of_topic(read_bag(tmp_path / "bag"), "/lidar_top")]
    after_ms = [(s - stamps_ns[0]) // 1_000_000 for s in stamps_ns]
    assert after_ms == [0, 200, 400, 500]
    assert summary.num_labelled_sweeps == 2


def test_empty_range_is_refused(dataset, tmp_path):
    with pytest.raises(BagError, match=r"lasts 0\.5 s and has no sweep from 9"):
        write_scene_bag(dataset, SCENE, tmp_path / "bag", BagOptions(start_s=9))


def test_unknown_scene_is_refused(dataset, tmp_path):
    with pytest.raises(DatasetError, match="scene-0001"):
        write_scene_bag(dataset, "scene-9999", tmp_path / "bag")


def test_existing_output_is_refused_and_kept(dataset, tmp_path):
    (tmp_path / "bag").mkdir()
    with pytest.raises(BagError, match="exists already"):
        write_scene_bag(dataset, SCENE, tmp_path / "bag")
    assert list((tmp_path / "bag").iterdir()) == []


def test_failed_run_leaves_nothing(dataset, tiny_nuscenes, tmp_path):
    shutil.rmtree(tiny_nuscenes / "sweeps" / "LIDAR_TOP")
    with pytest.raises(DatasetError, match="missing"):
        write_scene_bag(dataset, SCENE, tmp_path / "out" / "bag")
    assert list((tmp_path / "out").iterdir()) == []
