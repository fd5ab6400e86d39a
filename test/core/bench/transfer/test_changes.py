"""A sensor that stands elsewhere or measures otherwise."""

import numpy as np
import pytest

from clip2scene_core.bench.transfer.changes import CHANGES, NO_CHANGE, SensorChange

POINTS = np.array([[3.0, 4.0, -1.8, 0.5], [0.0, -8.0, 0.2, 0.1]], np.float32)


def test_a_higher_sensor_sees_the_ground_lower():
    moved = SensorChange("", raise_m=0.1).apply(POINTS)
    np.testing.assert_allclose(moved[:, 2], POINTS[:, 2] - 0.1, atol=1e-6)
    np.testing.assert_array_equal(moved[:, [0, 1, 3]], POINTS[:, [0, 1, 3]])


def test_a_tilt_turns_about_x_and_keeps_ranges():
    tilted = SensorChange("", tilt_deg=90.0).apply(POINTS)
    np.testing.assert_allclose(tilted[0, :3], [3.0, 1.8, 4.0], atol=1e-6)
    ranges = np.linalg.norm(tilted[:, :3], axis=1)
    np.testing.assert_allclose(ranges, np.linalg.norm(POINTS[:, :3], axis=1), rtol=1e-6)


@pytest.mark.parametrize(("gain", "expected"), [(0.0, [0.0, 0.0]), (6.0, [1.0, 0.6])])
def test_a_gain_saturates(gain, expected):
    np.testing.assert_allclose(SensorChange("", gain=gain).apply(POINTS)[:, 3], expected, rtol=1e-6)


def test_points_that_came_in_stay_as_they_are():
    before = POINTS.copy()
    for change in CHANGES:
        change.apply(POINTS)
    np.testing.assert_array_equal(POINTS, before)
    np.testing.assert_array_equal(NO_CHANGE.apply(POINTS), before)
