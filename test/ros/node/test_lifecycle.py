"""The node's transitions on the live graph, asked for as `ros2 lifecycle set` does."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import ros_graph
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from ros_graph import QuadrantSegmenter, make_cloud, seconds_of, starting_graphs

pytestmark = pytest.mark.ros

POINTS = [[5, 5, 0, 10], [-5, 5, 0, 20]]


@pytest.fixture
def loads():
    """The segmenters that were loaded, in order."""
    return []


@pytest.fixture
def start(loads, monkeypatch):
    def make_segmenter(values):
        if values.weights == "absent":
            raise FileNotFoundError("absent: no such checkpoint")
        loads.append(QuadrantSegmenter())
        return loads[-1]

    with starting_graphs(make_segmenter, monkeypatch, pose_source="none") as start_graph:
        yield start_graph


def change(graph, transition_id):
    request = Transition(id=transition_id)
    return graph.call(ChangeState, "change_state", transition=request).success


def state_of(graph):
    return graph.call(GetState, "get_state").current_state.label


def label(graph, stamp_s):
    """Send a cloud until its labels are there."""
    graph.publishers["cloud"].publish(make_cloud(POINTS, stamp_s))
    graph.spin_until(lambda: stamp_s in map(seconds_of, graph.received.points))


def test_a_node_starts_by_itself(start):
    graph = start()
    assert state_of(graph) == "active"
    label(graph, 1.0)


def test_without_autostart_each_step_waits_to_be_asked_for(start, loads):
    graph = start(autostart=False)
    assert (state_of(graph), loads) == ("unconfigured", [])
    assert graph.node.count_publishers("/clip2scene/points") == 0
    assert change(graph, Transition.TRANSITION_CONFIGURE)
    assert (state_of(graph), len(loads)) == ("inactive", 1)
    assert graph.node.count_publishers("/clip2scene/points") == 1
    assert graph.node.count_subscribers("/points") == 0
    assert change(graph, Transition.TRANSITION_ACTIVATE)
    assert state_of(graph) == "active"
    label(graph.connect(), 1.0)


def test_a_deactivated_node_publishes_nothing_and_comes_back(start, loads):
    graph = start()
    label(graph, 1.0)
    assert change(graph, Transition.TRANSITION_DEACTIVATE)
    graph.spin_until(lambda: graph.publishers["cloud"].get_subscription_count() == 0)
    before = len(graph.received.order)
    graph.publishers["cloud"].publish(make_cloud(POINTS, 2.0))
    graph.spin_for(0.3)
    assert len(graph.received.order) == before
    assert change(graph, Transition.TRANSITION_ACTIVATE)
    graph.spin_until(graph.publishers["cloud"].get_subscription_count)
    label(graph, 3.0)
    assert [seconds_of(cloud) for cloud in graph.received.points] == [1.0, 3.0]
    assert (len(graph.received.legends), len(loads)) == (1, 1)


def test_the_sweep_that_is_being_labelled_is_not_published_after_deactivation(start, loads):
    graph = start()
    has_begun, may_end = threading.Event(), threading.Event()

    def block(_sweep):
        has_begun.set()
        may_end.wait(5)

    loads[0].before_add = block
    with ros_graph.released(may_end):
        graph.publishers["cloud"].publish(make_cloud(POINTS, 1.0))
        graph.spin_until(has_begun.is_set)
        timer = threading.Timer(0.1, may_end.set)  # while the transition waits for the worker
        timer.start()
        assert change(graph, Transition.TRANSITION_DEACTIVATE)
        assert may_end.is_set()
    graph.spin_for(0.2)
    assert graph.received.points == []


def test_cleaning_up_lets_go_of_the_weights_and_the_topics(start, loads):
    graph = start()
    assert change(graph, Transition.TRANSITION_DEACTIVATE)
    assert change(graph, Transition.TRANSITION_CLEANUP)
    assert state_of(graph) == "unconfigured"
    assert graph.node.count_publishers("/clip2scene/points") == 0
    assert change(graph, Transition.TRANSITION_CONFIGURE)
    assert change(graph, Transition.TRANSITION_ACTIVATE)
    assert len(loads) == 2
    graph.spin_until(graph.publishers["cloud"].get_subscription_count)
    label(graph, 1.0)


def test_bad_weights_fail_the_configuration_and_the_log_says_why(start, capfd):
    graph = start(autostart=False, weights="absent")
    assert not change(graph, Transition.TRANSITION_CONFIGURE)
    assert state_of(graph) == "unconfigured"
    assert "cannot configure: absent: no such checkpoint" in capfd.readouterr().err


def test_prompts_that_are_set_before_the_configuration_are_checked_by_it(start):
    graph = start(autostart=False)
    assert graph.set_parameters(prompts=["road", "unknown"]) == [(True, "")]
    assert not change(graph, Transition.TRANSITION_CONFIGURE)
    assert graph.set_parameters(prompts=["road", "kerb"]) == [(True, "")]
    assert change(graph, Transition.TRANSITION_CONFIGURE)
    assert change(graph, Transition.TRANSITION_ACTIVATE)
    graph.connect()
    assert ros_graph.names_of(graph.received.legends[-1]) == ["road", "kerb"]


@pytest.mark.parametrize("autostart", [True, False])
def test_shutdown_ends_it_from_any_state(start, autostart):
    graph = start(autostart=autostart)
    transition = (
        Transition.TRANSITION_ACTIVE_SHUTDOWN
        if autostart
        else Transition.TRANSITION_UNCONFIGURED_SHUTDOWN
    )
    assert change(graph, transition)
    assert graph.node.is_finalized
    assert graph.node.count_publishers("/clip2scene/points") == 0
