"""A cloud in, what the network is told out."""

import re

import numpy as np
import pytest
from street_sweep import moved, spin, turn

from clip2scene_core.config.sections import ConfigError, InputConfig
from clip2scene_core.preprocessing.levelling import GroundTracker
from clip2scene_core.preprocessing.network_input import level_by_ground, levelled_as, preprocess
from clip2scene_core.preprocessing.reach import is_usable
from clip2scene_core.preprocessing.statistics import (
    describe_ground,
    kind_of_note,
    list_left_out,
    list_oddities,
)

LEVEL = InputConfig(level=True, intensity="rank")


def test_by_default_the_network_is_told_the_cloud_itself():
    points = spin()
    told = preprocess(points, InputConfig(), turn(180, 0, 0))
    assert told.points is points
    assert told.ground is None
    assert level_by_ground(points, InputConfig()) is points


def test_place_and_intensity_are_those_of_every_sensor():
    low = moved(spin(0.6, seed=3), turn(4, -3, 0))
    low[:, 3] = 40 * low[:, 3] ** 2
    low[::9, 3] = np.nan
    before = low.copy()
    told = preprocess(low, LEVEL)
    np.testing.assert_array_equal(low, before)
    is_road = np.abs(told.points[:, 2] + 1.84) < 0.1
    assert is_road.mean() > 0.4
    assert told.ground.height_m == pytest.approx(0.6, abs=0.02)
    assert told.ground.tilt_deg == pytest.approx(5, abs=0.2)
    assert told.points[:, 3].min() >= 0
    assert told.points[:, 3].mean() == pytest.approx(0.5, abs=0.01)
    assert (told.points[::9, 3] == 0.5).all()


def test_the_tracker_s_ground_levels():
    tracker = GroundTracker(0.5)
    preprocess(spin(1.0), LEVEL, tracker=tracker)
    told = preprocess(spin(1.2), LEVEL, tracker=tracker)
    assert told.ground is tracker.ground
    assert told.ground.height_m == pytest.approx(1.1, abs=0.02)
    without = preprocess(spin(1.0)[:5], LEVEL, tracker=tracker)
    assert without.ground is told.ground


def test_levelling_is_switched_apart_from_the_training():
    assert levelled_as(LEVEL, None) is LEVEL
    assert not levelled_as(LEVEL, False).level
    assert levelled_as(InputConfig(), True) == InputConfig(level=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"intensity": "log"}, "input.intensity must be one of raw, rank, none, got 'log'"),
        ({"sensor_height_m": 0.0}, "input.sensor_height_m must be positive metres, got 0.0"),
        ({"sensor_height_m": float("nan")}, "got nan"),
    ],
)
def test_an_input_that_cannot_be_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        InputConfig(**values)


def test_the_robot_and_what_is_far_or_broken_is_not_usable():
    points = np.array(
        [[5, 0, 0, 0], [1, 1, -3, 0], [0.5, 0, 0, 0], [81, 0, 0, 0], [np.nan, 5, 0, 0],
         [5, 5, 0, np.nan]], np.float32,
    )  # fmt: skip
    assert is_usable(points).tolist() == [True] + 4 * [False] + [True]
    assert is_usable(points, 0.0, 0.0, 100.0)[:4].all()


def test_a_sweep_like_those_of_the_training_is_not_odd():
    points = spin(1.8)
    assert list_oddities(points, LEVEL, preprocess(points, LEVEL).ground) == ()
    assert list_oddities(points, InputConfig(), None) == ()


def test_what_is_far_from_the_training_is_named():
    points = spin(4.1)
    points[:, 3] = 0.2
    notes = list_oddities(points, LEVEL, preprocess(points, LEVEL).ground)
    assert notes == (
        "intensity is constant",
        "sensor 4.1 m above ground: training had 0.3 to 2.6 m",
    )
    assert list_oddities(points, InputConfig(level=True, intensity="none"), None) == (
        "no ground below the sensor",
    )
    raw = spin(1.8)
    raw[:, 3] *= 255
    (note,) = list_oddities(raw, InputConfig(), None)
    assert note.startswith("intensity is ")
    assert note.endswith(": training had 0 to 1")
    raw[:, 3] = np.nan
    raw[:, :3] /= 10
    assert list_oddities(raw, LEVEL, preprocess(spin(1.8), LEVEL).ground) == (
        "100 % of the intensities are not finite: they count as unknown",
        "points reach only 6 m",
    )
    assert list_oddities(raw[:7], LEVEL, None) == ("only 7 points: training had thousands",)
    raw = spin(1.8)
    raw[:, 3] /= 255
    dark, few = (list_oddities(p, InputConfig(), None) for p in (raw, raw[:7]))
    assert len(dark) == 1
    assert re.fullmatch(r"intensity is 0(.\d+)? to 0.00\d+: training had 0 to 1", dark[0])
    assert [note.split()[0] for note in few] == ["intensity", "only"]
    assert list_oddities(raw, InputConfig(intensity="rank"), None) == ()
    assert list_oddities(raw[:0], InputConfig(), None)[0].startswith("only 0 points")
    pitched = moved(spin(1.8), turn(0, 14, 0))
    (note,) = list_oddities(pitched, LEVEL, preprocess(pitched, LEVEL).ground)
    assert note == "ground tilted by 14 degrees: are the extrinsics right?"


REACH = (1.0, 1.5, 80.0)


def test_a_third_of_the_points_out_of_reach_is_said():
    street = spin(1.8)
    assert list_left_out(street, REACH) == ()
    in_millimetres, in_a_map = street.copy(), street.copy()
    in_millimetres[:, :3] *= 1000
    in_a_map[:, 0] += 600
    for points in (in_millimetres, in_a_map):
        (note,) = list_left_out(points, REACH)
        assert note.startswith("100 % of the points are out of reach: 100 % farther than 80 m, ")
    no_echo = np.concatenate([street, np.zeros((len(street), 4), np.float32)])
    assert list_left_out(no_echo, REACH) == ()
    assert list_left_out(no_echo[:0], REACH) == ()


def test_a_cloud_without_places_says_so():
    points = np.zeros((1000, 4), np.float32)
    points[:600, 2] = np.nan
    points[990:] = 10, 0, 0, 0.5
    (note,) = list_left_out(points, REACH)
    assert note.startswith("60 % of the points are not finite, 39 % are at the origin")


def test_an_optical_frame_loses_points_to_the_circle_unless_its_axes_are_known():
    """z forward, x right, y down: what is ahead lies along z, and so within a circle about z."""
    generator = np.random.default_rng(0)
    optical = np.ones((2000, 4), np.float32)
    optical[:, :3] = generator.uniform((-1, -0.8, 2), (1, 0.8, 8), (2000, 3))
    T_base_optical = np.eye(4)
    T_base_optical[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    (note,) = list_left_out(optical, REACH)
    assert "100 % in the robot's circle of 1.5 m" in note
    assert list_left_out(optical, REACH, T_base_optical) == ()


def test_notes_of_one_kind_differ_in_their_numbers_alone():
    first, second = "intensity is -3.1e+04 to 1: training", "intensity is 0.5 to 2.25: training"
    assert kind_of_note(first) == kind_of_note(second)
    assert kind_of_note(first) != kind_of_note("intensity is constant")


def test_the_log_says_where_the_sensor_is():
    ground = preprocess(moved(spin(0.62), turn(1.3, 0, 0)), LEVEL).ground
    assert describe_ground(ground) == "sensor 0.62 m above ground, tilt 1.3 degrees"
    assert describe_ground(None) == "no ground below the sensor"
