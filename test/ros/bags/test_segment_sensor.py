"""`clip2scene segment` on clouds in another frame, with another intensity, or without any."""

from __future__ import annotations

import numpy as np
import pytest
import ros_messages
from fake_segmenter import FakeSegmenter
from small_bags import MS, START, field, read_topic, write_bag
from street_sweep import spin

from clip2scene_core.config.sections import InputConfig
from clip2scene_ros.cli.label import segment
from clip2scene_ros.cli.main import main

STREET = spin(1.84)


@pytest.fixture
def label(tmp_path, monkeypatch):
    """Run the command; give what the segmenter was shown and the labelled clouds."""

    def run(points, *arguments, frame="base_link", told="raw"):
        segmenter = FakeSegmenter()
        segmenter.input = InputConfig(intensity=told)
        monkeypatch.setattr(segment, "make_segmenter", lambda _: segmenter)
        static = ros_messages.transforms((START, "base_link", "lidar_top", (0.9, 0, 1.84)))
        messages = [("/tf_static", 0, static)]
        for ms in (0, 100):
            messages.append(("/points", ms, ros_messages.cloud(points, START + ms * MS, frame)))
        bag = write_bag(tmp_path / "bag", messages)
        command = ["segment", bag, "--out", tmp_path / "out", "--pose-source", "none", *arguments]
        assert main(list(map(str, command))) == 0
        return segmenter.sweeps, read_topic(tmp_path / "out", "/clip2scene/points")

    return run


@pytest.mark.parametrize("arguments", [(), ("--sensor-frame", "lidar_top")])
def test_a_cloud_in_base_link_is_seen_from_the_lidar_and_stays_where_it_was(
    label, capsys, arguments
):
    points = STREET + np.float32([0.9, 0, 1.84, 0])
    sweeps, clouds = label(points, *arguments)
    assert len(sweeps) == 2
    np.testing.assert_allclose(sweeps[0].points[:, :3], STREET[:, :3], atol=1e-5)
    for _, cloud in clouds:
        assert cloud.header.frame_id == "base_link"
        for column, name in enumerate("xyz"):
            np.testing.assert_array_equal(field(cloud, name), points[:, column])
    said = capsys.readouterr().err
    assert said.count("note: clouds are in base_link, which is no sensor's frame") == (
        not arguments
    )


@pytest.mark.parametrize(
    ("largest", "arguments", "said"),
    [
        (1000, (), "note: intensity reaches 1000, and --intensity-scale auto took 4095"),
        (1000, ("--intensity-scale", "1000"), ""),
        (255, ("--intensity-scale", "1"), "beyond --intensity-scale 1: give the sensor's largest"),
        (1, ("--intensity-scale", "255"), "note: intensity reaches 1, far below"),
    ],
)
def test_a_scale_that_may_be_wrong_is_said_to_students_that_mind(
    label, capsys, largest, arguments, said
):
    points = STREET.copy()
    points[:, 3] *= largest / points[:, 3].max()
    label(points, *arguments, frame="lidar_top")
    error = capsys.readouterr().err
    assert said in error
    assert ("intensity" in error) == bool(said)


def test_students_that_are_told_ranks_do_not_mind(label, capsys):
    points = STREET.copy()
    points[:, 3] *= 1000 / points[:, 3].max()
    label(points, frame="lidar_top", told="rank")
    assert "intensity" not in capsys.readouterr().err


def test_another_field_is_taken_and_none_is_said(label, capsys):
    layout = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("reflectivity", "<u2")]
    points = np.zeros(len(STREET), layout)
    for column, name in enumerate("xyz"):
        points[name] = STREET[:, column]
    points["reflectivity"] = np.arange(len(STREET)) % 256
    sweeps, clouds = label(points, "--intensity-field", "reflectivity", frame="lidar_top")
    assert sweeps[0].points[:, 3].max() == 1
    np.testing.assert_allclose(field(clouds[0][1], "intensity"), points["reflectivity"])
    assert "intensity" not in capsys.readouterr().err


def test_a_cloud_without_intensity_is_said(label, capsys):
    sweeps, _ = label(STREET[:, :3].copy(), frame="lidar_top")
    assert (sweeps[0].points[:, 3] == 0).all()
    assert "note: the cloud has no intensity among x, y, z: it counts" in capsys.readouterr().err
