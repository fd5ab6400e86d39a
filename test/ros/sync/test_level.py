"""How the LiDAR sits on the robot reaches the sweep, wherever the transform tree has it from."""

from __future__ import annotations

import math

import numpy as np
import pytest
import ros_messages
from synchronizer_inputs import (
    MS,
    START,
    kinds,
    make_synchronizer,
    next_sweep,
    send_cloud,
    send_pose,
)

from clip2scene_ros.sync.extrinsics import StaticTransform, save_extrinsics
from clip2scene_ros.sync.sweeps import RejectionKind

UPSIDE_DOWN = np.diag([1.0, -1, -1, 1])


def pitched(angle_deg):
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return np.array([[c, 0, s, 0], [0, 1, 0, 0], [-s, 0, c, 0], [0, 0, 0, 1.0]])


@pytest.fixture
def extrinsics_file(tmp_path):
    path = tmp_path / "extrinsics.yaml"
    edges = [("base_link", "mast", UPSIDE_DOWN), ("mast", "lidar_top", pitched(15))]
    save_extrinsics(path, [StaticTransform(*edge) for edge in edges])
    return path


@pytest.mark.parametrize("pose_source", ["tf", "none"])
def test_the_extrinsics_file_tells_how_the_lidar_sits(extrinsics_file, pose_source):
    synchronizer = make_synchronizer(
        has_extrinsics=False, extrinsics_file=extrinsics_file, pose_source=pose_source
    )
    send_pose(synchronizer, 0)
    send_cloud(synchronizer, 0)
    sweep = next_sweep(synchronizer, 0).sweep
    np.testing.assert_allclose(sweep.T_base_lidar, UPSIDE_DOWN @ pitched(15), atol=1e-12)


def test_a_cloud_of_an_unknown_frame_passes_without_poses():
    synchronizer = make_synchronizer(has_extrinsics=False, pose_source="none")
    send_cloud(synchronizer, 0)
    assert next_sweep(synchronizer, 0).sweep.T_base_lidar is None
    assert kinds(synchronizer) == []


def test_a_single_sweep_without_pose_knows_how_its_lidar_sits():
    synchronizer = make_synchronizer(on_missing_pose="single")
    send_cloud(synchronizer, 0)
    sweep = next_sweep(synchronizer, 0, is_last=True).sweep
    assert (sweep.is_located, sweep.T_base_lidar[2, 3]) == (False, 2.0)
    assert kinds(synchronizer) == [RejectionKind.NO_POSE]


def send_moving(synchronizer, at_ms, x):
    moving = ros_messages.transforms((START + at_ms * MS, "base_link", "lidar_top", (x, 0, 0)))
    synchronizer.on_tf(moving, is_static=False)


def test_a_lidar_that_moves_on_the_robot_is_looked_up_at_the_stamp():
    synchronizer = make_synchronizer(
        has_extrinsics=False, pose_source="none", rigid_extrinsics=False
    )
    send_moving(synchronizer, 0, x=0)
    send_cloud(synchronizer, 25)
    assert next_sweep(synchronizer, 25) is None  # the transform after the stamp may still come
    send_moving(synchronizer, 100, x=4)
    np.testing.assert_allclose(next_sweep(synchronizer, 100).sweep.T_base_lidar[:3, 3], [1, 0, 0])


def test_a_transform_that_stops_holds_no_cloud_up_for_longer_than_a_pose():
    synchronizer = make_synchronizer(
        has_extrinsics=False, pose_source="none", rigid_extrinsics=False, pose_wait_s=0.2
    )
    send_moving(synchronizer, 0, x=0)
    send_cloud(synchronizer, 25)
    assert next_sweep(synchronizer, 200) is None
    assert next_sweep(synchronizer, 300).sweep.T_base_lidar is None
