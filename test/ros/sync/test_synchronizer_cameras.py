"""Which images come along with a sweep, and from where."""

from __future__ import annotations

import numpy as np
import pytest
import ros_messages
from synchronizer_inputs import (
    MS,
    POINTS,
    RIG_CAMERAS,
    RIG_LIDAR,
    START,
    make_synchronizer,
    next_sweep,
    send_cloud,
    send_image,
    send_info,
    send_pose,
)

from clip2scene_ros.sync.sweeps import RejectionKind


def test_cloud_waits_until_each_camera_has_a_later_image():
    synchronizer = make_synchronizer(cameras=("cam_front",))
    send_info(synchronizer)
    for at_ms in (0, 20, 40, 60):
        send_pose(synchronizer, at_ms, x=at_ms)
    send_image(synchronizer, 0)
    send_cloud(synchronizer, 20)
    assert next_sweep(synchronizer, 30) is None
    send_image(synchronizer, 60)
    (view,) = next_sweep(synchronizer, 60).cameras
    assert view.stamp_ns == START  # 20 ms away, the other is 40 ms away
    np.testing.assert_allclose(view.T_global_camera[:3, 3], [1, 0, 1.5])
    np.testing.assert_allclose(view.intrinsics, [[10, 0, 8], [0, 10, 4], [0, 0, 1]])
    np.testing.assert_allclose(view.image.mean(axis=(0, 1)), [255, 0, 0], atol=4)


def test_camera_pose_is_taken_at_the_images_own_stamp():
    synchronizer = make_synchronizer(cameras=("cam_front",))
    send_info(synchronizer)
    send_pose(synchronizer, 0, x=0)
    send_pose(synchronizer, 20, x=2)
    send_image(synchronizer, 30)
    send_cloud(synchronizer, 20)
    assert next_sweep(synchronizer, 30) is None  # the image's pose is not known yet
    send_pose(synchronizer, 40, x=4)
    synchronized = next_sweep(synchronizer, 40)
    np.testing.assert_allclose(synchronized.sweep.T_global_lidar[:3, 3], [2, 0, 2])
    np.testing.assert_allclose(synchronized.cameras[0].T_global_camera[:3, 3], [4, 0, 1.5])


def test_order_of_arrival_does_not_change_the_match():
    def run(sends):
        synchronizer = make_synchronizer(cameras=("cam_front",))
        send_info(synchronizer)
        for send, at_ms in sends:
            send(synchronizer, at_ms)
        return next_sweep(synchronizer, 80).cameras[0].stamp_ns

    events = [(send_pose, at_ms) for at_ms in (0, 40, 80)]
    events += [(send_image, 10), (send_image, 50), (send_cloud, 40)]
    assert run(events) == run(events[5:] + events[3:5] + events[:3]) == START + 50 * MS


def test_silent_camera_is_left_out_after_the_wait():
    synchronizer = make_synchronizer(cameras=("cam_front", "cam_back"), max_wait_s=0.1)
    send_info(synchronizer)
    send_pose(synchronizer, 0)
    send_image(synchronizer, 0)
    send_cloud(synchronizer, 0)
    assert next_sweep(synchronizer, 100) is None
    synchronized = next_sweep(synchronizer, 101)
    assert [view.name for view in synchronized.cameras] == ["cam_front"]
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.CAMERA
    assert "no CameraInfo came on /cam_back/camera_info" in rejection.reason


def test_image_beyond_the_tolerance_is_not_used():
    synchronizer = make_synchronizer(cameras=("cam_front",), tolerance_s=0.06)
    send_info(synchronizer)
    for at_ms in (0, 70, 140):
        send_pose(synchronizer, at_ms)
        send_image(synchronizer, at_ms) if at_ms != 70 else send_cloud(synchronizer, at_ms)
    assert next_sweep(synchronizer, 140).cameras == ()
    (rejection,) = synchronizer.take_rejections()
    assert "0.070 s away, the tolerance is 0.06 s" in rejection.reason


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"focal": 0.0}, "not calibrated"), ({"size": (16, 16)}, "the image has 16 x 8")],
)
def test_uncalibrated_camera_is_left_out(options, reason):
    synchronizer = make_synchronizer(cameras=("cam_front",))
    send_info(synchronizer, **options)
    send_pose(synchronizer, 0)
    send_image(synchronizer, 0)
    send_cloud(synchronizer, 0)
    assert next_sweep(synchronizer, 0).cameras == ()
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.UNCALIBRATED
    assert reason in rejection.reason


def test_camera_without_extrinsics_is_left_out_by_name():
    synchronizer = make_synchronizer(cameras=("cam_back",))
    send_info(synchronizer, "cam_back")
    send_pose(synchronizer, 0)
    send_image(synchronizer, 0, "cam_back")
    send_cloud(synchronizer, 0)
    assert next_sweep(synchronizer, 101).cameras == ()
    (rejection,) = synchronizer.take_rejections()
    assert "base_link" in rejection.reason
    assert "cam_back" in rejection.reason


def test_calibrations_from_files_take_the_place_of_camera_info(tmp_path):
    (tmp_path / "cam_front.yaml").write_text(
        "{image_width: 16, image_height: 8, camera_matrix: {data: [7, 0, 8, 0, 7, 4, 0, 0, 1]}}"
    )
    url = f"{tmp_path}/{{camera}}.yaml"
    synchronizer = make_synchronizer(cameras=("cam_front",), camera_info_url=url)
    send_info(synchronizer)  # says 10 pixels, and is not asked
    send_pose(synchronizer, 0)
    send_image(synchronizer, 0)
    send_cloud(synchronizer, 0)
    (view,) = next_sweep(synchronizer, 0).cameras
    assert view.intrinsics[0, 0] == 7


def test_frames_that_headers_leave_out_are_overridden():
    synchronizer = make_synchronizer(
        cameras=("cam_front",), frame_overrides=("points=lidar_top", "cam_front=cam_front")
    )
    synchronizer.on_camera_info("cam_front", ros_messages.camera_info(frame=""))
    send_pose(synchronizer, 0)
    image = ros_messages.compressed_image(ros_messages.jpeg((0, 0, 0)), START, "")
    synchronizer.on_image("cam_front", image, START)
    synchronizer.on_cloud(ros_messages.cloud(POINTS, START, frame=""), START)
    synchronized = next_sweep(synchronizer, 0)
    np.testing.assert_allclose(synchronized.sweep.T_global_lidar[:3, 3], RIG_LIDAR)
    np.testing.assert_allclose(synchronized.cameras[0].T_global_camera[:3, 3], RIG_CAMERAS)
    assert synchronized.header.frame_id == "lidar_top"
    assert synchronized.camera_frames == ("cam_front",)


@pytest.mark.parametrize("pose_source", ["tf", "none"])
def test_an_image_without_a_frame_is_nowhere(pose_source):
    synchronizer = make_synchronizer(cameras=("cam_front",), pose_source=pose_source)
    synchronizer.on_camera_info("cam_front", ros_messages.camera_info(frame=""))
    send_pose(synchronizer, 0)
    image = ros_messages.compressed_image(ros_messages.jpeg((0, 0, 0)), START, "")
    synchronizer.on_image("cam_front", image, START)
    send_cloud(synchronizer, 0)
    assert next_sweep(synchronizer, 0).cameras == ()
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.CAMERA
    assert "frame_overrides" in rejection.reason
