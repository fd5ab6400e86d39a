"""How the LiDAR sits: one line in the log, one item in the diagnostics."""

from __future__ import annotations

import logging

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

from ros_graph import OK, ONE_PER_QUADRANT, WARN, values_of
from street_sweep import turn

from clip2scene_core.preprocessing.ground import Ground
from clip2scene_ros.labelling import SensorFacts
from clip2scene_ros.node.health.sensor import SensorLog, sensor_item

pytestmark = pytest.mark.ros

UNKNOWN = "base_link <- lidar_top is not known; z of the LiDAR is taken as up"


def facts(height_m=None, tilt_deg=0.0, without_extrinsics="", notes=()):
    normal = turn(tilt_deg, 0, 0)[:3, 2]
    ground = None if height_m is None else Ground(normal, height_m)
    return SensorFacts(ground, True, without_extrinsics, notes, 255.0)


@pytest.fixture
def said(caplog):
    """Give sweeps to one log; returns what it said at each of them."""
    log = SensorLog()

    def lines(sweeps):
        with caplog.at_level(logging.INFO):
            for sweep in sweeps:
                log.update(sweep)
        texts = [(record.levelname, record.getMessage()) for record in caplog.records]
        caplog.clear()
        return texts

    return lines


def test_the_place_of_the_sensor_is_said_once_and_again_when_it_changes_lastingly(said):
    first = ("INFO", "sensor 1.84 m above ground, tilt 0.4 degrees")
    assert said([facts(), facts(1.84, 0.4)] + [facts(1.86, 0.9)] * 100) == [first]
    bump = [facts(1.5, 3)] * 49
    assert said([*bump, facts(1.84, 0.4), *bump]) == []
    loaded = ("INFO", "sensor 1.50 m above ground, tilt 3.0 degrees")
    assert said([facts(1.5, 3)] * 200) == [loaded]


def test_unknown_extrinsics_are_said_once_and_not_while_nodes_find_each_other(said):
    unknown = facts(without_extrinsics=UNKNOWN)
    assert said([unknown] * 9 + [facts()]) == []
    assert said([unknown] * 100) == [("WARNING", UNKNOWN)]


def test_a_note_warns_while_half_of_the_sweeps_have_it():
    odd, fine = facts(notes=("intensity is constant",)), facts(0.62, 1.3)
    item = sensor_item([odd, odd, fine], "auto")
    assert (item.level, item.message) == (WARN, "intensity is constant")
    item = sensor_item([odd, fine, fine], "auto")
    assert (item.level, item.message) == (OK, "sensor 0.62 m above ground, tilt 1.3 degrees")
    assert item.values["height m"] == pytest.approx(0.62)
    assert sensor_item([], "off").level == OK


def test_log_and_diagnostics_of_the_node_say_how_the_sensor_sits(start_graph, segmenter, capfd):
    segmenter.ground = Ground(turn(0, 1.3, 0)[:3, 2], 0.62)
    graph = start_graph(level="on")
    assert segmenter.options.level is True
    for number in range(12):
        graph.send(1.0 + number)
        graph.spin_until(lambda number=number: len(graph.received.points) > number)
    line = "sensor 0.62 m above ground, tilt 1.3 degrees"
    item = graph.spin_until_item("sensor", lambda item: item.message == line)
    values = values_of(item)
    assert (item.level, values["height m"], values["tilt degrees"]) == (OK, "0.620", "1.300")
    assert (values["intensity scale"], values["extrinsics"]) == ("255.000", UNKNOWN)
    segmenter.ground, segmenter.notes = None, ("no ground below the sensor",)
    for number in range(12, 30):
        graph.send(1.0 + number)
        graph.spin_until(lambda number=number: len(graph.received.points) > number)
    item = graph.spin_until_item("sensor", lambda item: item.level == WARN)
    assert item.message == f"no ground below the sensor; {UNKNOWN}"
    assert graph.set_parameters(level="off") == [(True, "")]
    assert segmenter.options.level is False
    logged = capfd.readouterr().err
    for text in (line, "intensity_scale is auto: took 255 from the clouds"):
        assert logged.count(text) == 1
    assert sum(UNKNOWN in text and "sensor: " not in text for text in logged.splitlines()) == 1


def test_the_extrinsics_file_reaches_the_segmenter(start_graph, segmenter, extrinsics_file):
    graph = start_graph(extrinsics_file=extrinsics_file)
    graph.send(1.0, [*ONE_PER_QUADRANT])
    graph.spin_until(lambda: graph.received.points)
    np.testing.assert_array_equal(segmenter.sweeps[0].T_base_lidar, np.eye(4))
