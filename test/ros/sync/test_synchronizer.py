"""Clouds, poses, extrinsics and stamps on their way to a sweep."""

from __future__ import annotations

import numpy as np
import pytest
import ros_messages
from synchronizer_inputs import (
    MS,
    POINTS,
    RIG_LIDAR,
    START,
    kinds,
    make_synchronizer,
    next_sweep,
    send_cloud,
    send_image,
    send_info,
    send_pose,
    send_timed_cloud,
)

from clip2scene_ros.sync.extrinsics import StaticTransform, save_extrinsics
from clip2scene_ros.sync.sweeps import RejectionKind, SyncOptions


def test_pose_is_interpolated_at_the_stamp_and_composed_with_the_extrinsics():
    synchronizer = make_synchronizer()
    send_pose(synchronizer, 0, x=10)
    send_cloud(synchronizer, 25)
    send_pose(synchronizer, 100, x=14)
    synchronized = next_sweep(synchronizer, 100)
    np.testing.assert_allclose(synchronized.sweep.T_global_lidar[:3, 3], [11, 0, 2])
    np.testing.assert_allclose(synchronized.sweep.points, [[1, 0, 0, 1], [0, 2, 0, 0]])
    assert synchronized.sweep.stamp_ns == START + 25 * MS
    assert synchronized.header.frame_id == "lidar_top"
    assert not synchronized.follows_time_jump
    assert kinds(synchronizer) == []


def test_cloud_waits_for_a_pose_at_or_after_its_stamp():
    synchronizer = make_synchronizer()
    send_pose(synchronizer, 0)
    send_cloud(synchronizer, 25)
    assert next_sweep(synchronizer, 30) is None
    send_pose(synchronizer, 50)
    assert next_sweep(synchronizer, 50) is not None


def test_a_single_sweep_comes_without_a_pose_if_asked_for():
    synchronizer = make_synchronizer(
        pose_wait_s=0.2, on_missing_pose="single", cameras=("cam_front",), deskew=True
    )
    send_info(synchronizer)
    send_pose(synchronizer, 0)
    send_cloud(synchronizer, 25)
    send_image(synchronizer, 25)
    assert next_sweep(synchronizer, 225) is None
    synchronized = next_sweep(synchronizer, 226)
    assert not synchronized.sweep.is_located
    assert synchronized.cameras == ()
    np.testing.assert_array_equal(synchronized.sweep.points, synchronized.points)
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.NO_POSE
    send_pose(synchronizer, 300)
    send_pose(synchronizer, 400)
    send_timed_cloud(synchronizer, 350, [0.0])
    assert next_sweep(synchronizer, 500).sweep.is_located


def test_a_single_sweep_comes_without_extrinsics_if_asked_for():
    synchronizer = make_synchronizer(has_extrinsics=False, on_missing_pose="single")
    send_pose(synchronizer, 0)
    send_cloud(synchronizer, 0)
    assert not next_sweep(synchronizer, 0, is_last=True).sweep.is_located
    assert kinds(synchronizer) == [RejectionKind.NO_EXTRINSICS]


def test_pose_is_never_extrapolated():
    synchronizer = make_synchronizer(pose_wait_s=0.2)
    send_pose(synchronizer, 0)
    send_cloud(synchronizer, 25)
    assert next_sweep(synchronizer, 226) is None
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.NO_POSE
    assert rejection.reason.startswith("/lidar_top at 1.025000: ")
    assert "map" in rejection.reason
    assert "base_link" in rejection.reason


def test_cloud_before_the_first_pose_does_not_hold_up_the_next():
    synchronizer = make_synchronizer()
    send_pose(synchronizer, 20)
    send_cloud(synchronizer, 10)
    send_cloud(synchronizer, 20)
    assert next_sweep(synchronizer, 20).sweep.stamp_ns == START + 20 * MS
    assert kinds(synchronizer) == [RejectionKind.NO_POSE]


def test_end_of_input_ends_the_wait_but_extrapolates_nothing():
    synchronizer = make_synchronizer(cameras=("cam_front",))
    send_info(synchronizer)
    send_pose(synchronizer, 0)
    send_pose(synchronizer, 25)
    send_image(synchronizer, 0)
    send_cloud(synchronizer, 25)
    send_cloud(synchronizer, 50)
    assert next_sweep(synchronizer, 50) is None
    assert len(next_sweep(synchronizer, 50, is_last=True).cameras) == 1
    assert next_sweep(synchronizer, 50, is_last=True) is None
    assert kinds(synchronizer) == [RejectionKind.NO_POSE]


def test_missing_extrinsics_of_the_lidar_are_named():
    synchronizer = make_synchronizer(has_extrinsics=False)
    send_pose(synchronizer, 0)
    send_cloud(synchronizer, 0)
    assert next_sweep(synchronizer, 0, is_last=True) is None
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.NO_EXTRINSICS
    assert "base_link" in rejection.reason
    assert "lidar_top" in rejection.reason


def test_extrinsics_from_a_file_take_the_place_of_tf(tmp_path):
    path = tmp_path / "extrinsics.yaml"
    T_base_lidar = np.eye(4)
    T_base_lidar[:3, 3] = RIG_LIDAR
    save_extrinsics(path, [StaticTransform("base_link", "lidar_top", T_base_lidar)])
    synchronizer = make_synchronizer(has_extrinsics=False, extrinsics_file=path)
    send_pose(synchronizer, 0, x=3)
    send_cloud(synchronizer, 0)
    T_fixed_lidar = next_sweep(synchronizer, 0).sweep.T_global_lidar
    np.testing.assert_allclose(T_fixed_lidar[:3, 3], [3, 0, 2])


def test_extrinsics_sent_on_moving_tf_count_as_rigid():
    synchronizer = make_synchronizer(has_extrinsics=False)
    extrinsics = ros_messages.transforms((START, "base_link", "lidar_top", RIG_LIDAR))
    synchronizer.on_tf(extrinsics, is_static=False)
    send_pose(synchronizer, 0)
    send_pose(synchronizer, 400)
    send_cloud(synchronizer, 350)
    assert next_sweep(synchronizer, 400) is not None


def test_extrinsics_that_moved_are_told_once_and_no_sweep_is_lost():
    synchronizer = make_synchronizer()
    for at_ms in (0, 50):
        send_pose(synchronizer, at_ms)
        send_cloud(synchronizer, at_ms)
    assert next_sweep(synchronizer, 0) is not None
    moved = ros_messages.transforms((0, "base_link", "lidar_top", (0.0, 0.0, 2.5)))
    synchronizer.on_tf(moved, is_static=True)
    assert next_sweep(synchronizer, 50).sweep.T_global_lidar[2, 3] == 2.5
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.EXTRINSICS_MOVED
    assert "base_link <- lidar_top moved by 500.0 mm" in rejection.reason
    assert synchronizer.take_rejections() == []


def test_extrinsics_that_are_not_rigid_are_waited_for_like_a_pose():
    synchronizer = make_synchronizer(has_extrinsics=False, rigid_extrinsics=False)

    def send_extrinsics(at_ms, x):
        extrinsics = (START + at_ms * MS, "base_link", "lidar_top", (x, 0, 2))
        synchronizer.on_tf(ros_messages.transforms(extrinsics), is_static=False)

    for at_ms in (0, 100):
        send_pose(synchronizer, at_ms)
    send_extrinsics(0, x=0.0)
    send_cloud(synchronizer, 50)
    assert next_sweep(synchronizer, 60) is None
    send_extrinsics(100, x=2.0)
    np.testing.assert_allclose(
        next_sweep(synchronizer, 100).sweep.T_global_lidar[:3, 3], [1.0, 0, 2]
    )


def test_odometry_in_other_frames_is_rejected_by_name():
    synchronizer = make_synchronizer(pose_source="odometry")
    synchronizer.on_odometry(ros_messages.odometry(START, "odom", "base_link", (5, 0, 0)))
    send_cloud(synchronizer, 0)
    assert next_sweep(synchronizer, 0, is_last=True) is None
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.NO_POSE
    assert "odometry is odom <- base_link, and fixed_frame is map" in rejection.reason


def test_odometry_gives_the_pose_and_tf_does_not():
    synchronizer = make_synchronizer(pose_source="odometry")
    send_pose(synchronizer, 0, x=99)
    synchronizer.on_odometry(ros_messages.odometry(START, "map", "base_link", (5, 0, 0)))
    send_cloud(synchronizer, 0)
    T_fixed_lidar = next_sweep(synchronizer, 0).sweep.T_global_lidar
    np.testing.assert_allclose(T_fixed_lidar[:3, 3], [5, 0, 2])


def test_without_pose_source_the_lidar_is_the_fixed_frame():
    synchronizer = make_synchronizer(pose_source="none", cameras=("cam_front",))
    send_info(synchronizer)
    send_image(synchronizer, 10)
    send_cloud(synchronizer, 0)
    synchronized = next_sweep(synchronizer, 10)
    np.testing.assert_array_equal(synchronized.sweep.T_global_lidar, np.eye(4))
    np.testing.assert_allclose(synchronized.cameras[0].T_global_camera[:3, 3], [1, 0, -0.5])


def test_a_cloud_without_a_frame_has_no_pose():
    synchronizer = make_synchronizer()
    send_pose(synchronizer, 0)
    synchronizer.on_cloud(ros_messages.cloud(POINTS, START, frame=""), START)
    assert next_sweep(synchronizer, 0, is_last=True) is None
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.NO_EXTRINSICS
    assert "names no frame; name it in frame_overrides" in rejection.reason


def test_zero_stamp_is_rejected_with_a_hint():
    synchronizer = make_synchronizer()
    synchronizer.on_cloud(ros_messages.cloud(POINTS, 0), START)
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.ZERO_STAMP
    assert "zero_stamp to 'arrival'" in rejection.reason


def test_zero_stamp_becomes_the_time_of_arrival_if_asked_for():
    synchronizer = make_synchronizer(zero_stamp="arrival")
    send_pose(synchronizer, 0)
    synchronizer.on_cloud(ros_messages.cloud(POINTS, 0), START)
    assert next_sweep(synchronizer, 0).sweep.stamp_ns == START


def test_bad_cloud_is_rejected_and_the_next_one_comes_through():
    synchronizer = make_synchronizer()
    send_pose(synchronizer, 0)
    send_pose(synchronizer, 10)
    send_cloud(synchronizer, 0, points=POINTS[:, :2])
    send_cloud(synchronizer, 10)
    assert next_sweep(synchronizer, 10).sweep.stamp_ns == START + 10 * MS
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.BAD_CLOUD
    assert "has no z" in rejection.reason


def test_empty_cloud_comes_through_empty():
    synchronizer = make_synchronizer()
    send_pose(synchronizer, 0)
    send_cloud(synchronizer, 0, points=POINTS[:0])
    assert next_sweep(synchronizer, 0).sweep.points.shape == (0, 4)


def test_backward_time_jump_clears_and_is_flagged_once():
    synchronizer = make_synchronizer()
    send_pose(synchronizer, 5000)
    send_cloud(synchronizer, 5000)
    assert not next_sweep(synchronizer, 5000).follows_time_jump
    send_pose(synchronizer, 0, x=1)
    send_pose(synchronizer, 50, x=2)
    assert kinds(synchronizer) == [RejectionKind.TIME_JUMP]
    send_cloud(synchronizer, 0)
    send_cloud(synchronizer, 50)
    first, second = next_sweep(synchronizer, 50), next_sweep(synchronizer, 50)
    assert first.follows_time_jump
    np.testing.assert_allclose(first.sweep.T_global_lidar[:3, 3], [1, 0, 2])
    assert not second.follows_time_jump
    assert kinds(synchronizer) == []


def test_offline_no_cloud_is_overtaken():
    synchronizer = make_synchronizer()
    for at_ms in (0, 50, 100):
        send_pose(synchronizer, at_ms)
        send_cloud(synchronizer, at_ms)
    stamps = [next_sweep(synchronizer, 100).sweep.stamp_ns - START for _ in range(3)]
    assert stamps == [0, 50 * MS, 100 * MS]


def test_live_the_newest_ready_cloud_wins_and_the_others_are_counted():
    synchronizer = make_synchronizer()
    for at_ms in (0, 50, 100):
        send_pose(synchronizer, at_ms)
        send_cloud(synchronizer, at_ms)
    send_cloud(synchronizer, 150)  # its pose is not known yet
    newest = synchronizer.newest_sweep(START + 150 * MS)
    assert newest.sweep.stamp_ns == START + 100 * MS
    assert kinds(synchronizer) == [RejectionKind.OVERTAKEN] * 2
    assert synchronizer.newest_sweep(START + 150 * MS) is None
    send_pose(synchronizer, 150)
    assert synchronizer.newest_sweep(START + 150 * MS).sweep.stamp_ns == START + 150 * MS


def test_live_clouds_faster_than_cameras_are_not_starved():
    synchronizer = make_synchronizer(cameras=("cam_front",))
    send_info(synchronizer)
    released = []
    for at_ms in range(0, 1000, 10):
        send_pose(synchronizer, at_ms)
        if at_ms % 80 == 0:
            send_image(synchronizer, at_ms)
        if at_ms % 50 == 0:
            send_cloud(synchronizer, at_ms)
        synchronized = synchronizer.newest_sweep(START + at_ms * MS)
        if synchronized is not None:
            released.append(synchronized)
    assert len(released) >= 11
    assert all(len(synchronized.cameras) == 1 for synchronized in released)


def test_zero_quaternion_is_rejected_and_not_used():
    synchronizer = make_synchronizer()
    message = ros_messages.transforms((START, "map", "base_link", (0, 0, 0)))
    message.transforms[0].transform.rotation.w = 0.0
    synchronizer.on_tf(message, is_static=False)
    assert kinds(synchronizer) == [RejectionKind.BAD_TRANSFORM]


def test_unknown_camera_and_option_are_refused():
    with pytest.raises(ValueError, match="no topics for cam_top; known cameras are cam_front"):
        make_synchronizer(cameras=("cam_top",))
    with pytest.raises(ValueError, match="pose_source must be one of tf, odometry, none"):
        SyncOptions(pose_source="gps")
    with pytest.raises(ValueError, match="on_missing_pose must be one of drop, single"):
        SyncOptions(on_missing_pose="identity")
    for name in ("tolerance_s", "max_wait_s", "pose_wait_s"):
        for value in (-1.0, float("nan")):
            with pytest.raises(ValueError, match="must be seconds, 0 or more"):
                SyncOptions(**{name: value})
    with pytest.raises(ValueError, match="tolerance_s must be finite"):
        SyncOptions(tolerance_s=float("inf"))
    assert SyncOptions(pose_wait_s=float("inf")).pose_wait_s > 1e9  # a bag is whole
    with pytest.raises(ValueError, match="deskew needs poses"):
        SyncOptions(pose_source="none", deskew=True)


def test_skipping_drops_what_is_ready_and_keeps_what_waits():
    synchronizer = make_synchronizer(pose_wait_s=5.0)
    send_pose(synchronizer, 0)
    send_cloud(synchronizer, 0)
    send_cloud(synchronizer, 50)  # no pose yet
    assert synchronizer.skip_newest(START + 50 * MS)
    assert not synchronizer.skip_newest(START + 50 * MS)
    send_pose(synchronizer, 50)
    assert synchronizer.newest_sweep(START + 50 * MS).sweep.stamp_ns == START + 50 * MS


def test_leading_slash_of_a_clouds_frame_does_not_count_and_is_not_passed_on():
    synchronizer = make_synchronizer(fixed_frame="/map", base_frame="/base_link")
    synchronizer.on_cloud(ros_messages.cloud(POINTS, START, "/lidar_top"), START)
    send_pose(synchronizer, 0, x=5)
    synchronized = next_sweep(synchronizer, 0)
    assert synchronized.header.frame_id == "lidar_top"
    assert synchronized.sweep.T_global_lidar[:3, 3].tolist() == [5, 0, 2]
    assert synchronizer.options.fixed_frame == "map"


@pytest.mark.parametrize("ahead_ms", [3_600_000, 2_000, -900])
def test_one_wrong_stamp_loses_one_cloud_and_forgets_nothing(ahead_ms):
    synchronizer = make_synchronizer(pose_wait_s=100.0)
    found = []
    for number in range(11):
        at_ms = 1000 + 100 * number
        send_pose(synchronizer, at_ms)
        send_cloud(synchronizer, at_ms + (ahead_ms if number == 5 else 0), now_ms=at_ms)
        while (synchronized := next_sweep(synchronizer, at_ms)) is not None:
            assert not synchronized.follows_time_jump
            found.append(synchronized.sweep.stamp_ns)
    assert found == [START + (1000 + 100 * n) * MS for n in range(11) if n != 5]
    assert kinds(synchronizer) == [RejectionKind.WRONG_STAMP]


@pytest.mark.parametrize("ahead_ms", [3_600_000, 2_000, -900])
def test_one_wrong_pose_loses_no_cloud(ahead_ms):
    synchronizer = make_synchronizer()
    places = []
    for number in range(11):
        at_ms = 1000 + 100 * number
        send_cloud(synchronizer, at_ms)
        send_pose(synchronizer, at_ms + (ahead_ms if number == 5 else 0), x=number)
        while (synchronized := next_sweep(synchronizer, at_ms)) is not None:
            places.append(synchronized.sweep.T_global_lidar[0, 3])
    np.testing.assert_allclose(places, range(11))
    assert kinds(synchronizer) == [RejectionKind.WRONG_STAMP]
