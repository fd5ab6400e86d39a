"""Image topics as drivers and data sets name them: each a camera, or passed over with a reason."""

from __future__ import annotations

import pytest

from clip2scene_ros.sync.camera_topics import CameraTopics, find_cameras
from clip2scene_ros.sync.topics import choose_profile

JPEG = "sensor_msgs/msg/CompressedImage"
RAW = "sensor_msgs/msg/Image"
INFO = "sensor_msgs/msg/CameraInfo"


@pytest.mark.parametrize(
    ("image", "kind", "info", "camera"),
    [
        ("/basler/image_color", RAW, "/basler/camera_info", "basler"),
        ("/basler/image_color/compressed", JPEG, "/basler/camera_info", "basler"),
        ("/basler/image_compressed", JPEG, "/basler/camera_info", "basler"),
        ("/flir/image_mono", RAW, "/flir/camera_info", "flir"),
        ("/flir/image_rect_raw", RAW, "/flir/camera_info", "flir"),
        (
            "/kitti/camera_color/left/image_rect_color",
            RAW,
            "/kitti/camera_color/left/camera_info",
            "kitti/camera_color/left",
        ),
        ("/camera/color/image_raw", RAW, "/camera/color/camera_info", "camera/color"),
        ("/image_raw", RAW, "/camera_info", "camera"),
        ("/front", RAW, "/front/camera_info", "front"),
        ("/front/compressed", JPEG, "/front/camera_info", "front"),
        ("/rig/left/picture", RAW, "/rig/left/camera_info", "rig/left"),
        ("/cam0/image_raw", RAW, "/cam0/info", "cam0"),
        ("/CAM_FRONT/image_rect_compressed", JPEG, "/CAM_FRONT/camera_info", "cam_front"),
    ],
)
def test_images_and_the_camera_info_near_them_are_a_camera(image, kind, info, camera):
    found = find_cameras({image: kind, info: INFO}, is_calibrated=False)
    assert found == ({camera: CameraTopics(image, info)}, {})


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("/camera/depth/image_rect_raw", "'depth' in its name"),
        ("/camera/aligned_depth_to_color/image_raw", "'depth' in its name"),
        ("/camera/infra1/image_rect_raw", "'infra1' in its name"),
        ("/boson/thermal/image_raw", "'thermal' in its name"),
        ("/front/semantic_segmentation/image", "'semantic' in its name"),
        ("/camera/depth/image_rect_raw/compressedDepth", "transport is compressedDepth"),
        ("/camera/color/image_raw/zstd", "transport is zstd"),
    ],
)
@pytest.mark.parametrize("is_calibrated", [False, True])
def test_images_that_are_no_color_pictures_are_passed_over(image, why, is_calibrated):
    folder = image.removesuffix("/compressedDepth").removesuffix("/zstd").rpartition("/")[0]
    topics = {image: RAW, f"{folder}/camera_info": INFO}
    cameras, passed_over = find_cameras(topics, is_calibrated)
    assert cameras == {}
    assert why in passed_over[image]


def test_best_images_of_a_camera_are_taken():
    names = ["image_raw", "image_mono", "image_mono/compressed", "image_rect", "image_rect_color"]
    topics = {f"/front/{name}": RAW for name in names} | {"/front/camera_info": INFO}
    topics["/front/image_rect_color/compressed"] = JPEG
    order = []
    while cameras := find_cameras(topics, is_calibrated=False)[0]:
        order.append(cameras["front"].image.removeprefix("/front/"))
        del topics[cameras["front"].image]
    assert order == [
        "image_rect_color/compressed",
        "image_rect_color",
        "image_rect",
        "image_raw",
        "image_mono/compressed",
        "image_mono",
    ]


def test_images_of_unusual_names_that_share_a_camera_info_are_not_guessed_at():
    topics = {"/zed/left": RAW, "/zed/right": RAW, "/zed/camera_info": INFO}
    cameras, passed_over = find_cameras(topics, is_calibrated=False)
    assert cameras == {}
    assert "/zed/left, /zed/right share /zed/camera_info" in passed_over["/zed/right"]
    cameras, _ = find_cameras({**topics, "/zed/image_raw": RAW}, is_calibrated=False)
    assert cameras == {"zed": CameraTopics("/zed/image_raw", "/zed/camera_info")}


def test_calibration_files_stand_for_missing_camera_infos_of_usual_names_alone():
    topics = {"/front/image_color": RAW, "/ouster/signal_image": RAW}
    cameras, passed_over = find_cameras(topics, is_calibrated=True)
    assert list(cameras) == ["front"]
    assert list(passed_over) == ["/ouster/signal_image"]


@pytest.mark.parametrize("folder", ["camera_color_left", "camera_color/left"])
def test_left_color_camera_of_kitti_is_taken_under_both_names(folder):
    topics = {"/kitti/velo/pointcloud": "sensor_msgs/msg/PointCloud2"}
    for name in (folder, "camera_gray_left", "camera_gray/right"):
        topics |= {f"/kitti/{name}/image_rect_color": RAW, f"/kitti/{name}/camera_info": INFO}
    assert list(choose_profile(topics).cameras) == [f"kitti/{folder}"]


def test_kitti_without_its_left_color_camera_takes_what_there_is():
    topics = {
        "/kitti/velo/pointcloud": "sensor_msgs/msg/PointCloud2",
        "/kitti/camera_color_right/image_raw": RAW,
        "/kitti/camera_color_right/camera_info": INFO,
    }
    assert list(choose_profile(topics).cameras) == ["kitti/camera_color_right"]
