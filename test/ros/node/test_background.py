"""Requests that take long: everything else goes on, and the answer comes when they are done."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import ros_graph
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter
from ros_graph import QuadrantSegmenter, labels_of, names_of, seconds_of
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

pytestmark = pytest.mark.ros

REFUSAL = "prompt 'unknown' holds a word that the small CLIP never saw"


class SlowSegmenter(QuadrantSegmenter):
    """Encodes prompts and writes maps when it is let."""

    def __init__(self):
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.num_read = 0
        super().__init__()

    def embed(self, prompts, template="ensemble"):
        self.num_read += 1
        assert self.may_go_on.wait(60)
        return super().embed(prompts, template)

    def save_map(self, path):
        assert self.may_go_on.wait(60)
        return super().save_map(path)


@pytest.fixture
def segmenter():
    return SlowSegmenter()


def ask(robot, service_type, name, **request):
    """Call a service and do not wait."""
    client = robot.driver.create_client(service_type, f"/clip2scene/{name}")
    robot.spin_until(client.service_is_ready)
    return client.call_async(service_type.Request(**request))


def set_prompts(robot, service_type, prompts):
    parameter = Parameter("prompts", value=prompts).to_parameter_msg()
    name = "set_parameters" + "_atomically" * (service_type is SetParametersAtomically)
    return ask(robot, service_type, name, parameters=[parameter])


@pytest.mark.parametrize("service_type", [SetParameters, SetParametersAtomically])
def test_sweeps_are_labelled_while_new_prompts_are_read(start_robot, segmenter, service_type):
    robot = start_robot()
    segmenter.may_go_on.clear()
    num_read = segmenter.num_read
    with ros_graph.released(segmenter.may_go_on):
        answer = set_prompts(robot, service_type, ["tram", "kerb"])
        robot.spin_until(lambda: segmenter.num_read > num_read)
        for stamp_s in (1.0, 1.05, 1.1):
            assert labels_of(robot.label(stamp_s)) == [0, 1, 2, 3]
        before = len(robot.received.diagnostics)
        robot.spin_until(lambda: len(robot.received.diagnostics) > before + 1)
        assert not answer.done()
        assert len(robot.received.legends) == 1
    robot.spin_until(answer.done)
    results = answer.result()
    results = results.results if service_type is SetParameters else [results.result]
    assert [(result.successful, result.reason) for result in results] == [(True, "")]
    assert segmenter.num_read == num_read + 1, "the prompts were read twice"
    robot.spin_until(lambda: names_of(robot.received.legends[-1]) == ["tram", "kerb"])
    assert list(robot.node.get_parameter("prompts").value) == ["tram", "kerb"]


def test_prompts_that_are_refused_in_the_end_leave_the_old_ones(start_robot, segmenter):
    robot = start_robot()
    answer = set_prompts(robot, SetParameters, ["road", "unknown"])
    robot.spin_until(answer.done)
    (result,) = answer.result().results
    assert (result.successful, result.reason) == (False, REFUSAL)
    assert list(robot.node.get_parameter("prompts").value) == [""]
    assert names_of(robot.received.legends[-1]) == ["car", "tree", "road", "building"]


def test_several_parameters_in_one_request_are_set_one_after_the_other(start_robot):
    robot = start_robot()
    answers = robot.set_parameters(
        prompts=["tram", "unknown"], min_confidence=0.5, prompt_names=["a", "b", "c", "d"]
    )
    assert answers == [(False, REFUSAL), (True, ""), (True, "")]
    assert robot.node.values.min_confidence == 0.5
    robot.spin_until(lambda: names_of(robot.received.legends[-1]) == ["a", "b", "c", "d"])


def test_sweeps_are_labelled_while_the_map_is_written(start_robot, segmenter, tmp_path):
    file = tmp_path / "street.npz"
    robot = start_robot(pose_source="odometry", map__folder=str(tmp_path), map__save_path=file.name)
    for stamp_s in (0.9, 1.5):
        robot.publish_pose(stamp_s)
    robot.label(1.0)
    segmenter.may_go_on.clear()
    with ros_graph.released(segmenter.may_go_on):
        answer = ask(robot, Trigger, "save_map")
        for stamp_s in (1.1, 1.2, 1.3):
            robot.label(stamp_s)
        assert robot.call(SetBool, "set_enabled", data=True).success
        assert not answer.done()
        assert not file.exists()
    robot.spin_until(answer.done)
    assert (answer.result().success, answer.result().message) == (True, f"{file}: 4 voxels")
    assert len(np.load(file)["labels"]) == 4


def test_a_node_that_ends_finishes_the_file_first(start_robot, segmenter, tmp_path):
    file = tmp_path / "street.npz"
    robot = start_robot(pose_source="odometry", map__folder=str(tmp_path), map__save_path=file.name)
    for stamp_s in (0.9, 1.5):
        robot.publish_pose(stamp_s)
    robot.label(1.0)
    segmenter.may_go_on.clear()
    threading.Timer(0.3, segmenter.may_go_on.set).start()
    ask(robot, Trigger, "save_map")
    robot.spin_for(0.1)
    robot.node.destroy_node()
    assert len(np.load(file)["labels"]) == 4


def test_a_query_on_its_topic_is_the_parameter_and_is_answered(start_robot, segmenter, capfd):
    robot = start_robot()
    queries = robot.driver.create_publisher(String, "/clip2scene/query", 5)
    answers = []
    robot.driver.create_subscription(PointCloud2, "/clip2scene/query/points", answers.append, 5)
    robot.spin_until(
        lambda: (
            queries.get_subscription_count()
            and robot.node.count_subscribers("/clip2scene/query/points")
        )
    )
    segmenter.may_go_on.clear()
    num_read = segmenter.num_read
    with ros_graph.released(segmenter.may_go_on):
        queries.publish(String(data="tram"))
        robot.spin_until(lambda: segmenter.num_read > num_read)
        robot.label(1.0)
        assert answers == []
    robot.spin_until(lambda: robot.node.get_parameter("query").value == "tram")
    robot.label(2.0)
    robot.spin_until(lambda: answers)
    assert [seconds_of(answer) for answer in answers] == [2.0]
    assert len(robot.received.legends) == 1
    queries.publish(String(data="unknown"))
    lines = []

    def is_refused():
        lines.extend(capfd.readouterr().err.splitlines())
        return any(f"~/query: refused 'unknown': {REFUSAL}" in line for line in lines)

    robot.spin_until(is_refused)
    assert robot.node.get_parameter("query").value == "tram"
    queries.publish(String(data=""))
    robot.spin_until(lambda: robot.node.get_parameter("query").value == "")
