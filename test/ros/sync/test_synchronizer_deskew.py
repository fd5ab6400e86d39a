"""Points put to where they were at the stamp of their sweep."""

from __future__ import annotations

import numpy as np
from synchronizer_inputs import (
    MS,
    START,
    kinds,
    make_synchronizer,
    next_sweep,
    send_cloud,
    send_pose,
    send_timed_cloud,
)

from clip2scene_ros.sync.sweeps import RejectionKind


def test_deskewed_points_are_where_they_were_at_the_stamp_and_the_sent_ones_stay():
    synchronizer = make_synchronizer(deskew=True)
    for at_ms in (0, 100, 200):
        send_pose(synchronizer, at_ms, x=at_ms / 100)  # 10 m/s
    send_timed_cloud(synchronizer, 100, [-0.05, 0.0, 0.05])
    synchronized = next_sweep(synchronizer, 200)
    np.testing.assert_allclose(synchronized.sweep.points[:, 0], [9.5, 10, 10.5], atol=1e-6)
    np.testing.assert_array_equal(synchronized.points[:, 0], [10, 10, 10])
    np.testing.assert_allclose(synchronized.sweep.T_global_lidar[:3, 3], [1, 0, 2])


def test_deskew_follows_the_poses_between_a_sweeps_ends():
    synchronizer = make_synchronizer(deskew=True)
    for at_ms, x in ((0, 0.0), (50, 1.0), (100, 1.0)):  # it drives, then it stands
        send_pose(synchronizer, at_ms, x=x)
    send_timed_cloud(synchronizer, 0, [0.0, 0.025, 0.07, 0.09])
    points = next_sweep(synchronizer, 100).sweep.points
    np.testing.assert_allclose(points[:, 0], [10, 10.5, 11, 11], atol=1e-6)


def test_deskew_waits_for_the_pose_at_the_end_of_the_sweep():
    synchronizer = make_synchronizer(deskew=True, pose_wait_s=0.2)
    send_pose(synchronizer, 0)
    send_pose(synchronizer, 50)
    send_timed_cloud(synchronizer, 0, [0.0, 0.09])
    assert next_sweep(synchronizer, 150) is None
    send_pose(synchronizer, 100)
    assert next_sweep(synchronizer, 160) is not None
    send_timed_cloud(synchronizer, 100, [0.0, 0.09])
    assert next_sweep(synchronizer, 301) is None
    assert kinds(synchronizer) == [RejectionKind.NO_POSE]


def test_deskew_of_a_sweep_that_began_before_the_first_pose_is_no_sweep():
    synchronizer = make_synchronizer(deskew=True)
    for at_ms in (0, 50):
        send_pose(synchronizer, at_ms)
    send_timed_cloud(synchronizer, 0, [-0.05, 0.0])
    assert next_sweep(synchronizer, 50) is None
    assert kinds(synchronizer) == [RejectionKind.NO_POSE]


def test_deskew_refuses_a_cloud_without_times_and_takes_the_next_one():
    synchronizer = make_synchronizer(deskew=True)
    for at_ms in (0, 50, 100):
        send_pose(synchronizer, at_ms)
    send_cloud(synchronizer, 0)
    send_timed_cloud(synchronizer, 50, [0.0, 0.04])
    assert next_sweep(synchronizer, 100).sweep.stamp_ns == START + 50 * MS
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.BAD_CLOUD
    assert rejection.reason.startswith("/lidar_top at 1.000000: cloud has no time per point")


def test_an_empty_cloud_is_deskewed_to_an_empty_one():
    synchronizer = make_synchronizer(deskew=True)
    send_pose(synchronizer, 0)
    send_timed_cloud(synchronizer, 0, [])
    assert next_sweep(synchronizer, 0).sweep.points.shape == (0, 4)
