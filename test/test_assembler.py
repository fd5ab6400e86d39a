from __future__ import annotations

import numpy as np
import pytest
import ros_messages

from clip2scene_ros.assembler import SweepAssembler
from clip2scene_ros.assembly import AssemblyOptions, RejectionKind
from clip2scene_ros.extrinsics import StaticTransform, save_extrinsics
from clip2scene_ros.profiles import NUSCENES

MS = 1_000_000
START = 1_000 * MS
POINTS = np.array([[1, 0, 0, 255], [0, 2, 0, 0]], dtype=np.float32)
LIDAR_MOUNT = (0.0, 0.0, 2.0)
CAMERA_MOUNT = (1.0, 0.0, 1.5)


def make_assembler(has_mounts=True, **options):
    assembler = SweepAssembler(AssemblyOptions(**options), NUSCENES)
    if has_mounts:
        assembler.on_tf(
            ros_messages.transforms(
                (0, "base_link", "lidar_top", LIDAR_MOUNT),
                (0, "base_link", "cam_front", CAMERA_MOUNT),
            ),
            is_static=True,
        )
    return assembler


def send_cloud(assembler, at_ms, now_ms=None, points=POINTS):
    at_ns = START + at_ms * MS
    now_ns = at_ns if now_ms is None else START + now_ms * MS
    assembler.on_cloud(ros_messages.cloud(points, at_ns), now_ns)


def send_pose(assembler, at_ms, x=0.0):
    """The base stands at x metres."""
    message = ros_messages.transforms((START + at_ms * MS, "map", "base_link", (x, 0, 0)))
    assembler.on_tf(message, is_static=False)


def send_image(assembler, at_ms, camera="cam_front", colour=(255, 0, 0)):
    at_ns = START + at_ms * MS
    message = ros_messages.compressed_image(ros_messages.jpeg(colour), at_ns, camera)
    assembler.on_image(camera, message, at_ns)


def send_info(assembler, camera="cam_front", **options):
    assembler.on_camera_info(camera, ros_messages.camera_info(frame=camera, **options))


def next_sweep(assembler, now_ms, is_last=False):
    return assembler.next_sweep(START + now_ms * MS, is_last)


def kinds(assembler):
    return [rejection.kind for rejection in assembler.take_rejections()]


def test_pose_is_interpolated_at_the_stamp_and_composed_with_the_mount():
    assembler = make_assembler()
    send_pose(assembler, 0, x=10)
    send_cloud(assembler, 25)
    send_pose(assembler, 100, x=14)
    assembled = next_sweep(assembler, 100)
    np.testing.assert_allclose(assembled.sweep.T_global_lidar[:3, 3], [11, 0, 2])
    np.testing.assert_allclose(assembled.sweep.points, [[1, 0, 0, 1], [0, 2, 0, 0]])
    assert assembled.sweep.stamp_ns == START + 25 * MS
    assert assembled.header.frame_id == "lidar_top"
    assert not assembled.follows_time_jump
    assert kinds(assembler) == []


def test_cloud_waits_for_a_pose_at_or_after_its_stamp():
    assembler = make_assembler()
    send_pose(assembler, 0)
    send_cloud(assembler, 25)
    assert next_sweep(assembler, 30) is None
    send_pose(assembler, 50)
    assert next_sweep(assembler, 50) is not None


def test_a_single_sweep_comes_without_a_pose_if_asked_for():
    assembler = make_assembler(
        pose_wait_s=0.2, on_missing_pose="single", cameras=("cam_front",), deskew=True
    )
    send_info(assembler)
    send_pose(assembler, 0)
    send_cloud(assembler, 25)
    send_image(assembler, 25)
    assert next_sweep(assembler, 225) is None
    assembled = next_sweep(assembler, 226)
    assert not assembled.sweep.is_located
    assert assembled.cameras == ()
    np.testing.assert_array_equal(assembled.sweep.points, assembled.points)
    (rejection,) = assembler.take_rejections()
    assert rejection.kind is RejectionKind.NO_POSE
    send_pose(assembler, 300)
    send_pose(assembler, 400)
    send_timed_cloud(assembler, 350, [0.0])
    assert next_sweep(assembler, 500).sweep.is_located


def test_a_single_sweep_comes_without_its_mount_if_asked_for():
    assembler = make_assembler(has_mounts=False, on_missing_pose="single")
    send_pose(assembler, 0)
    send_cloud(assembler, 0)
    assert not next_sweep(assembler, 0, is_last=True).sweep.is_located
    assert kinds(assembler) == [RejectionKind.NO_EXTRINSICS]


def test_pose_is_never_extrapolated():
    assembler = make_assembler(pose_wait_s=0.2)
    send_pose(assembler, 0)
    send_cloud(assembler, 25)
    assert next_sweep(assembler, 226) is None
    (rejection,) = assembler.take_rejections()
    assert rejection.kind is RejectionKind.NO_POSE
    assert rejection.reason.startswith("/lidar_top at 1.025000: ")
    assert "map" in rejection.reason
    assert "base_link" in rejection.reason


def test_cloud_before_the_first_pose_does_not_hold_up_the_next():
    assembler = make_assembler()
    send_pose(assembler, 20)
    send_cloud(assembler, 10)
    send_cloud(assembler, 20)
    assert next_sweep(assembler, 20).sweep.stamp_ns == START + 20 * MS
    assert kinds(assembler) == [RejectionKind.NO_POSE]


def test_end_of_input_ends_the_wait_but_extrapolates_nothing():
    assembler = make_assembler(cameras=("cam_front",))
    send_info(assembler)
    send_pose(assembler, 0)
    send_pose(assembler, 25)
    send_image(assembler, 0)
    send_cloud(assembler, 25)
    send_cloud(assembler, 50)
    assert next_sweep(assembler, 50) is None
    assert len(next_sweep(assembler, 50, is_last=True).cameras) == 1
    assert next_sweep(assembler, 50, is_last=True) is None
    assert kinds(assembler) == [RejectionKind.NO_POSE]


def test_missing_mount_of_the_lidar_is_named():
    assembler = make_assembler(has_mounts=False)
    send_pose(assembler, 0)
    send_cloud(assembler, 0)
    assert next_sweep(assembler, 0, is_last=True) is None
    (rejection,) = assembler.take_rejections()
    assert rejection.kind is RejectionKind.NO_EXTRINSICS
    assert "base_link" in rejection.reason
    assert "lidar_top" in rejection.reason


def test_mount_from_a_file_takes_the_place_of_tf(tmp_path):
    path = tmp_path / "extrinsics.yaml"
    T_base_lidar = np.eye(4)
    T_base_lidar[:3, 3] = LIDAR_MOUNT
    save_extrinsics(path, [StaticTransform("base_link", "lidar_top", T_base_lidar)])
    assembler = make_assembler(has_mounts=False, extrinsics_file=path)
    send_pose(assembler, 0, x=3)
    send_cloud(assembler, 0)
    T_fixed_lidar = next_sweep(assembler, 0).sweep.T_global_lidar
    np.testing.assert_allclose(T_fixed_lidar[:3, 3], [3, 0, 2])


def test_mounts_sent_on_moving_tf_count_as_rigid():
    assembler = make_assembler(has_mounts=False)
    mount = ros_messages.transforms((START, "base_link", "lidar_top", LIDAR_MOUNT))
    assembler.on_tf(mount, is_static=False)
    send_pose(assembler, 0)
    send_pose(assembler, 400)
    send_cloud(assembler, 350)
    assert next_sweep(assembler, 400) is not None


def test_a_mount_that_moved_is_told_once_and_no_sweep_is_lost():
    assembler = make_assembler()
    for at_ms in (0, 50):
        send_pose(assembler, at_ms)
        send_cloud(assembler, at_ms)
    assert next_sweep(assembler, 0) is not None
    moved = ros_messages.transforms((0, "base_link", "lidar_top", (0.0, 0.0, 2.5)))
    assembler.on_tf(moved, is_static=True)
    assert next_sweep(assembler, 50).sweep.T_global_lidar[2, 3] == 2.5
    (rejection,) = assembler.take_rejections()
    assert rejection.kind is RejectionKind.EXTRINSICS_MOVED
    assert "base_link <- lidar_top moved by 500.0 mm" in rejection.reason
    assert assembler.take_rejections() == []


def test_a_mount_that_is_not_rigid_is_waited_for_like_a_pose():
    assembler = make_assembler(has_mounts=False, rigid_extrinsics=False)

    def send_mount(at_ms, x):
        mount = (START + at_ms * MS, "base_link", "lidar_top", (x, 0, 2))
        assembler.on_tf(ros_messages.transforms(mount), is_static=False)

    for at_ms in (0, 100):
        send_pose(assembler, at_ms)
    send_mount(0, x=0.0)
    send_cloud(assembler, 50)
    assert next_sweep(assembler, 60) is None
    send_mount(100, x=2.0)
    np.testing.assert_allclose(next_sweep(assembler, 100).sweep.T_global_lidar[:3, 3], [1.0, 0, 2])


def test_odometry_in_other_frames_is_rejected_by_name():
    assembler = make_assembler(pose_source="odometry")
    assembler.on_odometry(ros_messages.odometry(START, "odom", "base_link", (5, 0, 0)))
    send_cloud(assembler, 0)
    assert next_sweep(assembler, 0, is_last=True) is None
    (rejection,) = assembler.take_rejections()
    assert rejection.kind is RejectionKind.NO_POSE
    assert "odometry is odom <- base_link, and fixed_frame is map" in rejection.reason


def test_odometry_gives_the_pose_and_tf_does_not():
    assembler = make_assembler(pose_source="odometry")
    send_pose(assembler, 0, x=99)
    assembler.on_odometry(ros_messages.odometry(START, "map", "base_link", (5, 0, 0)))
    send_cloud(assembler, 0)
    T_fixed_lidar = next_sweep(assembler, 0).sweep.T_global_lidar
    np.testing.assert_allclose(T_fixed_lidar[:3, 3], [5, 0, 2])


def test_without_pose_source_the_lidar_is_the_fixed_frame():
    assembler = make_assembler(pose_source="none", cameras=("cam_front",))
    send_info(assembler)
    send_image(assembler, 10)
    send_cloud(assembler, 0)
    assembled = next_sweep(assembler, 10)
    np.testing.assert_array_equal(assembled.sweep.T_global_lidar, np.eye(4))
    np.testing.assert_allclose(assembled.cameras[0].T_global_camera[:3, 3], [1, 0, -0.5])


def test_cloud_waits_until_each_camera_has_a_later_image():
    assembler = make_assembler(cameras=("cam_front",))
    send_info(assembler)
    for at_ms in (0, 20, 40, 60):
        send_pose(assembler, at_ms, x=at_ms)
    send_image(assembler, 0)
    send_cloud(assembler, 20)
    assert next_sweep(assembler, 30) is None
    send_image(assembler, 60)
    (view,) = next_sweep(assembler, 60).cameras
    assert view.stamp_ns == START  # 20 ms away, the other is 40 ms away
    np.testing.assert_allclose(view.T_global_camera[:3, 3], [1, 0, 1.5])
    np.testing.assert_allclose(view.intrinsics, [[10, 0, 8], [0, 10, 4], [0, 0, 1]])
    np.testing.assert_allclose(view.image.mean(axis=(0, 1)), [255, 0, 0], atol=4)


def test_camera_pose_is_taken_at_the_images_own_stamp():
    assembler = make_assembler(cameras=("cam_front",))
    send_info(assembler)
    send_pose(assembler, 0, x=0)
    send_pose(assembler, 20, x=2)
    send_image(assembler, 30)
    send_cloud(assembler, 20)
    assert next_sweep(assembler, 30) is None  # the image's pose is not known yet
    send_pose(assembler, 40, x=4)
    assembled = next_sweep(assembler, 40)
    np.testing.assert_allclose(assembled.sweep.T_global_lidar[:3, 3], [2, 0, 2])
    np.testing.assert_allclose(assembled.cameras[0].T_global_camera[:3, 3], [4, 0, 1.5])


def test_order_of_arrival_does_not_change_the_match():
    def run(sends):
        assembler = make_assembler(cameras=("cam_front",))
        send_info(assembler)
        for send, at_ms in sends:
            send(assembler, at_ms)
        return next_sweep(assembler, 80).cameras[0].stamp_ns

    events = [(send_pose, at_ms) for at_ms in (0, 40, 80)]
    events += [(send_image, 10), (send_image, 50), (send_cloud, 40)]
    assert run(events) == run(events[5:] + events[3:5] + events[:3]) == START + 50 * MS


def test_silent_camera_is_left_out_after_the_wait():
    assembler = make_assembler(cameras=("cam_front", "cam_back"), max_wait_s=0.1)
    send_info(assembler)
    send_pose(assembler, 0)
    send_image(assembler, 0)
    send_cloud(assembler, 0)
    assert next_sweep(assembler, 100) is None
    assembled = next_sweep(assembler, 101)
    assert [view.name for view in assembled.cameras] == ["cam_front"]
    (rejection,) = assembler.take_rejections()
    assert rejection.kind is RejectionKind.CAMERA
    assert "no CameraInfo came on /cam_back/camera_info" in rejection.reason


def test_image_beyond_the_tolerance_is_not_used():
    assembler = make_assembler(cameras=("cam_front",), tolerance_s=0.06)
    send_info(assembler)
    for at_ms in (0, 70, 140):
        send_pose(assembler, at_ms)
        send_image(assembler, at_ms) if at_ms != 70 else send_cloud(assembler, at_ms)
    assert next_sweep(assembler, 140).cameras == ()
    (rejection,) = assembler.take_rejections()
    assert "0.070 s away, the tolerance is 0.06 s" in rejection.reason


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"focal": 0.0}, "not calibrated"), ({"size": (16, 16)}, "the image has 16 x 8")],
)
def test_uncalibrated_camera_is_left_out(options, reason):
    assembler = make_assembler(cameras=("cam_front",))
    send_info(assembler, **options)
    send_pose(assembler, 0)
    send_image(assembler, 0)
    send_cloud(assembler, 0)
    assert next_sweep(assembler, 0).cameras == ()
    (rejection,) = assembler.take_rejections()
    assert rejection.kind is RejectionKind.UNCALIBRATED
    assert reason in rejection.reason


def test_camera_without_mount_is_left_out_by_name():
    assembler = make_assembler(cameras=("cam_back",))
    send_info(assembler, "cam_back")
    send_pose(assembler, 0)
    send_image(assembler, 0, "cam_back")
    send_cloud(assembler, 0)
    assert next_sweep(assembler, 101).cameras == ()
    (rejection,) = assembler.take_rejections()
    assert "base_link" in rejection.reason
    assert "cam_back" in rejection.reason


def test_calibrations_from_files_take_the_place_of_camera_info(tmp_path):
    (tmp_path / "cam_front.yaml").write_text(
        "{image_width: 16, image_height: 8, camera_matrix: {data: [7, 0, 8, 0, 7, 4, 0, 0, 1]}}"
    )
    url = f"{tmp_path}/{{camera}}.yaml"
    assembler = make_assembler(cameras=("cam_front",), camera_info_url=url)
    send_info(assembler)  # says 10 pixels, and is not asked
    send_pose(assembler, 0)
    send_image(assembler, 0)
    send_cloud(assembler, 0)
    (view,) = next_sweep(assembler, 0).cameras
    assert view.intrinsics[0, 0] == 7


def test_frames_that_headers_leave_out_are_overridden():
    assembler = make_assembler(
        cameras=("cam_front",), frame_overrides=("points=lidar_top", "cam_front=cam_front")
    )
    assembler.on_camera_info("cam_front", ros_messages.camera_info(frame=""))
    send_pose(assembler, 0)
    image = ros_messages.compressed_image(ros_messages.jpeg((0, 0, 0)), START, "")
    assembler.on_image("cam_front", image, START)
    assembler.on_cloud(ros_messages.cloud(POINTS, START, frame=""), START)
    assembled = next_sweep(assembler, 0)
    np.testing.assert_allclose(assembled.sweep.T_global_lidar[:3, 3], LIDAR_MOUNT)
    np.testing.assert_allclose(assembled.cameras[0].T_global_camera[:3, 3], CAMERA_MOUNT)
    assert assembled.header.frame_id == "lidar_top"
    assert assembled.camera_frames == ("cam_front",)


@pytest.mark.parametrize("pose_source", ["tf", "none"])
def test_an_image_without_a_frame_is_nowhere(pose_source):
    assembler = make_assembler(cameras=("cam_front",), pose_source=pose_source)
    assembler.on_camera_info("cam_front", ros_messages.camera_info(frame=""))
    send_pose(assembler, 0)
    image = ros_messages.compressed_image(ros_messages.jpeg((0, 0, 0)), START, "")
    assembler.on_image("cam_front", image, START)
    send_cloud(assembler, 0)
    assert next_sweep(assembler, 0).cameras == ()
    (rejection,) = assembler.take_rejections()
    assert rejection.kind is RejectionKind.CAMERA
    assert "frame_overrides" in rejection.reason


def test_a_cloud_without_a_frame_has_no_pose():
    assembler = make_assembler()
    send_pose(assembler, 0)
    assembler.on_cloud(ros_messages.cloud(POINTS, START, frame=""), START)
    assert next_sweep(assembler, 0, is_last=True) is None
    (rejection,) = assembler.take_rejections()
    assert rejection.kind is RejectionKind.NO_EXTRINSICS
    assert "names no frame; name it in frame_overrides" in rejection.reason


def test_zero_stamp_is_rejected_with_a_hint():
    assembler = make_assembler()
    assembler.on_cloud(ros_messages.cloud(POINTS, 0), START)
    (rejection,) = assembler.take_rejections()
    assert rejection.kind is RejectionKind.ZERO_STAMP
    assert "zero_stamp to 'arrival'" in rejection.reason


def test_zero_stamp_becomes_the_time_of_arrival_if_asked_for():
    assembler = make_assembler(zero_stamp="arrival")
    send_pose(assembler, 0)
    assembler.on_cloud(ros_messages.cloud(POINTS, 0), START)
    assert next_sweep(assembler, 0).sweep.stamp_ns == START


def test_bad_cloud_is_rejected_and_the_next_one_comes_through():
    assembler = make_assembler()
    send_pose(assembler, 0)
    send_pose(assembler, 10)
    send_cloud(assembler, 0, points=POINTS[:, :2])
    send_cloud(assembler, 10)
    assert next_sweep(assembler, 10).sweep.stamp_ns == START + 10 * MS
    (rejection,) = assembler.take_rejections()
    assert rejection.kind is RejectionKind.BAD_CLOUD
    assert "has no z" in rejection.reason


def test_empty_cloud_comes_through_empty():
    assembler = make_assembler()
    send_pose(assembler, 0)
    send_cloud(assembler, 0, points=POINTS[:0])
    assert next_sweep(assembler, 0).sweep.points.shape == (0, 4)


def test_backward_time_jump_clears_and_is_flagged_once():
    assembler = make_assembler()
    send_pose(assembler, 5000)
    send_cloud(assembler, 5000)
    assert not next_sweep(assembler, 5000).follows_time_jump
    send_pose(assembler, 0, x=1)
    send_pose(assembler, 50, x=2)
    assert kinds(assembler) == [RejectionKind.TIME_JUMP]
    send_cloud(assembler, 0)
    send_cloud(assembler, 50)
    first, second = next_sweep(assembler, 50), next_sweep(assembler, 50)
    assert first.follows_time_jump
    np.testing.assert_allclose(first.sweep.T_global_lidar[:3, 3], [1, 0, 2])
    assert not second.follows_time_jump
    assert kinds(assembler) == []


def send_timed_cloud(assembler, at_ms, times_s, name="time"):
    """All points lie 10 m ahead of the LiDAR."""
    array = np.zeros(len(times_s), [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), (name, "<f4")])
    array["x"], array[name] = 10.0, times_s
    assembler.on_cloud(ros_messages.cloud(array, START + at_ms * MS), START + at_ms * MS)


def test_deskewed_points_are_where_they_were_at_the_stamp_and_the_sent_ones_stay():
    assembler = make_assembler(deskew=True)
    for at_ms in (0, 100, 200):
        send_pose(assembler, at_ms, x=at_ms / 100)  # 10 m/s
    send_timed_cloud(assembler, 100, [-0.05, 0.0, 0.05])
    assembled = next_sweep(assembler, 200)
    np.testing.assert_allclose(assembled.sweep.points[:, 0], [9.5, 10, 10.5], atol=1e-6)
    np.testing.assert_array_equal(assembled.points[:, 0], [10, 10, 10])
    np.testing.assert_allclose(assembled.sweep.T_global_lidar[:3, 3], [1, 0, 2])


def test_deskew_follows_the_poses_between_a_sweeps_ends():
    assembler = make_assembler(deskew=True)
    for at_ms, x in ((0, 0.0), (50, 1.0), (100, 1.0)):  # it drives, then it stands
        send_pose(assembler, at_ms, x=x)
    send_timed_cloud(assembler, 0, [0.0, 0.025, 0.07, 0.09])
    points = next_sweep(assembler, 100).sweep.points
    np.testing.assert_allclose(points[:, 0], [10, 10.5, 11, 11], atol=1e-6)


def test_deskew_waits_for_the_pose_at_the_end_of_the_sweep():
    assembler = make_assembler(deskew=True, pose_wait_s=0.2)
    send_pose(assembler, 0)
    send_pose(assembler, 50)
    send_timed_cloud(assembler, 0, [0.0, 0.09])
    assert next_sweep(assembler, 150) is None
    send_pose(assembler, 100)
    assert next_sweep(assembler, 160) is not None
    send_timed_cloud(assembler, 100, [0.0, 0.09])
    assert next_sweep(assembler, 301) is None
    assert kinds(assembler) == [RejectionKind.NO_POSE]


def test_deskew_of_a_sweep_that_began_before_the_first_pose_is_no_sweep():
    assembler = make_assembler(deskew=True)
    for at_ms in (0, 50):
        send_pose(assembler, at_ms)
    send_timed_cloud(assembler, 0, [-0.05, 0.0])
    assert next_sweep(assembler, 50) is None
    assert kinds(assembler) == [RejectionKind.NO_POSE]


def test_deskew_refuses_a_cloud_without_times_and_takes_the_next_one():
    assembler = make_assembler(deskew=True)
    for at_ms in (0, 50, 100):
        send_pose(assembler, at_ms)
    send_cloud(assembler, 0)
    send_timed_cloud(assembler, 50, [0.0, 0.04])
    assert next_sweep(assembler, 100).sweep.stamp_ns == START + 50 * MS
    (rejection,) = assembler.take_rejections()
    assert rejection.kind is RejectionKind.BAD_CLOUD
    assert rejection.reason.startswith("/lidar_top at 1.000000: cloud has no time per point")


def test_an_empty_cloud_is_deskewed_to_an_empty_one():
    assembler = make_assembler(deskew=True)
    send_pose(assembler, 0)
    send_timed_cloud(assembler, 0, [])
    assert next_sweep(assembler, 0).sweep.points.shape == (0, 4)


def test_offline_no_cloud_is_overtaken():
    assembler = make_assembler()
    for at_ms in (0, 50, 100):
        send_pose(assembler, at_ms)
        send_cloud(assembler, at_ms)
    stamps = [next_sweep(assembler, 100).sweep.stamp_ns - START for _ in range(3)]
    assert stamps == [0, 50 * MS, 100 * MS]


def test_live_the_newest_ready_cloud_wins_and_the_others_are_counted():
    assembler = make_assembler()
    for at_ms in (0, 50, 100):
        send_pose(assembler, at_ms)
        send_cloud(assembler, at_ms)
    send_cloud(assembler, 150)  # its pose is not known yet
    newest = assembler.newest_sweep(START + 150 * MS)
    assert newest.sweep.stamp_ns == START + 100 * MS
    assert kinds(assembler) == [RejectionKind.OVERTAKEN] * 2
    assert assembler.newest_sweep(START + 150 * MS) is None
    send_pose(assembler, 150)
    assert assembler.newest_sweep(START + 150 * MS).sweep.stamp_ns == START + 150 * MS


def test_live_clouds_faster_than_cameras_are_not_starved():
    assembler = make_assembler(cameras=("cam_front",))
    send_info(assembler)
    released = []
    for at_ms in range(0, 1000, 10):
        send_pose(assembler, at_ms)
        if at_ms % 80 == 0:
            send_image(assembler, at_ms)
        if at_ms % 50 == 0:
            send_cloud(assembler, at_ms)
        assembled = assembler.newest_sweep(START + at_ms * MS)
        if assembled is not None:
            released.append(assembled)
    assert len(released) >= 11
    assert all(len(assembled.cameras) == 1 for assembled in released)


def test_zero_quaternion_is_rejected_and_not_used():
    assembler = make_assembler()
    message = ros_messages.transforms((START, "map", "base_link", (0, 0, 0)))
    message.transforms[0].transform.rotation.w = 0.0
    assembler.on_tf(message, is_static=False)
    assert kinds(assembler) == [RejectionKind.BAD_TRANSFORM]


def test_unknown_camera_and_option_are_refused():
    with pytest.raises(ValueError, match="no topics for cam_top; known cameras are cam_front"):
        make_assembler(cameras=("cam_top",))
    with pytest.raises(ValueError, match="pose_source must be one of tf, odometry, none"):
        AssemblyOptions(pose_source="gps")
    with pytest.raises(ValueError, match="on_missing_pose must be one of drop, single"):
        AssemblyOptions(on_missing_pose="identity")
    with pytest.raises(ValueError, match="deskew needs poses"):
        AssemblyOptions(pose_source="none", deskew=True)


def test_skipping_drops_what_is_ready_and_keeps_what_waits():
    assembler = make_assembler(pose_wait_s=5.0)
    send_pose(assembler, 0)
    send_cloud(assembler, 0)
    send_cloud(assembler, 50)  # no pose yet
    assert assembler.skip_newest(START + 50 * MS)
    assert not assembler.skip_newest(START + 50 * MS)
    send_pose(assembler, 50)
    assert assembler.newest_sweep(START + 50 * MS).sweep.stamp_ns == START + 50 * MS
