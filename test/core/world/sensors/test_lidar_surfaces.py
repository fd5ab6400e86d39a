"""What a LiDAR sees of a car where surfaces vary: of windows, paint and edges."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from world_builders import make_moment, primitives_from

from clip2scene_core.world.objects.vehicles import car
from clip2scene_core.world.primitives.parts import BODY, SIGN
from clip2scene_core.world.sensors.lidar import RAW_ROAD, LidarUnit, measure_sweep
from clip2scene_core.world.sensors.lidar_models import lidar_model
from clip2scene_core.world.sensors.lidar_rays import rays_of
from clip2scene_core.world.sensors.lidar_response import IntensityLaw, LidarResponse
from clip2scene_core.world.sensors.lidar_surfaces import SurfaceResponse, draw_surfaces

RAW_CAR = 17
RAW_MOTORCYCLE = 21
AHEAD_M = 8.0
BELT_M = 1.0
PLAIN = SurfaceResponse(
    clear=0.0, inside=0.0, matt=1.0, bend=0.0, rough=0.25, gains=(1.0,) * (BODY + 2)
)


@pytest.fixture(scope="module")
def plan() -> np.ndarray:
    return make_moment().scene.plan


@pytest.fixture(scope="module")
def size() -> tuple[float, float, float]:
    return car(np.random.default_rng(0), (0.5, 0.5, 0.5), "sedan")[1]


@pytest.fixture
def look(plan):
    """Measure a car that stands across, 8 m ahead; returns the points of one category."""

    def measure(surfaces, on=RAW_CAR, category=RAW_CAR):
        parts, _ = car(np.random.default_rng(0), (0.5, 0.5, 0.5), "sedan")
        primitives = primitives_from(parts)
        turned = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        primitives = primitives._replace(
            center=primitives.center @ turned + [AHEAD_M, 0, 0],
            axes=primitives.axes @ turned,
            color=np.full((len(parts), 3), 0.5),
            category=np.full(len(parts), category, np.uint8),
        )
        law = IntensityLaw(gain=0.3, spread=0.0, levels=65536)
        response = LidarResponse(law=law, drop=0.0, num_strays=0, surfaces=surfaces)
        model = dataclasses.replace(lidar_model("OS1-128"), noise_m=0.0)
        unit = LidarUnit(model, response, np.zeros((0, 2, 3)), np.eye(3), -1.0)
        T_scene_lidar = np.eye(4)
        T_scene_lidar[2, 3] = 1.8
        sweep = measure_sweep(
            primitives, plan, T_scene_lidar, unit, rays_of(model, 1024), np.random.default_rng(0)
        )
        points = sweep.points[sweep.categories == on].astype(float)
        points[:, 2] += 1.8
        return points

    return measure


def test_plain_surfaces_move_no_point(look):
    np.testing.assert_array_equal(look(PLAIN)[:, :3], look(None)[:, :3])


def test_beams_through_clear_windows_are_lost(look):
    whole, open_ = look(PLAIN), look(dataclasses.replace(PLAIN, clear=1.0))
    above = [np.count_nonzero(points[:, 2] > BELT_M) for points in (whole, open_)]
    assert above[1] < 0.6 * above[0]
    np.testing.assert_array_equal(
        whole[whole[:, 2] < 0.8 * BELT_M], open_[open_[:, 2] < 0.8 * BELT_M]
    )


def test_beams_through_windows_come_back_from_inside_the_car(look, size):
    whole = look(PLAIN)
    seats = look(dataclasses.replace(PLAIN, clear=1.0, inside=1.0))
    assert len(seats) == len(whole)
    deeper_m = np.linalg.norm(seats[:, :3], axis=1) - np.linalg.norm(whole[:, :3], axis=1)
    assert np.count_nonzero(deeper_m > 0.2) > 50
    assert (deeper_m[whole[:, 2] < 0.8 * BELT_M] == 0).all()
    assert np.abs(seats[:, 0] - AHEAD_M).max() < size[1] / 2 + 0.2  # its mirrors, too


def test_glossy_paint_is_dark_and_the_road_is_not(look):
    glossy = dataclasses.replace(PLAIN, matt=0.1)
    whole, dark = look(PLAIN), look(glossy)
    assert np.median(dark[:, 3]) < 0.5 * np.median(whole[:, 3])
    np.testing.assert_array_equal(look(PLAIN, RAW_ROAD)[:, 3], look(glossy, RAW_ROAD)[:, 3])


def test_panels_bend_back_most_at_their_ends(look, size):
    whole, bent = look(PLAIN), look(dataclasses.replace(PLAIN, bend=1.0))
    assert len(bent) == len(whole)
    is_door = (whole[:, 2] > 0.4) & (whole[:, 2] < 0.7)
    deeper_m = (np.linalg.norm(bent[:, :3], axis=1) - np.linalg.norm(whole[:, :3], axis=1))[is_door]
    across = np.abs(whole[is_door, 1]) / (size[0] / 2)
    assert deeper_m.min() > -0.01
    assert deeper_m[across < 0.6].max() < 0.06
    assert deeper_m[across > 0.93].mean() > 0.08


def test_rough_ground_is_bright_far_away(look):
    medians = []
    for share in (0.25, 1.0):
        road = look(dataclasses.replace(PLAIN, rough=share), RAW_ROAD)
        medians.append(np.median(road[np.linalg.norm(road[:, :2], axis=1) > 20, 3]))
    assert medians[1] > 2 * medians[0]


def test_what_has_no_body_has_no_windows(look):
    clear = dataclasses.replace(PLAIN, clear=1.0, bend=1.0)
    motorcycle = look(clear, RAW_MOTORCYCLE, RAW_MOTORCYCLE)
    np.testing.assert_array_equal(motorcycle[:, :3], look(None)[:, :3])


def test_surfaces_are_drawn_around_the_plain_ones():
    drawn = [draw_surfaces(np.random.default_rng(seed)) for seed in range(300)]
    gains = np.array([one.gains for one in drawn])
    assert gains.shape == (300, BODY + 2)
    assert np.median(gains[:, BODY]) == pytest.approx(1.0, abs=0.15)
    assert (gains[:, SIGN] == 1.0).all()
    assert min(one.matt for one in drawn) < 0.06
    assert max(one.matt for one in drawn) > 0.7
