"""A bag of a depth camera through a student that reads colors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import ros_messages
import torch
from fake_segmenter import FakeSegmenter
from small_bags import MS, START, field, read_topic, small_bag, write_bag

from clip2scene_core.checkpoint import load_checkpoint, save_checkpoint
from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.network.student import Student
from clip2scene_ros.bags.segment import segment_bag
from clip2scene_ros.cli.main import main

NETWORK = NetworkConfig("minkunet14", width=0.125, voxel_size_m=0.2, features=("color",))


@pytest.fixture
def weights(tiny_checkpoint, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "colored.safetensors"
    student = Student(NETWORK, 16).eval().requires_grad_(False)
    config = dataclasses.replace(tiny_checkpoint.config, network=NETWORK)
    save_checkpoint(path, dataclasses.replace(tiny_checkpoint, student=student, config=config))
    return path


def room_bag(folder, is_colored=True):
    generator = np.random.default_rng(0)
    array = np.zeros(300, dtype=[*((axis, "<f4") for axis in "xyz"), ("rgb", "<u4")])
    for axis in "xyz":
        array[axis] = generator.uniform(-1.2, 1.2, 300)  # nearer than a LiDAR's own vehicle
    array["rgb"] = generator.integers(0, 1 << 24, 300)
    if not is_colored:
        array = np.stack([array[axis] for axis in "xyz"], axis=1)
    others = [message for message in small_bag() if message[0] != "/lidar_top"]
    cloud = ros_messages.cloud(array, at_ns=START + 50 * MS)
    bag = write_bag(folder / "bag", [*others, ("/lidar_top", 50, cloud)])
    colors = (array["rgb"][:, None] >> np.array([16, 8, 0])) & 255 if is_colored else None
    return bag, array, colors


def test_colors_reach_the_student(weights, tmp_path, capsys):
    bag, array, colors = room_bag(tmp_path)
    command = ["segment", str(bag), "--out", str(tmp_path / "out"), "--weights", str(weights)]
    assert main(command) == 0
    assert "z of the clouds is taken as up" in capsys.readouterr().err
    ((_, labelled),) = read_topic(tmp_path / "out", "/clip2scene/points")
    points = np.zeros((300, 7), dtype=np.float32)
    points[:, :3] = np.stack([array[axis] for axis in "xyz"], axis=1)
    points[:, 4:] = colors / 255
    alone = Segmenter(load_checkpoint(weights), min_range_m=0, ego_radius_m=0)
    expected = alone.segment(points).labels
    np.testing.assert_array_equal(field(labelled, "label"), expected)
    assert (expected != 255).all()


def test_a_cloud_without_colors_is_said(weights, tmp_path, capsys):
    bag, _, _ = room_bag(tmp_path, is_colored=False)
    command = ["segment", str(bag), "--out", str(tmp_path / "out"), "--weights", str(weights)]
    assert main(command) == 1
    assert "cloud has no color, which the student reads" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_others_do_not_read_colors(tmp_path):
    bag, _, _ = room_bag(tmp_path)
    segmenter = FakeSegmenter()
    segment_bag(bag, tmp_path / "out", segmenter)
    assert [sweep.points.shape for sweep in segmenter.sweeps] == [(300, 4)]
