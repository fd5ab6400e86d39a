"""What the log says of a fault, and when; and what the record counts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

from builtin_interfaces.msg import Time

from clip2scene_ros.labelling import SensorFacts
from clip2scene_ros.node.health import diagnostics, statistics
from clip2scene_ros.node.health.diagnostics import (
    ERROR,
    OK,
    WARN,
    DiagnosticsReporter,
    Item,
)
from clip2scene_ros.node.health.statistics import SweepRecord
from clip2scene_ros.node.health.threshold import Threshold
from clip2scene_ros.node.outputs.timing import SweepTiming
from clip2scene_ros.sync.sweeps import Rejection, RejectionKind

pytestmark = pytest.mark.ros

SILENT = Item("lidar", ERROR, "no cloud on /points", is_waited_for=True)
BROKEN = Item("lidar", ERROR, "no cloud on /points")
FINE = Item("lidar", OK, "clouds come in")
TIMING = SweepTiming(0.5, 0.01, 0.02, 0.03, 0.04, latency_s=0.7)
UPRIGHT = SensorFacts(None, True, "", (), 255.0)


class FakeNode:
    """Keeps what is logged as (severity, text) and what is published."""

    def __init__(self):
        self.logged = []
        self.published = []

    def create_publisher(self, _message_type, _topic, _qos):
        return SimpleNamespace(publish=self.published.append)

    def get_logger(self):
        def keep(severity):
            return lambda text: self.logged.append((severity, text))

        return SimpleNamespace(info=keep("info"), warning=keep("warning"), error=keep("error"))

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=Time))

    def get_name(self):
        return "clip2scene"

    def get_fully_qualified_name(self):
        return "/clip2scene"


@pytest.fixture
def clock(monkeypatch):
    """A steady clock that the test moves."""
    clock = SimpleNamespace(now_s=1000.0)
    steady = SimpleNamespace(monotonic=lambda: clock.now_s)
    monkeypatch.setattr(diagnostics, "time", steady)
    monkeypatch.setattr(statistics, "time", steady)
    return clock


@pytest.fixture
def node():
    return FakeNode()


def cloud(points=3):
    return SimpleNamespace(points=np.zeros((points, 4)), labels=np.zeros(points, np.uint8))


def test_an_input_that_never_spoke_is_waited_for_before_the_log_complains(clock, node):
    reporter = DiagnosticsReporter(node)
    for _ in range(9):
        reporter.report([SILENT])
        clock.now_s += 1
    assert node.logged == [("info", "lidar: waiting: no cloud on /points")]
    assert {message.status[0].level for message in node.published} == {ERROR}
    for _ in range(12):
        clock.now_s += 1
        reporter.report([SILENT])
    assert node.logged[1:] == [("error", "lidar: no cloud on /points")] * 2


def test_an_input_that_came_late_was_never_a_fault(clock, node):
    reporter = DiagnosticsReporter(node)
    for item in (SILENT, FINE, FINE):
        reporter.report([item])
        clock.now_s += 1
    assert node.logged == [("info", "lidar: waiting: no cloud on /points")]


def test_an_input_that_falls_silent_is_a_fault_at_once_and_its_return_is_told(clock, node):
    reporter = DiagnosticsReporter(node)
    for item in (FINE, BROKEN, BROKEN, FINE, FINE, FINE):
        reporter.report([item])
        clock.now_s += 1
    assert node.logged == [("error", "lidar: no cloud on /points")]
    for _ in range(30):
        reporter.report([FINE])
        clock.now_s += 1
    assert node.logged[1:] == [("info", "lidar: works again")]


def test_what_comes_and_goes_is_one_fault_and_never_works_again_in_between(clock, node):
    reporter = DiagnosticsReporter(node)
    for item in (BROKEN, BROKEN, FINE, FINE) * 10:
        reporter.report([item])
        clock.now_s += 1
    assert {text for _, text in node.logged} == {"lidar: no cloud on /points"}
    assert len(node.logged) <= 4


def test_between_warning_and_error_only_the_first_change_is_told_at_once(clock, node):
    reporter = DiagnosticsReporter(node)
    for level in (WARN, ERROR, WARN, ERROR, WARN, ERROR):
        reporter.report([Item("tf", level, "no pose")])
        clock.now_s += 1
    assert node.logged == [("warning", "tf: no pose"), ("error", "tf: no pose")]


@pytest.mark.parametrize("unproven", [{"is_proven": False}, {"is_waited_for": True}])
def test_what_nothing_speaks_against_is_not_called_mended(clock, node, unproven):
    reporter = DiagnosticsReporter(node)
    reporter.report([BROKEN])
    reporter.begin()  # as after a deactivation
    for _ in range(20):
        clock.now_s += 1
        reporter.report([Item("lidar", OK, "waits for the first cloud", **unproven)])
    assert node.logged == [("error", "lidar: no cloud on /points")]
    for _ in range(5):
        reporter.report([FINE])
        clock.now_s += 1
    assert node.logged[1:] == [("info", "lidar: works again")]


def test_a_fault_stands_until_something_goes_well(clock):
    record = SweepRecord()
    clock.now_s += 1
    record.add_rejections(
        [
            Rejection(RejectionKind.NO_POSE, "no pose"),
            Rejection(RejectionKind.CAMERA, "no image", "cam_front"),
        ]
    )

    def standing():
        pose = record.standing_reason([RejectionKind.NO_POSE], record.last_located_s)
        used_s = record.last_used_s("cam_front")
        return pose, record.standing_reason([RejectionKind.CAMERA], used_s, "cam_front")

    clock.now_s += 100
    assert standing() == ("no pose", "no image")
    record.add_labelled(cloud(), [], TIMING, UPRIGHT, is_located=False)
    assert standing() == ("no pose", "no image")
    record.add_labelled(cloud(), [], TIMING, UPRIGHT)
    assert standing() == (None, "no image")
    record.add_labelled(cloud(), ["cam_front"], TIMING, UPRIGHT)
    assert standing() == (None, None)


def test_a_value_near_its_limit_does_not_alternate():
    threshold = Threshold()
    judged = [threshold.judge(value, 0.5) for value in (0.49, 0.51, 0.49, 0.51, 0.45, 0.40, 0.49)]
    assert judged == [False, True, True, True, True, False, False]
    assert [threshold.judge(value, 0.0) for value in (0.1, 0.0)] == [True, False]


def test_a_lasting_fault_is_logged_every_ten_seconds(clock, node):
    reporter = DiagnosticsReporter(node)
    for _ in range(22):
        reporter.report([Item("tf", WARN, "no pose")])
        clock.now_s += 1
    assert node.logged == [("warning", "tf: no pose")] * 2


def test_what_is_said_once_is_said_again_only_if_it_is_another_thing(clock, node):
    reporter = DiagnosticsReporter(node)
    for text in ["intensity is constant"] * 30 + ["no ground"] * 30:
        reporter.report([Item("sensor", WARN, text, is_said_once=True)])
        clock.now_s += 1
    assert node.logged == [
        ("warning", "sensor: intensity is constant"),
        ("warning", "sensor: no ground"),
    ]


def test_rates_are_those_of_the_last_ten_seconds(clock):
    record = SweepRecord()
    record.add_labelled(cloud(), ["cam_front"], TIMING, UPRIGHT)
    record.add_rejections([Rejection(RejectionKind.OVERTAKEN, "older")])
    clock.now_s += 4
    record.add_unwatched()
    recent = record.recent()
    assert (recent.seconds, len(recent.labelled), recent.num_unwatched) == (4, 1, 1)
    assert recent.rejected[RejectionKind.OVERTAKEN] == 1
    assert recent.labelled[0].cameras == ("cam_front",)
    clock.now_s += 7
    recent = record.recent()
    assert (recent.seconds, recent.labelled, recent.num_unwatched) == (10, (), 1)
    assert recent.rejected[RejectionKind.OVERTAKEN] == 0
    assert (record.num_labelled, record.count(RejectionKind.OVERTAKEN)) == (1, 1)


def test_a_labelled_sweep_ends_a_row_of_failures():
    record = SweepRecord()
    assert record.add_failure("out of memory")
    assert not record.add_failure("out of memory")
    assert record.num_failed_in_a_row == 2
    record.add_labelled(cloud(), [], TIMING, UPRIGHT)
    assert (record.num_failed_in_a_row, record.num_failed, record.failure()) == (0, 2, None)


def test_waiting_is_part_of_the_total_but_no_processing():
    assert TIMING.processing_s == pytest.approx(0.1)
    assert TIMING.total_s == pytest.approx(0.6)
