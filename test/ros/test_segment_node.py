"""The node in a real graph, over the real middleware, with a segmenter that labels by quadrant."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image as Picture

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import ros_graph
from rclpy.logging import LoggingSeverity
from ros_graph import (
    ONE_PER_QUADRANT,
    labels_of,
    make_cloud,
    seconds_of,
    starting_graphs,
    write_extrinsics,
)

pytestmark = pytest.mark.ros

OWN_PROMPTS = ["car", "tree", "road", "building"]  # the fake segmenter's


@pytest.fixture
def start(segmenter, tmp_path, monkeypatch):
    """Start a graph with the given parameters; poses are from odometry, extrinsics from a file."""
    T_base_sensor = np.eye(4)
    T_base_sensor[2, 3] = 1.8
    with starting_graphs(
        lambda _: segmenter,
        monkeypatch,
        pose_source="odometry",
        extrinsics_file=write_extrinsics(tmp_path, T_base_sensor, T_base_sensor),
        cameras=["cam_front"],
    ) as start_graph:
        yield start_graph


def test_every_sweep_comes_back_once_in_order_with_its_own_stamp_frame_and_labels(start):
    graph = start()
    graph.publish_pose(0.5)
    for index in range(5):
        graph.publish_pose(1.0 + index)
        graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.0 + index))
        graph.spin_until(lambda index=index: len(graph.received.points) == index + 1)
    assert [seconds_of(cloud) for cloud in graph.received.points] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert {cloud.header.frame_id for cloud in graph.received.points} == {"lidar_top"}
    assert [labels_of(cloud) for cloud in graph.received.points] == [[0, 1, 2, 3]] * 5


def test_the_segmenter_gets_the_pose_of_the_sensor_at_the_sweeps_stamp(start, segmenter):
    graph = start()
    graph.publish_pose(1.0)
    graph.publish_pose(2.0)
    graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.25))
    graph.spin_until(lambda: segmenter.sweeps)
    (sweep,) = segmenter.sweeps
    np.testing.assert_allclose(sweep.T_global_lidar[:3, 3], [1.25, 0, 1.8])
    np.testing.assert_allclose(sweep.points[:, 3], np.array([10, 20, 30, 40]) / 255, rtol=1e-6)


def test_the_depth_of_an_input_may_be_overridden(start):
    graph = start(pose_source="none", **{"qos_overrides__/points__subscription__depth": 2})
    for number in range(4):  # nobody takes them meanwhile
        graph.send(1.0 + number)
    graph.spin_for(0.3)
    assert graph.inputs["lidar"].received == 2


def test_every_item_names_its_topic(start):
    graph = start(pose_source="odometry", mode="fused")
    graph.spin_until(lambda: graph.received.diagnostics)
    items = ("lidar", "camera cam_front", "tf", "inference", "prompts", "map")
    topics = [ros_graph.values_of(graph.diagnosis(name))["topic"] for name in items]
    assert topics == [
        "/points", "/cam_front/image_rect_compressed", "/odom",
        "/clip2scene/points", "/clip2scene/legend", "/clip2scene/map",
    ]  # fmt: skip


def test_output_fields_are_pcls(start):
    graph = start(pose_source="none")
    graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.0))
    graph.spin_until(lambda: graph.received.points)
    (cloud,) = graph.received.points
    layout = [(field.name, field.offset, field.datatype) for field in cloud.fields]
    assert layout == [
        ("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("intensity", 12, 7),
        ("rgb", 16, 7), ("label", 20, 6), ("confidence", 24, 7),
    ]  # fmt: skip
    assert (cloud.point_step, cloud.width, cloud.row_step, cloud.is_dense) == (28, 4, 112, True)


def test_new_prompts_label_the_next_sweep_after_their_legend(start):
    graph = start(pose_source="none")
    prompts = ["tram", "kerb stone", "person on a scooter", "bin"]
    assert graph.set_parameters(prompts=prompts) == [(True, "")]
    graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.0))
    graph.spin_until(lambda: graph.received.points)
    kinds = [kind for kind, _ in graph.received.order if kind in ("legends", "points")]
    assert kinds == ["legends", "legends", "points"]
    assert ros_graph.names_of(graph.received.legends[0]) == OWN_PROMPTS
    assert ros_graph.names_of(graph.received.legends[1]) == prompts


def test_names_go_with_their_prompts(start):
    graph = start(pose_source="none", prompts=["road", "tree"], prompt_names=["street", "plant"])
    assert ros_graph.names_of(graph.received.legends[-1]) == ["street", "plant"]
    assert graph.set_parameters(prompts=["car"]) == [(True, "")]
    assert list(graph.node.get_parameter("prompt_names").value) == [""]
    graph.spin_until(lambda: ros_graph.names_of(graph.received.legends[-1]) == ["car"])


def test_too_many_names_are_refused(start):
    graph = start(pose_source="none")
    ((successful, reason),) = graph.set_parameters(prompt_names=["only one"])
    assert not successful
    assert "4 prompts" in reason


def test_parameters_that_are_used_at_the_start_only_cannot_be_set(start):
    graph = start(pose_source="none")
    ((successful, reason),) = graph.set_parameters(fixed_frame="odom")
    assert not successful
    assert "read-only" in reason


def test_the_nearest_image_reaches_the_segmenter(start, segmenter):
    graph = start(mode="fused", sync__max_wait=0.5)
    for stamp_s in (0.9, 1.1):
        graph.publish_pose(stamp_s)
    graph.publish_camera("cam_front", ros_graph.make_image(0.96), ros_graph.make_info())
    graph.publish_camera("cam_front", ros_graph.make_image(1.01))
    graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.0))
    graph.spin_until(lambda: graph.received.points)
    ((camera,),) = segmenter.cameras
    assert (camera.name, camera.stamp_ns) == ("cam_front", 1_010_000_000)
    assert camera.image.shape == (2, 4, 3)


def test_a_compressed_image_is_decoded(start, segmenter):
    graph = start(mode="fused", sync__max_wait=0.5)
    for stamp_s in (0.9, 1.1):
        graph.publish_pose(stamp_s)
    jpeg = io.BytesIO()
    Picture.new("RGB", (4, 2), (200, 30, 30)).save(jpeg, "JPEG")
    image = ros_graph.make_compressed(1.0, jpeg.getvalue())
    graph.publish_camera("cam_front", image, ros_graph.make_info())
    graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.0))
    graph.spin_until(lambda: graph.received.points)
    ((camera,),) = segmenter.cameras
    assert camera.image[0, 0, 0] > 150 > camera.image[0, 0, 1]


def test_calibration_and_frames_may_come_from_parameters(start, segmenter, tmp_path):
    (tmp_path / "cam_front.yaml").write_text(
        "{image_width: 4, image_height: 2, camera_matrix: {data: [3, 0, 2, 0, 3, 1, 0, 0, 1]}}"
    )
    graph = start(
        mode="fused",
        sync__max_wait=0.5,
        camera_info_url=f"{tmp_path}/${{NAME}}.yaml",
        frame_overrides=["points=lidar_top", "{camera}={camera}"],
    )
    assert "cam_front info" not in graph.node.inputs.subscriptions
    for stamp_s in (0.9, 1.1):
        graph.publish_pose(stamp_s)
    graph.publish_camera("cam_front", ros_graph.make_image(1.0, frame=""))
    graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.0, frame=""))
    graph.spin_until(lambda: graph.received.points)
    ((camera,),) = segmenter.cameras
    assert camera.intrinsics[0, 0] == 3
    assert graph.received.points[0].header.frame_id == "lidar_top"
    graph.spin_until(lambda: graph.received.diagnostics)
    assert graph.diagnosis("camera cam_front").level == b"\0"


def test_the_map_is_published_in_the_fixed_frame_with_the_sweeps_stamp(start):
    graph = start()
    for stamp_s in (0.9, 1.1):
        graph.publish_pose(stamp_s)
    graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.0))
    graph.spin_until(lambda: graph.received.maps)
    (cloud,) = graph.received.maps
    assert (cloud.header.frame_id, seconds_of(cloud), cloud.width) == ("map", 1.0, 4)


def test_new_words_label_the_latched_map_without_another_sweep(start, segmenter):
    graph = start(map__publish_rate=0.1)  # the next map is due in ten seconds
    for stamp_s in (0.9, 1.1):
        graph.publish_pose(stamp_s)
    graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.0))
    graph.spin_until(lambda: graph.received.maps)
    segmenter.set_prompts(["car", "tree"])
    graph.spin_until(lambda: len(graph.received.maps) == 2)
    before, after = graph.received.maps
    assert seconds_of(after) == seconds_of(before) == 1.0
    # Quadrants 2 and 3 look like neither of the two prompts: the first one wins a draw.
    assert sorted(labels_of(before)) == [0, 1, 2, 3]
    assert sorted(labels_of(after)) == [0, 0, 0, 1]
    assert ros_graph.names_of(graph.received.legends[-1]) == ["car", "tree"]


def test_without_poses_there_is_no_map(start):
    graph = start(pose_source="none")
    graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.0))
    graph.spin_until(lambda: graph.received.points)
    graph.spin_for(0.3)
    assert graph.received.maps == []


def test_the_node_stops_at_once_while_idle(start):
    graph = start(pose_source="none")
    begin_s = time.monotonic()
    graph.node.destroy_node()
    assert time.monotonic() - begin_s < 1.0


def test_debug_tells_of_every_sweep_and_of_every_one_that_is_left_out(start, capfd):
    graph = start(pose_source="none", prompts=["tram"])
    logger = graph.node.get_logger()
    logger.set_level(LoggingSeverity.DEBUG)
    try:
        graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 1.0))
        graph.spin_until(lambda: graph.received.points)
        graph.publishers["cloud"].publish(make_cloud(ONE_PER_QUADRANT, 0.0))
        log = ""

        def is_said():
            nonlocal log
            log += capfd.readouterr().err
            return "labelled 4 points by 0 cameras" in log and "zero stamp: /points" in log

        graph.spin_until(is_said)
    finally:
        logger.set_level(LoggingSeverity.INFO)
