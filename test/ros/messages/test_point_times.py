"""The per-point times of the common drivers, each as its driver writes them."""

from __future__ import annotations

import numpy as np
import pytest
import ros_messages

from clip2scene_ros.messages.decode import CloudError, points_from_cloud
from clip2scene_ros.messages.point_times import point_times

AT_NS = 1_700_000_000_050_000_000
XYZ = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("intensity", "<f4")]


def make_cloud(name, datatype, times, at_ns=AT_NS, xyz=1.0, **options):
    array = np.zeros(len(times), np.dtype([*XYZ, (name, datatype)]))
    array["x"] = xyz
    array[name] = times
    return ros_messages.cloud(array, at_ns, **options)


def read(message):
    return point_times(message, points_from_cloud(message))


@pytest.mark.parametrize(
    ("name", "datatype", "times"),
    [
        pytest.param("time", "<f4", [-0.025, 0.0, 0.075], id="Velodyne"),
        pytest.param(
            "timestamp", "<f8", [1_700_000_000 + t for t in (0.025, 0.05, 0.125)], id="Hesai"
        ),
        pytest.param("timestamp", "<f8", [AT_NS + t for t in (-25e6, 0, 75e6)], id="Livox"),
        pytest.param(
            "time_stamp",
            "<f8",
            [1_700_000_000 + t for t in (0.025, 0.05, 0.125)],
            id="Autoware, old",
        ),
    ],
)
def test_times_are_seconds_from_the_stamp(name, datatype, times):
    np.testing.assert_allclose(
        read(make_cloud(name, datatype, times)), [-0.025, 0, 0.075], atol=1e-6
    )


@pytest.mark.parametrize(
    "name", [pytest.param("t", id="Ouster"), pytest.param("time_stamp", id="Autoware")]
)
def test_unsigned_times_are_nanoseconds_from_the_stamp(name):
    times = read(make_cloud(name, "<u4", [0, 50_000_000, 99_999_999]))
    np.testing.assert_allclose(times, [0, 0.05, 0.099999999], rtol=1e-12)


def test_seconds_of_a_simulated_clock_are_not_taken_for_nanoseconds():
    times = read(make_cloud("timestamp", "<f8", [2.0, 2.1], at_ns=2_000_000_000))
    np.testing.assert_allclose(times, [0, 0.1], atol=1e-9)


def test_times_of_points_that_were_not_measured_are_not_read():
    message = make_cloud(
        "timestamp", "<f8", [0.0, np.nan, 1_700_000_000.06], xyz=[np.nan, 0.0, 5.0]
    )
    np.testing.assert_allclose(read(message), [0, 0, 0.01], atol=1e-6)


def test_an_organised_cloud_is_read_row_by_row():
    array = np.zeros((2, 3), np.dtype([*XYZ, ("t", "<u4")]))
    array["x"] = 1.0
    array["t"] = [[0, 1, 2], [3, 4, 5]]
    times = read(ros_messages.cloud(array, AT_NS))
    np.testing.assert_allclose(times, np.arange(6) * 1e-9)


def test_an_empty_cloud_has_no_times():
    assert read(make_cloud("t", "<u4", [])).shape == (0,)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (
            make_cloud("ring", "<u2", [1, 2]),
            "no time per point, .* fields are x, y, z, intensity, ring",
        ),
        (make_cloud("t", "<f4", [0.0]), "no time per point"),
        (
            make_cloud("time", "<f4", [0.0, 3.0]),
            r"field time puts a point 3\.000 s from the header",
        ),
        (
            make_cloud("timestamp", "<f8", [12.0]),
            r"field timestamp puts a point -1699999988\.050 s",
        ),
        (make_cloud("time", "<f4", [0.0, np.nan]), "field time puts a point nan s"),
    ],
)
def test_times_that_cannot_be_used_are_refused(message, complaint):
    with pytest.raises(CloudError, match=complaint):
        read(message)
