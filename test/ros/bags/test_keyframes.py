import numpy as np
import pytest

from clip2scene_core.geometry.se3 import matrix_from_quaternion
from clip2scene_ros.bags.keyframes import KeyframeChooser, KeyframeOptions

SECOND = 10**9


def at(x=0.0, yaw_deg=0.0):
    half = np.radians(yaw_deg) / 2
    return matrix_from_quaternion([np.cos(half), 0, 0, np.sin(half)], [x, 0, 0])


def chosen(options, way):
    chooser = KeyframeChooser(options)
    return [i for i, (t, pose) in enumerate(way) if chooser.choose(round(t * SECOND), pose)]


def test_a_moving_robot_gives_two_a_second():
    way = [(0.1 * i + 0.003 * (i % 2), at(x=i)) for i in range(21)]
    assert chosen(KeyframeOptions(), way) == [0, 5, 10, 15, 20]


def test_a_slow_robot_gives_one_each_half_meter_or_turn():
    assert chosen(KeyframeOptions(), [(i, at(x=0.2 * i)) for i in range(8)]) == [0, 3, 6]
    assert chosen(KeyframeOptions(), [(i, at(yaw_deg=6 * i)) for i in range(5)]) == [0, 2, 4]


def test_a_standing_robot_gives_one_now_and_then():
    way = [(i, at()) for i in range(12)]
    assert chosen(KeyframeOptions(standing_s=5), way) == [0, 5, 10]


def test_without_poses_time_decides():
    nowhere = np.full((4, 4), np.nan)
    way = [(0.25 * i, nowhere) for i in range(5)]
    assert chosen(KeyframeOptions(), way) == [0, 2, 4]


def test_negative_values_are_refused():
    with pytest.raises(ValueError, match="distance_m must be 0 or more, got -1"):
        KeyframeOptions(distance_m=-1)
