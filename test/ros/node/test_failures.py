"""What goes wrong with clouds, segmenter, prompts and QoS: what is published and said then."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_graph import (
    ERROR,
    OK,
    ONE_PER_QUADRANT,
    WARN,
    labels_of,
    make_cloud,
    names_of,
    released,
    values_of,
)
from std_msgs.msg import String

from clip2scene_ros.node.parameters.options import make_segmenter

pytestmark = pytest.mark.ros

OWN_PROMPTS = ["car", "tree", "road", "building"]  # the fake segmenter's
UNLABELLED = 65535


def test_the_lidars_cable_is_pulled_and_plugged_in_again(start_robot):
    robot = start_robot(input_timeout=0.3)
    robot.label(1.0)
    robot.pull("cloud")
    item = robot.spin_until_diagnosed("lidar", "no cloud on /points (publishers: 0) for")
    assert (item.level, values_of(item)["received"]) == (ERROR, "1")
    assert robot.labelled_s == [1.0]
    robot.plug_lidar()
    last_s = robot.send_until(lambda: robot.has("lidar", OK, "clouds come in on /points"), 2.0)
    robot.spin_until(lambda: last_s in robot.labelled_s)
    assert labels_of(robot.received.points[-1]) == [0, 1, 2, 3]


def test_a_lidar_that_is_connected_and_silent_is_an_error(start_robot):
    robot = start_robot(input_timeout=0.2)
    item = robot.spin_until_diagnosed("lidar", "no cloud on /points (publishers: 1) for")
    assert (item.level, values_of(item)["offered"]) == (ERROR, "reliable")
    assert robot.received.points == []


def drop_x(cloud):
    cloud.fields = cloud.fields[1:]


def cut_a_byte_off(cloud):
    cloud.data = cloud.data[:-1]


def invent_a_datatype(cloud):
    cloud.fields[2].datatype = 9


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (drop_x, "cloud has no x; its fields are y, z, intensity, ring"),
        (cut_a_byte_off, "has 79 bytes, but row_step * height = 80 * 1"),
        (invent_a_datatype, "field z has the unknown datatype 9"),
    ],
)
def test_a_cloud_that_cannot_be_read_is_refused_and_the_next_one_is_labelled(
    start_robot, spoil, complaint
):
    robot = start_robot()
    cloud = make_cloud(ONE_PER_QUADRANT, 1.0)
    spoil(cloud)
    robot.publishers["cloud"].publish(cloud)
    item = robot.spin_until_diagnosed("lidar", "/points at 1.000000: ", complaint)
    assert (item.level, values_of(item)["bad clouds"]) == (ERROR, "1")
    assert labels_of(robot.label(2.0)) == [0, 1, 2, 3]
    assert robot.labelled_s == [2.0]


def test_a_stamp_of_zero_is_refused_with_the_way_out(start_robot):
    robot = start_robot()
    robot.send(0.0)
    item = robot.spin_until_diagnosed("lidar", "/points", "stamp 0", "zero_stamp to 'arrival'")
    assert (item.level, values_of(item)["bad clouds"]) == (ERROR, "1")
    robot.label(1.0)
    assert robot.labelled_s == [1.0]


def test_a_stamp_of_zero_is_taken_on_arrival_if_asked_for(start_robot):
    robot = start_robot(zero_stamp="arrival")
    robot.send(0.0)
    robot.spin_until(lambda: robot.received.points)
    assert labels_of(robot.received.points[0]) == [0, 1, 2, 3]
    robot.spin_until_item("lidar", lambda item: values_of(item)["received"] == "1")
    assert robot.has("lidar", OK, "clouds come in")


def test_an_empty_cloud_comes_back_empty_and_is_counted(start_robot):
    robot = start_robot()
    cloud = robot.label(1.0, np.zeros((0, 4)))
    assert (cloud.width, len(cloud.data), cloud.header.frame_id) == (0, 0, "lidar_top")
    item = robot.spin_until_diagnosed("lidar", "1 clouds on /points were empty")
    assert (item.level, values_of(item)["empty clouds"]) == (WARN, "1")


def test_points_that_are_not_finite_stay_in_place_whatever_the_flag_says(start_robot):
    robot = start_robot()
    hole = [np.nan, 0, 0, 0]
    with_hole = make_cloud([ONE_PER_QUADRANT[1], hole, ONE_PER_QUADRANT[2]], 1.0)
    with_hole.is_dense = True
    without = make_cloud(ONE_PER_QUADRANT, 2.0)
    without.is_dense = False
    for number, cloud in enumerate((with_hole, without), start=1):
        robot.publishers["cloud"].publish(cloud)
        robot.spin_until(lambda number=number: len(robot.received.points) == number)
    first, second = robot.received.points
    assert (labels_of(first), first.is_dense) == ([1, UNLABELLED, 2], False)
    assert (labels_of(second), second.is_dense) == ([0, 1, 2, 3], True)
    robot.label(3.0, [hole, hole])
    item = robot.spin_until_item("lidar", lambda item: values_of(item).get("points") == "2")
    assert item.level == OK
    assert (values_of(item)["points not finite"], values_of(item)["points unlabelled"]) == (
        "2", "2",
    )  # fmt: skip


def test_the_shipped_student_survives_points_of_no_use(start_robot):
    """Not finite, at the sensor, over the vehicle, too far; then nothing else; then no point."""
    robot = start_robot(make_segmenter=make_segmenter)
    useless = [[np.nan, 0, 0, 0], [np.inf, 0, 0, 0], [0.5, 0, 0, 0], [0, 1.4, 1, 0], [500, 0, 0, 0]]
    labels = labels_of(robot.label(1.0, [*useless, *ONE_PER_QUADRANT]))
    assert labels[:5] == [UNLABELLED] * 5
    assert max(labels[5:]) < 16
    item = robot.spin_until_item("lidar", lambda item: values_of(item).get("points") == "9")
    assert (values_of(item)["points not finite"], values_of(item)["points unlabelled"]) == (
        "2", "5",
    )  # fmt: skip
    assert labels_of(robot.label(2.0, useless)) == [UNLABELLED] * 5
    assert robot.label(3.0, np.zeros((0, 4))).width == 0
    assert labels_of(robot.label(4.0))[0] != UNLABELLED
    item = robot.spin_until_item("inference", lambda item: values_of(item)["labelled"] == "4")
    assert values_of(item)["failed"] == "0"


def test_when_the_segmenter_is_slow_the_newest_sweep_wins_and_drops_are_counted(
    start_robot, segmenter
):
    robot = start_robot(max_drop_ratio=0.5)
    has_begun, may_end = threading.Event(), threading.Event()

    def block(_sweep):
        has_begun.set()
        may_end.wait(20)

    segmenter.before_add = block
    with released(may_end):
        robot.send(1.0)
        robot.spin_until(has_begun.is_set)
        for stamp_s in (1.05, 1.1, 1.15, 1.2):
            robot.send(stamp_s)
        robot.spin_until(lambda: robot.inputs["lidar"].received == 5)
    robot.spin_until(lambda: len(robot.received.points) == 2)
    assert robot.labelled_s == [1.0, 1.2]
    item = robot.spin_until_diagnosed("inference", "too slow: 60 % of the sweeps were overtaken")
    values = values_of(item)
    assert (item.level, values["overtaken"], values["drop ratio"]) == (WARN, "3", "0.600")
    assert float(values["input Hz"]) > float(values["output Hz"]) > 0


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), MemoryError()])
def test_an_exception_in_the_segmenter_loses_one_sweep_only(start_robot, segmenter, error):
    robot = start_robot()

    def fail(sweep):
        if sweep.stamp_ns < 2_000_000_000:
            raise error

    segmenter.before_add = fail
    robot.send(1.9)
    text = f"the last sweep was lost: {type(error).__name__}: {error}"
    item = robot.spin_until_diagnosed("inference", text)
    assert (item.level, values_of(item)["failed"]) == (ERROR, "1")
    assert labels_of(robot.label(2.1)) == [0, 1, 2, 3]
    robot.spin_until(lambda: robot.has("inference", OK, "1 sweeps labelled"))
    assert robot.labelled_s == [2.1]


def test_five_failures_in_a_row_deactivate_the_node_and_four_do_not(start_robot, segmenter):
    robot = start_robot()
    seen = []

    def fail(sweep):
        seen.append(sweep.stamp_ns)
        if sweep.stamp_ns != 5_000_000_000:
            raise RuntimeError("out of memory")

    segmenter.before_add = fail
    for number in range(1, 11):
        robot.send(float(number))
        robot.spin_until(lambda number=number: len(seen) == number)
    item = robot.spin_until_diagnosed("inference", "gave up after 5", "out of memory")
    assert item.level == ERROR
    robot.spin_until(lambda: robot.labelled_s == [5.0] and robot.node.inputs is None)
    segmenter.before_add = lambda _sweep: None
    robot.node.trigger_activate()
    robot.spin_until(robot.publishers["cloud"].get_subscription_count)
    robot.label(11.0)


def test_refused_words_say_why_and_the_old_ones_stay(start_robot):
    robot = start_robot()
    ((successful, reason),) = robot.set_parameters(prompts=["road", "unknown"])
    assert not successful
    assert reason == "prompt 'unknown' holds a word that the small CLIP never saw"
    assert list(robot.node.get_parameter("prompts").value) == [""]
    assert labels_of(robot.label(1.0)) == [0, 1, 2, 3]
    assert [names_of(legend) for legend in robot.received.legends] == [OWN_PROMPTS]
    item = robot.spin_until_item("prompts", lambda item: item.level == OK)
    assert item.message == "4 prompts"
    assert values_of(item)["prompts"] == "car; tree; road; building"


def test_wrong_weights_keep_the_node_unconfigured_until_they_are_right(start_robot, segmenter):
    loads = []

    def load(values):
        loads.append(values.weights)
        if len(loads) == 1:
            raise ValueError("student.safetensors: not a checkpoint of this library")
        return segmenter

    def change(transition_id):
        return robot.call(ChangeState, "change_state", transition=Transition(id=transition_id))

    robot = start_robot(make_segmenter=load, is_heard=False, autostart=False)
    robot.spin_until(lambda: robot.driver.count_publishers("/diagnostics"))
    assert not change(Transition.TRANSITION_CONFIGURE).success
    item = robot.spin_until_diagnosed("lifecycle", "cannot configure: student.safetensors")
    assert item.level == ERROR
    assert robot.driver.count_publishers("/clip2scene/points") == 0
    for transition_id in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        assert change(transition_id).success
    assert labels_of(robot.connect().label(1.0)) == [0, 1, 2, 3]


def test_a_best_effort_publisher_is_heard(start_robot):
    robot = start_robot(is_best_effort=True)
    robot.spin_until(lambda: not robot.inputs["lidar"].is_reliable)
    robot.send_until(lambda: robot.received.points, 1.0)
    item = robot.spin_until_item("lidar", lambda item: item.level == OK)
    values = values_of(item)
    assert (values["offered"], values["reliability"]) == ("best effort", "best effort")


def test_a_best_effort_publisher_that_may_not_be_heard_is_an_error(start_robot):
    robot = start_robot(
        is_best_effort=True, is_heard=False, qos__reliability="reliable", input_timeout=0.2
    )
    robot.send_until(lambda: robot.has("lidar", ERROR, "no cloud on /points"), 1.0)
    item = robot.diagnosis("lidar")
    assert "(publishers: 1, best effort, but qos.reliability asks for reliable)" in item.message
    assert robot.received.points == []


def test_a_topic_of_another_type_is_an_error_that_names_both(start_robot):
    robot = start_robot(input_timeout=0.2)
    robot.pull("cloud")
    with robot.stranger() as stranger:
        stranger.create_publisher(String, "/points", 1)
        item = robot.spin_until_diagnosed(
            "lidar", "(publishers: 1, of std_msgs/msg/String, not sensor_msgs/msg/PointCloud2)"
        )
    assert item.level == ERROR
