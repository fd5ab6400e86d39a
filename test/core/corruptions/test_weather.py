import math
from itertools import pairwise

import numpy as np
import pytest
from street_sweep import street_points

from clip2scene_core.corruptions.corruption import STRENGTHS, Fog, Rain
from clip2scene_core.corruptions.haze import distance_image, fog_view, rain_view
from clip2scene_core.corruptions.weather import (
    extinction_of_fog,
    extinction_of_rain,
    fog_points,
    rain_points,
)
from clip2scene_core.datasets import CameraView, Sweep

FAR_M = 20.0


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def num_far(points: np.ndarray) -> int:
    return int((np.linalg.norm(points[:, :3], axis=1) > FAR_M).sum())


@pytest.mark.parametrize(("kind", "see"), [("fog", fog_points), ("rain", rain_points)])
def test_worse_weather_leaves_fewer_far_points_and_more_false_ones(kind, see):
    points = street_points()
    results = [see(points, parameters, rng()) for parameters in STRENGTHS[kind]]
    far = [num_far(points), *(num_far(result.points) for result in results)]
    assert all(a > b for a, b in pairwise(far)), far
    false = [int(result.is_false.sum()) for result in results]
    assert all(a <= b for a, b in pairwise(false)), false
    assert false[-1] > 0


def test_clear_air_changes_nothing():
    points = street_points()
    for clear in (
        fog_points(points, Fog(math.inf), rng()),
        rain_points(points, Rain(1e-6, 1.0), rng()),
    ):
        np.testing.assert_allclose(clear.points, points, rtol=2e-5)
        np.testing.assert_array_equal(clear.beam, np.arange(len(points)))
        assert not clear.is_false.any()


def test_fog_dims_a_bright_point_both_ways():
    # Half of the visibility there and back is the whole visibility: 5 % are left.
    bright = np.array([[0, 30, 0, 1]], dtype=np.float32)
    seen = fog_points(bright, Fog(60), rng())
    np.testing.assert_allclose(seen.points, [[0, 30, 0, 0.05]], rtol=1e-5)


def test_fog_swallows_a_dark_point():
    # 1 % of reflectivity at 25 m is weaker than 10 % at 100 m even before the fog takes its part.
    dark = np.array([[0, 25, 0, 0.004]], dtype=np.float32)
    seen = fog_points(dark, Fog(50), rng())
    assert len(seen.points) == 0 or seen.is_false.all()


def test_false_points_stand_before_the_true_ones():
    points = street_points()
    for seen in (fog_points(points, Fog(50), rng()), rain_points(points, Rain(100, 0.2), rng())):
        ranges = np.linalg.norm(seen.points[:, :3], axis=1)
        original = np.linalg.norm(points[seen.beam, :3], axis=1)
        assert (ranges[seen.is_false] < original[seen.is_false]).all()
        assert (seen.points[:, 3] >= 0).all()
        assert (seen.points[:, 3] <= 1).all()


def test_extinction_follows_visibility_and_rain_rate():
    assert math.exp(-extinction_of_fog(Fog(200)) * 200) == pytest.approx(0.05)
    # Slope 4.1 · 10^-0.21 = 2.528 per mm; pi · 8000 / 2.528³ = 1556 mm² per m³.
    assert extinction_of_rain(Rain(10, 1.0)) == pytest.approx(1.556e-3, rel=1e-3)


def test_no_points_stay_no_points():
    nothing = np.empty((0, 4), dtype=np.float32)
    assert len(fog_points(nothing, Fog(50), rng()).points) == 0
    assert len(rain_points(nothing, Rain(50, 0.5), rng()).points) == 0


def view_of(sweep_points: np.ndarray, brightness: np.ndarray) -> tuple[CameraView, Sweep]:
    """A camera at the LiDAR that looks along y."""
    T_global_camera = np.eye(4)
    T_global_camera[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    intrinsics = np.array([[40.0, 0, 40], [0, 40, 20], [0, 0, 1]])
    image = np.repeat(brightness.astype(np.uint8)[..., None], 3, axis=2)
    view = CameraView("cam", image, intrinsics, T_global_camera, 0)
    return view, Sweep(sweep_points, np.eye(4), 0)


@pytest.fixture
def two_walls() -> tuple[CameraView, Sweep]:
    """Left a wall at 10 m, right one at 40 m; dark, with a bright sky above."""
    u, v = np.meshgrid(np.arange(1, 80), np.arange(10, 40))
    depth = np.where(u < 40, 10.0, 40.0)
    points = np.stack([(u - 40) / 40 * depth, depth, (20 - v) / 40 * depth, 0 * depth], axis=-1)
    brightness = np.full((40, 80), 50)
    brightness[:8] = 250
    return view_of(points.reshape(-1, 4).astype(np.float32), brightness)


def test_distances_come_from_the_sweep_and_reach_up(two_walls):
    distance = distance_image(*two_walls)
    assert distance.shape == (40, 80)
    # Along the ray, from the axis outward: 10 m · 1.03 at 10 columns from the middle.
    assert distance[20, 30] == pytest.approx(10.3, rel=0.03)
    assert distance[20, 50] == pytest.approx(41.2, rel=0.03)
    assert distance[0, 50] == pytest.approx(distance[12, 50], rel=0.03)


def test_without_a_point_everything_is_far():
    distance = distance_image(*view_of(np.empty((0, 4), np.float32), np.zeros((40, 80))))
    assert (distance == 100).all()


def test_fog_follows_koschmieder(two_walls):
    view, sweep = two_walls
    light = (fog_view(view, sweep, Fog(60)).image[20, 50, 0] / 255) ** 2.2
    through = 0.05 ** (41.2 / 60)
    expected = through * (50 / 255) ** 2.2 + (1 - through) * (250 / 255) ** 2.2
    assert light == pytest.approx(expected, rel=0.03)


def test_denser_fog_leaves_less_contrast_and_takes_the_far_first(two_walls):
    view, sweep = two_walls
    images = [fog_view(view, sweep, fog).image.astype(int) for fog in STRENGTHS["fog"]]
    contrast = [int(image[3, 50, 0] - image[20, 50, 0]) for image in images]
    assert all(a > b for a, b in pairwise(contrast)), contrast
    assert all(image[20, 50, 0] > image[20, 30, 0] for image in images)
    np.testing.assert_array_equal(fog_view(view, sweep, Fog(math.inf)).image, view.image)


def test_rain_draws_streaks_that_the_generator_decides(two_walls):
    view, sweep = two_walls
    rain = STRENGTHS["rain"][-1]
    image = np.full((300, 600, 3), 50, np.uint8)
    image[:60] = 250
    large = CameraView(view.name, image, np.diag([8.0, 8.0, 1.0]) @ view.intrinsics, np.eye(4), 0)
    first, again = (rain_view(large, sweep, rain, rng()).image for _ in range(2))
    other = rain_view(large, sweep, rain, np.random.default_rng(1)).image
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    view_in_rain = rain_view(view, sweep, rain, rng()).image
    assert (view_in_rain[20:] >= view.image[20:]).all()  # the sky is brighter than the walls
