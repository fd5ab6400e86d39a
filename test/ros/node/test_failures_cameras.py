"""What goes wrong with cameras on a live graph: what is published then, and what is said."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

from ros_graph import (
    ERROR,
    OK,
    WARN,
    labels_of,
    make_compressed,
    make_image,
    make_info,
    values_of,
)

pytestmark = pytest.mark.ros

FRONT = "camera cam_front"
BACK = "camera cam_back"


@pytest.fixture
def start(start_robot):
    """Start a robot in mode fused, whose clock stands still at 10 s."""

    def start_at_10_s(**parameters):
        values = {"mode": "fused", "use_sim_time": True, "sync__max_wait": 0.1, **parameters}
        robot = start_robot(**values)
        robot.set_clock(10.0)
        return robot

    return start_at_10_s


def label_late(robot, stamp_s):
    """Label a sweep for which no more images will come."""
    before = robot.inputs["lidar"].received
    robot.send(stamp_s)
    robot.spin_until(lambda: robot.inputs["lidar"].received > before)
    robot.set_clock(robot.node.get_clock().now().nanoseconds * 1e-9 + 0.2)
    robot.spin_until(lambda: stamp_s in robot.labelled_s)


def views_of(segmenter):
    """Camera and stamp of each view of each sweep."""
    return [[(view.name, view.stamp_ns / 1e9) for view in views] for views in segmenter.cameras]


def test_a_cameras_cable_is_pulled_and_the_sweeps_go_on_without_it(start, segmenter):
    robot = start(input_timeout=0.3)
    robot.show("cam_front", 10.0)
    robot.label(10.0)
    robot.pull("cam_front image")
    label_late(robot, 11.0)
    item = robot.spin_until_diagnosed(
        FRONT, "no image on /cam_front/image_rect_compressed (publishers: 0) for"
    )
    assert (item.level, values_of(item)["used ratio"]) == (WARN, "0.500")
    assert views_of(segmenter) == [[("cam_front", 10.0)], []]
    assert labels_of(robot.received.points[1]) == [0, 1, 2, 3]


def test_a_lost_image_is_waited_for_and_then_done_without(start, segmenter):
    robot = start()
    robot.show("cam_front", 10.0)
    robot.send(10.1)
    robot.spin_until(lambda: robot.inputs["lidar"].received)
    robot.set_clock(10.09)
    robot.spin_for(0.15)  # longer than the worker sleeps
    assert robot.received.points == []
    robot.set_clock(10.11)
    robot.spin_until(lambda: robot.labelled_s == [10.1])
    item = robot.spin_until_diagnosed(
        FRONT, "/cam_front/image_rect_compressed is -0.100 s away, the tolerance is 0.06 s"
    )
    assert (item.level, values_of(item)["used ratio"]) == (WARN, "0.000")
    robot.show("cam_front", 10.21)
    robot.label(10.2)
    assert views_of(segmenter) == [[], [("cam_front", 10.21)]]


def test_a_late_image_serves_if_it_comes_in_time_and_not_after(start, segmenter):
    robot = start()
    robot.show("cam_front", 9.9)
    robot.send(10.0)
    robot.spin_until(lambda: robot.inputs["lidar"].received)
    robot.set_clock(10.09)
    robot.show("cam_front", 10.01)
    robot.spin_until(lambda: robot.labelled_s == [10.0])
    label_late(robot, 10.1)
    robot.show("cam_front", 10.1)  # too late
    robot.show("cam_front", 10.2)
    robot.label(10.2)
    assert robot.labelled_s == [10.0, 10.1, 10.2]
    assert views_of(segmenter) == [[("cam_front", 10.01)], [], [("cam_front", 10.2)]]
    robot.spin_until_item(FRONT, lambda item: values_of(item)["used ratio"] == "0.667")


def test_an_image_that_cannot_be_decoded_is_left_out_and_named(start, segmenter):
    robot = start()
    robot.show("cam_front", 10.0, image=make_compressed(10.0, b"\xff\xd8 cut off"))
    robot.label(10.0)
    item = robot.spin_until_diagnosed(FRONT, "/points at 10.000000: cam_front: image of 10 bytes")
    assert item.level == WARN
    assert views_of(segmenter) == [[]]


def test_an_image_with_a_stamp_of_zero_is_its_cameras_fault(start, segmenter):
    robot = start()
    robot.show("cam_front", 0.0)
    label_late(robot, 10.0)
    item = robot.spin_until_diagnosed(
        FRONT, "/cam_front/image_rect_compressed: the message has the stamp 0", "'arrival'"
    )
    assert item.level == ERROR
    assert robot.has("lidar", OK)
    assert values_of(robot.diagnosis("lidar"))["bad clouds"] == "0"
    assert views_of(segmenter) == [[]]


def test_a_camera_without_camera_info_is_left_out_and_named(start, segmenter):
    robot = start(input_timeout=0.2)
    robot.show("cam_front", 10.0, info=None)
    label_late(robot, 10.0)

    def is_named():
        robot.publish_camera("cam_front", make_image(10.0))
        robot.spin_for(0.03)
        return robot.has(FRONT, WARN, "no CameraInfo on /cam_front/camera_info (publishers: 0)")

    robot.spin_until(is_named)
    assert views_of(segmenter) == [[]]


def of_unknown_model(info):
    info.distortion_model = "omni"
    info.d = [0.1, 0.0, 0.0, 0.0, 0.0]
    return info


def for_a_square(info):
    info.width = 2
    return info


@pytest.mark.parametrize(
    ("info", "complaint"),
    [
        (make_info(focal_px=0.0), "CameraInfo has K[0] = 0: the camera is not calibrated"),
        (of_unknown_model(make_info()), "the image is rectified, but CameraInfo has no P"),
        (for_a_square(make_info()), "CameraInfo is for 2 x 2 pixels, the image has 4 x 2"),
    ],
)
def test_a_calibration_that_cannot_be_used_is_an_error(start, segmenter, info, complaint):
    robot = start()
    robot.show("cam_front", 10.0, info)
    robot.label(10.0)
    item = robot.spin_until_diagnosed(FRONT, complaint)
    assert (item.level, values_of(item)["used ratio"]) == (ERROR, "0.000")
    assert views_of(segmenter) == [[]]


def test_a_calibration_for_another_scale_is_scaled(start, segmenter):
    robot = start()
    info = make_info(focal_px=6.0)
    info.width, info.height = 12, 6
    robot.show("cam_front", 10.0, info)
    robot.label(10.0)
    ((view,),) = segmenter.cameras
    assert view.intrinsics[0, 0] == 2.0
    robot.spin_until_item(FRONT, lambda item: values_of(item)["used ratio"] == "1.000")
    assert robot.has(FRONT, OK, "images from /cam_front/image_rect_compressed")


def test_a_camera_that_was_renamed_is_named_and_the_other_one_serves(start, segmenter):
    robot = start(cameras=["cam_front", "cam_back"], input_timeout=0.3)
    robot.show("cam_front", 10.0)
    label_late(robot, 10.0)
    item = robot.spin_until_diagnosed(
        BACK, "no image on /cam_back/image_rect_compressed (publishers: 0)"
    )
    assert item.level == WARN
    assert views_of(segmenter) == [[("cam_front", 10.0)]]


def test_a_camera_whose_frame_was_renamed_is_named_with_the_way_out(start, segmenter):
    robot = start()
    robot.show("cam_front", 10.0, image=make_image(10.0, frame="front_optical"))
    label_late(robot, 10.0)
    item = robot.spin_until_diagnosed(
        FRONT, "frame 'front_optical' is unknown", "publish it on /tf_static"
    )
    assert item.level == WARN
    assert views_of(segmenter) == [[]]


def test_images_of_another_type_are_named_with_both(start):
    robot = start(image_transport="compressed", is_heard=False, input_timeout=0.2)
    # The node's own participant holds the topic with its type: another one publishes.
    with robot.stranger() as stranger:
        stranger.create_publisher(type(make_image(0.0)), "/cam_front/image_rect_compressed", 1)
        item = robot.spin_until_diagnosed(
            FRONT,
            "(publishers: 1, of sensor_msgs/msg/Image, not sensor_msgs/msg/CompressedImage)",
        )
    assert item.level == WARN


@pytest.mark.parametrize(
    ("mode", "labelled_s", "outcome"),
    [("fused", [10.0, 11.0], "the LiDAR labels alone"), ("camera", [10.0], "the sweep is dropped")],
)
def test_too_few_images_are_counted_with_what_came_of_it(
    start, segmenter, mode, labelled_s, outcome
):
    segmenter.needs_cameras = mode == "camera"
    robot = start(mode=mode, sync__min_cameras=1)
    robot.show("cam_front", 10.0)
    robot.label(10.0)
    robot.send(11.0)
    robot.spin_until(lambda: robot.inputs["lidar"].received == 2)
    robot.set_clock(11.2)
    item = robot.spin_until_diagnosed(
        "inference", f"/points: cameras with an image: 0 of 1, needed: 1; {outcome}"
    )
    assert (item.level, values_of(item)["too few cameras"]) == (WARN, "1")
    camera_level = ERROR if mode == "camera" else WARN
    robot.spin_until(lambda: robot.has(FRONT, camera_level, "-1.000 s away"))
    assert robot.labelled_s == labelled_s
