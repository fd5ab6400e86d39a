from __future__ import annotations

import pytest

from clip2scene_ros.profiles import NUSCENES, NUSCENES_CAMERAS, ProfileError, choose_profile

CLOUD = "sensor_msgs/msg/PointCloud2"
JPEG = "sensor_msgs/msg/CompressedImage"
RAW = "sensor_msgs/msg/Image"
INFO = "sensor_msgs/msg/CameraInfo"


def test_lower_case_nuscenes_names_are_recognised():
    topics = {"/lidar_top": CLOUD, "/lidar_top/lidarseg": CLOUD}
    for camera in sorted(NUSCENES_CAMERAS):
        topics[f"/{camera}/image_rect_compressed"] = JPEG
        topics[f"/{camera}/camera_info"] = INFO
    assert choose_profile(topics) == NUSCENES


@pytest.mark.parametrize("cloud", ["/LIDAR_TOP", "/LIDAR_TOP/points"])
@pytest.mark.parametrize("suffix", ["image_rect_compressed", "image_raw/compressed"])
def test_upper_case_nuscenes_names_are_recognised(cloud, suffix):
    profile = choose_profile(
        {cloud: CLOUD, f"/CAM_BACK/{suffix}": JPEG, "/CAM_BACK/camera_info": INFO}
    )
    assert (profile.name, profile.cloud_topic) == ("nuscenes_upper", cloud)
    assert profile.cameras["cam_back"].image == f"/CAM_BACK/{suffix}"
    assert profile.cameras["cam_back"].info == "/CAM_BACK/camera_info"


def test_unknown_robot_is_guessed_from_types():
    profile = choose_profile(
        {
            "/ouster/points": CLOUD,
            "/front/image_raw": RAW,
            "/front/image_raw/compressed": JPEG,
            "/front/camera_info": INFO,
            "/wheel/odometry": "nav_msgs/msg/Odometry",
        }
    )
    assert (profile.name, profile.cloud_topic) == ("guessed", "/ouster/points")
    assert profile.cameras["front"].image == "/front/image_raw/compressed"
    assert profile.odometry_topic == "/wheel/odometry"


def test_camera_without_calibration_is_not_used(caplog):
    profile = choose_profile({"/points": CLOUD, "/front/image_raw": RAW})
    assert profile.cameras == {}
    assert "there is no /front/camera_info" in caplog.text


def test_own_outputs_truth_and_radar_are_not_candidates():
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
