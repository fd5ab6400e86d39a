from __future__ import annotations

import pytest

from clip2scene_ros.sync.extrinsics import parse_frame_overrides


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
