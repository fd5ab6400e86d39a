"""When the sensors fire, and where they are."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.world.sensors.sensor_rig import RIG_CAMERAS, RIG_LIDAR, firings, misaligned


def test_cameras_fire_as_the_lidar_sweeps_across_them():
    offsets_ms = {sensor.channel: 1000 * sensor.offset_s for sensor in RIG_CAMERAS}
    order = ["CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK",
             "CAM_BACK_LEFT"]  # fmt: skip
    assert sorted(offsets_ms, key=offsets_ms.__getitem__) == order
    # A quarter of a turn after its start on the left, the LiDAR looks forward.
    assert offsets_ms["CAM_FRONT"] == pytest.approx(-37.5)


def test_two_seconds_hold_four_keyframes_and_every_frame_between():
    sweeps = firings(RIG_LIDAR, 2.0, 2, is_every_frame=True)
    images = firings(RIG_CAMERAS[0], 2.0, 2, is_every_frame=True)
    assert len(sweeps) == 42
    assert len(images) == 24
    assert sum(firing.is_keyframe for firing in sweeps) == 4
    assert sum(firing.is_keyframe for firing in images) == 4


def test_keyframes_alone_bring_their_previous_sweeps():
    sweeps = firings(RIG_LIDAR, 1.0, 2, is_every_frame=False)
    assert [round(firing.seconds * 20) for firing in sweeps] == [-2, -1, 0, 8, 9, 10]
    assert [firing.keyframe_index for firing in sweeps] == [0, 0, 0, 1, 1, 1]


def test_misaligned_sensor_is_turned_and_shifted_in_its_own_frame():
    sensor = RIG_CAMERAS[2]
    moved = misaligned(sensor, 0.0, 0.5, np.random.default_rng(0))
    np.testing.assert_array_equal(moved.T_ego_sensor[:3, :3], sensor.T_ego_sensor[:3, :3])
    origin = transform_points(moved.T_ego_sensor, np.zeros((1, 3)))[0]
    assert np.linalg.norm(origin - sensor.T_ego_sensor[:3, 3]) == pytest.approx(0.5)
    assert moved.intrinsics((28, 50)).tolist() == sensor.intrinsics((28, 50)).tolist()
