"""Extrinsics files, and frames in place of the headers'."""

from __future__ import annotations

import numpy as np
import pytest

from clip2scene_core.geometry.se3 import matrix_from_quaternion
from clip2scene_ros.sync.extrinsics import (
    ExtrinsicsError,
    StaticTransform,
    load_extrinsics,
    parse_frame_overrides,
    save_extrinsics,
)


def test_saved_extrinsics_are_read_back(tmp_path):
    T_base_lidar = matrix_from_quaternion((0.5, -0.5, 0.5, 0.5), (0.9, 0.0, 1.8))
    path = tmp_path / "extrinsics.yaml"
    save_extrinsics(path, [StaticTransform("base_link", "lidar_top", T_base_lidar)])
    (transform,) = load_extrinsics(path)
    assert (transform.parent, transform.child) == ("base_link", "lidar_top")
    np.testing.assert_allclose(transform.T_parent_child, T_base_lidar, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("transforms: {", "not valid YAML"),
        ("cameras: []", "one key 'transforms'"),
        ("transforms: []", "one key 'transforms'"),
        ("transforms: [{parent: a, child: b}]", "transform 0 must have exactly parent, child"),
        (
            "transforms: [{parent: a, child: b, translation: [1], rotation_xyzw: [0, 0, 0, 1]}]",
            "translation of 3 numbers",
        ),
        (
            "transforms: [{parent: a, child: b, translation: [1, 2, 3], rotation_xyzw: "
            "[0, 0, 0, 0]}]",
            "quaternion of 4",
        ),
    ],
)
def test_unusable_file_is_refused(tmp_path, text, reason):
    path = tmp_path / "extrinsics.yaml"
    path.write_text(text)
    with pytest.raises(ExtrinsicsError, match=reason):
        load_extrinsics(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ExtrinsicsError, match="cannot be read"):
        load_extrinsics(tmp_path / "none.yaml")


def test_points_and_cameras_are_named_one_by_one():
    frames = parse_frame_overrides(["points=velodyne", "front=front_optical"], ["front", "back"])
    assert frames == {"points": "velodyne", "front": "front_optical"}


def test_a_template_stands_for_every_camera():
    frames = parse_frame_overrides(["{camera}={camera}_optical"], ["front", "back"])
    assert frames == {"front": "front_optical", "back": "back_optical"}


def test_nothing_overrides_nothing():
    assert parse_frame_overrides([], ["front"]) == {}


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (["front"], "NAME=FRAME, got 'front'"),
        (["front="], "NAME=FRAME, got 'front='"),
        (["top=x"], "'top=x' names neither points nor a camera; cameras are front, back"),
        (["front=a", "{camera}={camera}"], "names front a second time"),
    ],
)
def test_what_cannot_be_meant_is_refused(texts, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_frame_overrides(texts, ["front", "back"])
