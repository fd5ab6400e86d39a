from __future__ import annotations

import pytest

from clip2scene_ros.sync.topics import (
    NUSCENES,
    NUSCENES_CAMERAS,
    PROFILES,
    ProfileError,
    choose_profile,
    is_rectified,
)

CLOUD = "sensor_msgs/msg/PointCloud2"
JPEG = "sensor_msgs/msg/CompressedImage"
RAW = "sensor_msgs/msg/Image"
INFO = "sensor_msgs/msg/CameraInfo"
ODOMETRY = "nav_msgs/msg/Odometry"


def test_lower_case_nuscenes_names_are_recognised():
    topics = {"/lidar_top": CLOUD, "/lidar_top/lidarseg": CLOUD}
    for camera in sorted(NUSCENES_CAMERAS):
        topics[f"/{camera}/image_rect_compressed"] = JPEG
        topics[f"/{camera}/camera_info"] = INFO
    assert choose_profile(topics) == NUSCENES


def test_upper_case_names_are_nuscenes_ros2bags():
    topics = {"/LIDAR_TOP": CLOUD, "/RADAR_FRONT": CLOUD}
    for camera in NUSCENES_CAMERAS:
        topics[f"/{camera.upper()}/image_rect_compressed"] = JPEG
        topics[f"/{camera.upper()}/camera_info"] = INFO
    assert choose_profile(topics) == PROFILES["nuscenes_ros2bag"]


def test_raw_images_without_calibration_are_nuscenes2bags():
    topics = {"/lidar_top": CLOUD, "/odom": ODOMETRY}
    for camera in NUSCENES_CAMERAS:
        topics[f"/{camera}/raw"] = RAW
    assert choose_profile(topics, is_calibrated=True) == PROFILES["nuscenes2bag"]
    uncalibrated = choose_profile(topics)
    assert (uncalibrated.name, uncalibrated.cameras) == ("nuscenes2bag", {})


def test_kitti_is_read_from_one_of_its_cameras():
    topics = {"/kitti/velo/pointcloud": CLOUD}
    for camera in ("camera_gray_left", "camera_color_left", "camera_color_right"):
        topics[f"/kitti/{camera}/image_raw"] = RAW
        topics[f"/kitti/{camera}/camera_info"] = INFO
    profile = choose_profile(topics)
    assert profile == PROFILES["kitti"]
    assert (profile.fixed_frame, profile.intensity_scale) == ("world", 1.0)
    assert list(profile.cameras) == ["kitti/camera_color_left"]
    assert profile.sync_options()["image_kind"] == "rectified"  # though the topic says raw


def test_kittis_camera_is_known_by_its_newer_name_too():
    topics = {"/kitti/velo/pointcloud": CLOUD}
    for camera in ("camera_gray/left", "camera_color/left", "camera_color/right"):
        topics[f"/kitti/{camera}/image_rect_color/compressed"] = JPEG
        topics[f"/kitti/{camera}/camera_info"] = INFO
    assert list(choose_profile(topics).cameras) == ["kitti/camera_color/left"]


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("/front/image_rect", True),
        ("/front/image_rect_color/compressed", True),
        ("/cam_front/image_rect_compressed", True),
        ("/camera/infra1/image_rect_raw", True),
        ("/zed/zed_node/rgb/color/rect/image", True),
        ("/front/rectified/image_color", True),
        ("/front/image_undistorted", True),
        ("/front/image_raw/compressed", False),
        ("/front/image", False),
        ("/cam_front/raw", False),
        ("/camera_rect/image_raw", False),
        ("/zed/zed_node/rgb/color/raw/image", False),
        ("/front/image_unrectified", False),
        ("/rectangle/image", False),
        ("/direct/image_color", False),
    ],
)
def test_the_name_of_a_topic_tells_whether_its_images_are_rectified(topic, expected):
    assert is_rectified(topic) is expected
    assert is_rectified(topic, "rectified") is True
    assert is_rectified(topic, "raw") is False


def test_unknown_robot_is_found_by_types():
    profile = choose_profile(
        {
            "/ouster/points": CLOUD,
            "/front/image_raw": RAW,
            "/front/image_raw/compressed": JPEG,
            "/front/camera_info": INFO,
            "/wheel/odometry": ODOMETRY,
        }
    )
    assert (profile.name, profile.cloud_topic) == ("robot", "/ouster/points")
    assert profile.cameras["front"].image == "/front/image_raw/compressed"
    assert profile.odometry_topic == "/wheel/odometry"
    assert (profile.fixed_frame, profile.intensity_scale) == (None, None)


def test_camera_without_calibration_is_used_only_with_a_file():
    topics = {"/points": CLOUD, "/front/image_raw": RAW}
    assert choose_profile(topics).cameras == {}
    reason = "there is no /front/camera_info"
    assert choose_profile(topics).passed_over == {"/front/image_raw": reason}
    assert list(choose_profile(topics, is_calibrated=True).cameras) == ["front"]


def test_own_outputs_ground_truth_and_radar_are_not_candidates():
    profile = choose_profile(
        {
            "/lidar": CLOUD,
            "/lidar/lidarseg": CLOUD,
            "/clip2scene/points": CLOUD,
            "/clip2scene/map": CLOUD,
            "/radar_front": CLOUD,
        }
    )
    assert profile.cloud_topic == "/lidar"


def test_no_cloud_is_an_error_that_lists_the_topics():
    with pytest.raises(ProfileError, match=r"there are /imu \(sensor_msgs/msg/Imu\)"):
        choose_profile({"/imu": "sensor_msgs/msg/Imu"})


def test_several_clouds_are_an_error_unless_one_is_named():
    topics = {"/left": CLOUD, "/right": CLOUD}
    with pytest.raises(ProfileError, match="several clouds: /left, /right"):
        choose_profile(topics)
    assert choose_profile(topics, cloud_topic="/right").cloud_topic == "/right"


def test_named_cloud_must_exist():
    with pytest.raises(ProfileError, match=r"/top is no .*; those are /left"):
        choose_profile({"/left": CLOUD}, cloud_topic="/top")
