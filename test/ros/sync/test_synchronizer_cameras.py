"""Which images come along with a sweep, and from where."""

from __future__ import annotations

from dataclasses import replace

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

from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.sample import PINHOLE, Lens, Sweep
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


def lens_info(at_ms=0, size=(16, 8), **changes):
    """K and D of a lens, and P of the rectified image."""
    matrices = {
        "k": np.array([12.0, 0, 7, 0, 12, 5, 0, 0, 1]),
        "d": np.array([-0.3, 0.1, 0.0, 0.0, 0.0]),
        "p": np.array([9.0, 0, 8, 0, 0, 9, 4, 0, 0, 0, 1, 0]),
    }
    return replace(ros_messages.camera_info(START + at_ms * MS, size=size), **(matrices | changes))


def views_at(synchronizer, *stamps_ms):
    views = []
    for at_ms in stamps_ms:
        send_pose(synchronizer, at_ms)
        send_image(synchronizer, at_ms)
        send_cloud(synchronizer, at_ms)
        views += next_sweep(synchronizer, at_ms).cameras
    return views


@pytest.mark.parametrize(
    ("image_kind", "focal_px", "lens"),
    [
        ("auto", 9, PINHOLE),  # the topic is image_rect_compressed
        ("rectified", 9, PINHOLE),
        ("raw", 12, Lens("brown", (-0.3, 0.1, 0.0, 0.0, 0.0))),
    ],
)
def test_the_image_decides_which_matrix_of_camera_info_holds(image_kind, focal_px, lens):
    synchronizer = make_synchronizer(cameras=("cam_front",), image_kind=image_kind)
    synchronizer.on_camera_info("cam_front", lens_info())
    (view,) = views_at(synchronizer, 0)
    assert (view.intrinsics[0, 0], view.lens) == (focal_px, lens)


def test_a_distorted_image_has_the_pixels_of_its_lens():
    """10 m ahead and 4 m beside: r = 0.4, so 0.4 (1 - 0.3 x 0.16 + 0.1 x 0.0256) on the image."""
    synchronizer = make_synchronizer(cameras=("cam_front",), image_kind="raw")
    synchronizer.on_camera_info("cam_front", lens_info())
    (view,) = views_at(synchronizer, 0)
    beside = np.array([[4.0, 0.0, 10.0, 0.0]], np.float32)
    sweep = Sweep(beside, view.T_global_camera, 0)
    (pixel,) = pair_pixels_with_points([sweep], [view]).pixels
    np.testing.assert_allclose(pixel, [7 + 12 * 0.4 * 0.95456, 5], rtol=1e-6)


def test_an_image_has_the_calibration_of_its_time():
    synchronizer = make_synchronizer(cameras=("cam_front",))
    synchronizer.on_camera_info("cam_front", lens_info(0))
    synchronizer.on_camera_info("cam_front", lens_info(100))  # says the same again
    wide = np.array([5.0, 0, 8, 0, 0, 5, 4, 0, 0, 0, 1, 0])
    synchronizer.on_camera_info("cam_front", lens_info(200, p=wide))
    views = views_at(synchronizer, 0, 150, 200)
    assert [view.intrinsics[0, 0] for view in views] == [9, 9, 5]


def test_where_calibrations_change_an_image_waits_for_its_own():
    synchronizer = make_synchronizer(cameras=("cam_front",), max_wait_s=0.1)
    wide = np.array([5.0, 0, 8, 0, 0, 5, 4, 0, 0, 0, 1, 0])
    synchronizer.on_camera_info("cam_front", lens_info(0))
    synchronizer.on_camera_info("cam_front", lens_info(50, p=wide))
    for at_ms in (0, 50, 100):
        send_pose(synchronizer, at_ms)
        send_image(synchronizer, at_ms)
    send_cloud(synchronizer, 50)
    assert next_sweep(synchronizer, 100).cameras[0].intrinsics[0, 0] == 5
    send_cloud(synchronizer, 100)
    assert next_sweep(synchronizer, 110) is None  # a CameraInfo of 100 ms may be behind it
    synchronizer.on_camera_info("cam_front", lens_info(100))
    assert next_sweep(synchronizer, 120).cameras[0].intrinsics[0, 0] == 9
    assert synchronizer.take_rejections() == []


def test_a_camera_that_changes_its_size_goes_on():
    synchronizer = make_synchronizer(cameras=("cam_front",))
    synchronizer.on_camera_info("cam_front", lens_info(0))
    (first,) = views_at(synchronizer, 0)
    small = ros_messages.camera_info(START + 100 * MS, size=(8, 8), focal=3.0)
    synchronizer.on_camera_info("cam_front", small)
    send_pose(synchronizer, 100)
    image = ros_messages.compressed_image(ros_messages.jpeg(size=(8, 8)), START + 100 * MS)
    synchronizer.on_image("cam_front", image, START + 100 * MS)
    send_cloud(synchronizer, 100)
    (second,) = next_sweep(synchronizer, 100).cameras
    assert [(v.image.shape[1], v.intrinsics[0, 0]) for v in (first, second)] == [(16, 9), (8, 3)]


def test_the_newest_calibration_outlives_a_jump_in_time():
    synchronizer = make_synchronizer(cameras=("cam_front",))
    synchronizer.on_camera_info("cam_front", lens_info(5000))
    synchronizer.clear()
    (view,) = views_at(synchronizer, 0)
    assert view.intrinsics[0, 0] == 9


def test_a_doubt_about_a_calibration_is_said_once(caplog):
    synchronizer = make_synchronizer(cameras=("cam_front",))
    stereo = np.array([9.0, 0, 8, -3, 0, 9, 4, 0, 0, 0, 1, 0])
    for at_ms in (0, 100, 200):
        synchronizer.on_camera_info("cam_front", lens_info(at_ms, p=stereo))
    assert caplog.text.count("/cam_front/camera_info: CameraInfo is of a stereo camera") == 1


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
