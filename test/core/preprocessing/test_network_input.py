"""A cloud in, what the network is told out."""

import numpy as np
import pytest
from street_sweep import moved, spin, turn

from clip2scene_core.config.sections import ConfigError, InputConfig
from clip2scene_core.preprocessing.levelling import GroundTracker
from clip2scene_core.preprocessing.network_input import level_by_ground, levelled_as, preprocess
from clip2scene_core.preprocessing.reach import is_usable
from clip2scene_core.preprocessing.statistics import describe_ground, list_oddities

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
    assert is_usable(points).tolist() == [True] + 5 * [False]
    assert is_usable(points, is_intensity_raw=False).tolist() == [True] + 4 * [False] + [True]
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
        "intensity is not finite",
        "points reach only 6 m",
    )
    assert list_oddities(raw[:7], LEVEL, None) == ("only 7 points: training had thousands",)
    pitched = moved(spin(1.8), turn(0, 14, 0))
    (note,) = list_oddities(pitched, LEVEL, preprocess(pitched, LEVEL).ground)
    assert note == "ground tilted by 14 degrees: are the extrinsics right?"


def test_the_log_says_where_the_sensor_is():
    ground = preprocess(moved(spin(0.62), turn(1.3, 0, 0)), LEVEL).ground
    assert describe_ground(ground) == "sensor 0.62 m above ground, tilt 1.3 degrees"
    assert describe_ground(None) == "no ground below the sensor"
