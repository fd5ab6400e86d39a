"""A bag through the segmenter: what comes out of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import ros_messages
from checkout import SHARED_DATA
from fake_segmenter import FakeSegmenter, quadrants
from rosbags.rosbag2 import CompressionMode, Reader, StoragePlugin
from small_bags import MS, START, field, read_raw, read_topic, small_bag, write_bag

from clip2scene_core.datasets.nuscenes import NuScenesDataset, read_points
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_ros.bags.from_dataset import write_scene_bag
from clip2scene_ros.bags.segment import PromptChange, ReplayOptions, segment_bag
from clip2scene_ros.messages.decode import points_from_cloud, stamp_ns
from clip2scene_ros.sync.sweeps import SyncOptions

REAL_BAG = SHARED_DATA / "nuscenes_keyframe_bag"


def test_every_cloud_is_labelled_in_its_own_order(scene_bag, tmp_path):
    segmenter = FakeSegmenter()
    summary = segment_bag(scene_bag, tmp_path / "out", segmenter)
    assert (summary.num_clouds, summary.num_labelled, summary.num_points) == (6, 6, 6 * 48)
    assert summary.rejections == {}
    assert summary.latency_p95_ms >= summary.latency_median_ms > 0
    assert summary.sweeps_per_second == pytest.approx(6 / summary.seconds)
    inputs = read_topic(scene_bag, "/lidar_top")
    outputs = read_topic(tmp_path / "out", "/clip2scene/points")
    for (_, cloud), (_, labelled) in zip(inputs, outputs, strict=True):
        assert labelled.header == cloud.header
        points = points_from_cloud(cloud)
        np.testing.assert_allclose(points_from_cloud(labelled), points, rtol=1e-6)
        np.testing.assert_array_equal(field(labelled, "label"), quadrants(points))


def test_deskewed_points_are_labelled_and_the_sent_ones_are_written(tiny_nuscenes, tmp_path):
    dataset = NuScenesDataset(tiny_nuscenes)
    times_s = np.linspace(-0.05, 0, 48, dtype=np.float32)
    (tiny_nuscenes / "lidar_times").mkdir()
    for record in dataset.scene_records("scene-0001"):
        if record.modality == "lidar":
            times_s.tofile(tiny_nuscenes / "lidar_times" / f"{record.token}.bin")
    write_scene_bag(dataset, "scene-0001", tmp_path / "bag")
    options = ReplayOptions(sync=SyncOptions(deskew=True))
    segmenter = FakeSegmenter()
    summary = segment_bag(tmp_path / "bag", tmp_path / "out", segmenter, options)
    # No pose is known when the first sweep begins.
    assert (summary.num_labelled, summary.rejections) == (5, {"no pose": 1})
    inputs = read_topic(tmp_path / "bag", "/lidar_top")[1:]
    outputs = read_topic(tmp_path / "out", "/clip2scene/points")
    for (_, cloud), (_, labelled), sweep in zip(inputs, outputs, segmenter.sweeps, strict=True):
        points = points_from_cloud(cloud)
        np.testing.assert_allclose(points_from_cloud(labelled), points, rtol=1e-6)
        # 10 m/s along the LiDAR's y: what is 50 ms old was seen from half a metre farther back.
        np.testing.assert_allclose(sweep.points[:, 1], points[:, 1] + 10 * times_s, atol=1e-5)


def test_poses_are_the_data_sets(scene_bag, tiny_nuscenes, tmp_path):
    segmenter = FakeSegmenter()
    segment_bag(scene_bag, tmp_path / "out", segmenter, ReplayOptions(with_cameras=True))
    records = {r.stamp_ns: r for r in NuScenesDataset(tiny_nuscenes).scene_records("scene-0001")}
    for sweep, cameras in zip(segmenter.sweeps, segmenter.cameras, strict=True):
        T_global_lidar = records[sweep.stamp_ns].T_global_sensor
        np.testing.assert_allclose(sweep.T_global_lidar, T_global_lidar, atol=1e-9)
        for view in cameras:
            T_global_camera = records[view.stamp_ns].T_global_sensor
            np.testing.assert_allclose(view.T_global_camera, T_global_camera, atol=1e-9)
    # Sweeps at 0, 200 and 500 ms are within 60 ms of pictures, the one at 300 ms of cam_back's.
    names = [[view.name for view in cameras] for cameras in segmenter.cameras]
    both = ["cam_front", "cam_back"]
    assert names == [both, [], both, ["cam_back"], [], both]


def test_input_topics_are_copied_byte_for_byte(scene_bag, tmp_path):
    segment_bag(scene_bag, tmp_path / "out", FakeSegmenter())
    copied = [m for m in read_raw(tmp_path / "out") if not m[0].startswith("/clip2scene/")]
    assert sorted(copied) == sorted(read_raw(scene_bag))
    with Reader(scene_bag) as before, Reader(tmp_path / "out") as after:
        kept = {c.topic: c for c in after.connections}
        for connection in before.connections:
            assert kept[connection.topic].ext == connection.ext
            assert kept[connection.topic].msgdef == connection.msgdef


def test_unlabelled_points_are_grey_and_the_cloud_is_not_dense(tmp_path):
    bag = write_bag(tmp_path / "bag", small_bag())
    segment_bag(bag, tmp_path / "out", FakeSegmenter())
    (_, first), _ = read_topic(tmp_path / "out", "/clip2scene/points")
    np.testing.assert_array_equal(field(first, "label"), [0, 1, 2, 65535])
    np.testing.assert_array_equal(field(first, "confidence"), [0.75, 0.75, 0.75, 0])
    assert not first.is_dense
    assert first.point_step == 28


def test_map_is_in_the_fixed_frame_and_ends_the_bag(tmp_path):
    bag = write_bag(tmp_path / "bag", small_bag(at_ms=(0, 400, 800, 1200), num_poses=4))
    segment_bag(bag, tmp_path / "out", FakeSegmenter())
    maps = read_topic(tmp_path / "out", "/clip2scene/map")
    assert [(at_ns - START) // MS for at_ns, _ in maps] == [0, 1200, 1200]
    last = maps[-1][1]
    assert last.header.frame_id == "map"
    assert stamp_ns(last.header) == START + 1200 * MS
    # 4 sweeps at x = 0, 10, 20 and 30 m, each with points at x -1 and +1, z = 2 m.
    assert set(np.round(field(last, "x"))) == {-1, 1, 9, 11, 19, 21, 29, 31}
    assert set(np.round(field(last, "z"))) == {2}


def test_prompts_change_at_their_time(tmp_path):
    bag = write_bag(tmp_path / "bag", small_bag(at_ms=(0, 100, 200, 300), num_poses=4))
    segmenter = FakeSegmenter()
    prompts = ["tram", "kerb", "sky", "person"]
    options = ReplayOptions(prompt_changes=[PromptChange(0.2, prompts)])
    segment_bag(bag, tmp_path / "out", segmenter, options)
    legends = [
        (at_ns, json.loads(m.data))
        for at_ns, m in read_topic(tmp_path / "out", "/clip2scene/legend")
    ]
    assert [(at_ns - START) // MS for at_ns, _ in legends] == [0, 200]
    assert [legend["version"] for _, legend in legends] == [1, 2]
    assert [entry["name"] for entry in legends[1][1]["classes"]] == prompts
    pictures = [image for _, image in read_topic(tmp_path / "out", "/clip2scene/legend_image")]
    assert [stamp_ns(image.header) for image in pictures] == [START, START + 200 * MS]
    assert pictures[0].data.size == 3 * pictures[0].width * pictures[0].height
    assert not np.array_equal(pictures[0].data, pictures[1].data)
    points = read_topic(tmp_path / "out", "/clip2scene/points")
    colors = [float(field(cloud, "rgb")[0]) for _, cloud in points]
    assert colors[0] == colors[1] != colors[2] == colors[3]


def test_end_of_the_bag_releases_what_waits_without_extrapolating(tmp_path):
    bag = write_bag(tmp_path / "bag", small_bag(at_ms=(0, 100, 150), num_poses=2))
    summary = segment_bag(bag, tmp_path / "out", FakeSegmenter())
    assert (summary.num_clouds, summary.num_labelled) == (3, 2)
    assert summary.rejections == {"no pose": 1}
    assert "/lidar_top at 5.150000" in summary.reasons["no pose"]


def test_time_jump_resets_the_segmenter(tmp_path):
    bag = write_bag(tmp_path / "bag", small_bag(at_ms=(0, 100)))
    looped = small_bag(at_ms=(0, 100))
    later = [(topic, ms + 5000, message) for topic, ms, message in small_bag(at_ms=(9000, 9100))]
    bag = write_bag(
        tmp_path / "looped", later + [(topic, ms + 20000, message) for topic, ms, message in looped]
    )
    segmenter = FakeSegmenter()
    summary = segment_bag(bag, tmp_path / "out", segmenter)
    assert summary.num_labelled == 4
    assert segmenter.num_resets == 1
    assert summary.rejections == {"time jump": 1}


def test_odometry_replaces_tf(tmp_path):
    messages = [m for m in small_bag() if m[0] != "/tf"]
    for ms in (100, 0):
        odometry = ros_messages.odometry(START + ms * MS, "odom", "base_link", (ms, 0, 0))
        messages.insert(0, ("/odom", ms, odometry))
    bag = write_bag(tmp_path / "bag", messages)
    segmenter = FakeSegmenter()
    options = ReplayOptions(SyncOptions(fixed_frame="odom", pose_source="odometry"))
    segment_bag(bag, tmp_path / "out", segmenter, options)
    assert [sweep.T_global_lidar[0, 3] for sweep in segmenter.sweeps] == [0, 100]


def test_without_poses_there_is_no_map(tmp_path):
    bag = write_bag(tmp_path / "bag", [m for m in small_bag() if m[0] == "/lidar_top"])
    options = ReplayOptions(SyncOptions(pose_source="none"))
    assert segment_bag(bag, tmp_path / "out", FakeSegmenter(), options).num_labelled == 2
    assert read_topic(tmp_path / "out", "/clip2scene/map") == []


def test_output_can_be_segmented_again(scene_bag, tmp_path):
    segment_bag(scene_bag, tmp_path / "once", FakeSegmenter())
    segment_bag(tmp_path / "once", tmp_path / "twice", FakeSegmenter())
    once, twice = (read_topic(tmp_path / name, "/clip2scene/points") for name in ("once", "twice"))
    assert len(once) == len(twice) == 6


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        (StoragePlugin.SQLITE3, None),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
    ],
)
def test_other_storages_are_read(tmp_path, storage, compression):
    bag = write_bag(tmp_path / "bag", small_bag(), storage, compression)
    assert segment_bag(bag, tmp_path / "out", FakeSegmenter()).num_labelled == 2


@pytest.mark.parametrize("storage", [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_bare_file_is_read(tmp_path, storage):
    write_bag(tmp_path / "bag", small_bag(), storage)
    (file,) = (path for path in (tmp_path / "bag").iterdir() if path.name != "metadata.yaml")
    assert segment_bag(file, tmp_path / "out", FakeSegmenter()).num_labelled == 2
    assert len(read_topic(tmp_path / "out", "/lidar_top")) == 2


def test_progress_counts_messages(tmp_path):
    bag = write_bag(tmp_path / "bag", small_bag())
    steps = []
    segment_bag(
        bag,
        tmp_path / "out",
        FakeSegmenter(),
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_sweeps_without_camera_are_counted_where_one_is_needed(scene_bag, tmp_path):
    options = ReplayOptions(with_cameras=True)
    summary = segment_bag(scene_bag, tmp_path / "out", FakeSegmenter(needs_cameras=True), options)
    assert (summary.num_clouds, summary.num_labelled) == (6, 4)
    assert summary.rejections["no camera for a mode that needs one"] == 2


def test_real_keyframe_is_labelled_with_its_poses(tmp_path, real_keyframe):
    if not REAL_BAG.is_dir():
        pytest.skip("the real nuScenes keyframe's bag is not beside this repository")
    segmenter = FakeSegmenter()
    summary = segment_bag(REAL_BAG, tmp_path / "out", segmenter, ReplayOptions(with_cameras=True))
    assert (summary.num_clouds, summary.num_labelled, summary.num_points) == (1, 1, 34688)
    assert summary.rejections == {}
    ((_, labelled),) = read_topic(tmp_path / "out", "/clip2scene/points")
    record = next(
        r
        for r in NuScenesDataset(real_keyframe).scene_records("scene-0061")
        if r.modality == "lidar"
    )
    np.testing.assert_array_equal(
        points_from_cloud(labelled)[:, :3], read_points(record.path)[:, :3]
    )
    (sweep,) = segmenter.sweeps
    np.testing.assert_allclose(sweep.T_global_lidar, record.T_global_sensor, atol=1e-6)
    assert len(segmenter.cameras[0]) == 6


def test_without_a_map_none_is_written(tmp_path):
    """As with map.enabled: false in a parameter file of the node."""
    bag = write_bag(tmp_path / "bag", small_bag())
    segmenter = FakeSegmenter()
    segmenter.options, segmenter.map = OnlineOptions(map_enabled=False), None
    assert segment_bag(bag, tmp_path / "out", segmenter).num_labelled == 2
    assert len(read_topic(tmp_path / "out", "/clip2scene/points")) == 2
    assert read_topic(tmp_path / "out", "/clip2scene/map") == []
