"""`clip2scene segment` on bags as others write them: every sweep at its true pose."""

from __future__ import annotations

from dataclasses import fields

import foreign_bags
import numpy as np
import pytest
import yaml
from checkout import ROOT
from fake_segmenter import FakeSegmenter
from rosbags.rosbag2 import StoragePlugin

from clip2scene_core.datasets.nuscenes import NuScenesDataset, read_points
from clip2scene_core.sample import PINHOLE, Lens
from clip2scene_ros.bags.from_dataset import write_scene_bag
from clip2scene_ros.bags.profile import choose_bag_profile
from clip2scene_ros.cli.label import segment
from clip2scene_ros.cli.main import main
from clip2scene_ros.sync.sweeps import SyncOptions
from clip2scene_ros.sync.topics import PROFILES

SCENE = "scene-0001"


@pytest.fixture
def dataset(tiny_nuscenes):
    return NuScenesDataset(tiny_nuscenes)


@pytest.fixture
def records(dataset):
    return list(dataset.scene_records(SCENE))


@pytest.fixture
def label(tmp_path, monkeypatch):
    """Run the command with a segmenter that keeps what it was given."""

    def run(bag, *arguments, mode="fused"):
        segmenter = FakeSegmenter()
        monkeypatch.setattr(segment, "make_segmenter", lambda _: segmenter)
        command = ["segment", bag, "--out", tmp_path / "labelled", "--mode", mode, *arguments]
        assert main(list(map(str, command))) == 0
        return segmenter

    return run


def assert_true(segmenter, records, num_sweeps=6):
    """Every sweep and every camera view has the data set's points and pose."""
    sensors = {(r.modality, r.stamp_ns): r for r in records}
    assert len(segmenter.sweeps) == num_sweeps
    for sweep in segmenter.sweeps:
        record = sensors["lidar", sweep.stamp_ns]
        np.testing.assert_allclose(sweep.T_global_lidar, record.T_global_sensor, atol=1e-6)
        points = read_points(record.path)[:, :4] / np.float32([1, 1, 1, 255])
        np.testing.assert_allclose(sweep.points, points, rtol=1e-5)
    for view in [view for views in segmenter.cameras for view in views]:
        record = sensors["camera", view.stamp_ns]
        np.testing.assert_allclose(view.T_global_camera, record.T_global_sensor, atol=1e-6)
        np.testing.assert_allclose(view.intrinsics, record.intrinsics)
        assert view.image.shape == (32, 56, 3)


def names_of_views(segmenter):
    return [[view.name for view in views] for views in segmenter.cameras]


def test_our_converters_bag(dataset, records, tmp_path, label):
    write_scene_bag(dataset, SCENE, tmp_path / "bag")
    assert choose_bag_profile(tmp_path / "bag").name == "nuscenes"
    segmenter = label(tmp_path / "bag")
    assert_true(segmenter, records)
    assert ["cam_front", "cam_back"] in names_of_views(segmenter)


def test_nuscenes_to_ros2bags_bag(records, tmp_path, label):
    messages = foreign_bags.nuscenes_ros2bag(records)
    bag = foreign_bags.write(tmp_path / "bag", messages, StoragePlugin.MCAP)
    assert choose_bag_profile(bag).name == "nuscenes_ros2bag"
    segmenter = label(bag)
    # The poses between the keyframes are interpolated; the car drives straight.
    assert_true(segmenter, records)
    # The first pictures are older than the first pose.
    assert names_of_views(segmenter)[0] == []
    assert ["cam_front", "cam_back"] in names_of_views(segmenter)


def test_nuscenes2bags_bag_after_conversion(records, tmp_path, label):
    old = foreign_bags.write(tmp_path / "old", foreign_bags.nuscenes2bag(records))
    bag = foreign_bags.through_ros1(old, tmp_path / "bag")
    assert choose_bag_profile(bag).name == "nuscenes2bag"
    assert_true(label(bag, mode="lidar"), records)


def test_the_port_of_nuscenes2bag_without_stamps(records, tmp_path, label):
    messages = foreign_bags.nuscenes2bag(records, is_port=True)
    bag = foreign_bags.write(tmp_path / "bag", messages)
    assert_true(label(bag, mode="lidar"), records)


def test_kitti2bags_bag_after_conversion(records, tmp_path, label):
    old = foreign_bags.write(tmp_path / "old", foreign_bags.kitti2bag(records))
    bag = foreign_bags.through_ros1(old, tmp_path / "bag")
    assert choose_bag_profile(bag).name == "kitti"
    segmenter = label(bag)
    assert_true(segmenter, records)
    assert ["kitti/camera_color_left"] in names_of_views(segmenter)


@pytest.mark.parametrize(
    ("arguments", "lens"),
    [
        ((), Lens("brown", foreign_bags.KITTI_DISTORTION)),
        (("--image-kind", "rectified"), PINHOLE),
    ],
)
def test_raw_images_of_a_robot_keep_their_lens(records, tmp_path, label, arguments, lens):
    messages = foreign_bags.robot(records)
    for topic, _, message in messages:
        if topic.endswith("/camera_info"):
            message.d = np.array(foreign_bags.KITTI_DISTORTION)
    segmenter = label(
        foreign_bags.write(tmp_path / "bag", messages), "--fixed-frame", "odom", *arguments
    )
    views = [view for views in segmenter.cameras for view in views]
    assert {view.lens for view in views} == {lens}
    assert {view.name for view in views} == {"front", "rear"}


def test_a_robots_bag(records, tmp_path, label):
    bag = foreign_bags.write(tmp_path / "bag", foreign_bags.robot(records))
    assert choose_bag_profile(bag).name == "robot"
    segmenter = label(bag, "--fixed-frame", "odom")
    assert_true(segmenter, records)
    assert ["front", "rear"] in names_of_views(segmenter)


def test_what_is_typed_wins_over_the_layout(records, tmp_path, label):
    bag = foreign_bags.write(tmp_path / "bag", foreign_bags.kitti2bag(records))
    segmenter = label(bag, "--intensity-scale", "0.5", mode="lidar")
    intensities = read_points(records[2].path)[:, 3] / 255 / 0.5
    np.testing.assert_allclose(segmenter.sweeps[0].points[:, 3], intensities, rtol=1e-5)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_what_a_layout_sets_are_options_and_parameters(profile):
    content = yaml.safe_load((ROOT / "config/segment_node.yaml").read_text())
    parameters = content["/**"]["ros__parameters"]
    assert set(profile.sync_options()) <= {field.name for field in fields(SyncOptions)}
    assert set(profile.sync_options()) <= set(parameters)
