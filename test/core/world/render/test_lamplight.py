"""Night: lamps, headlights, and the noise of the cameras."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import ego_pose
from clip2scene_core.world.layout.weather import WEATHER_NAMES
from clip2scene_core.world.primitives.parts import LAMP
from clip2scene_core.world.render.camera import (
    Hits,
    Moment,
    cast_camera,
    moment_of,
    paint,
    static_sun_map,
)
from clip2scene_core.world.render.lamplight import NO_LAMPLIGHT, lamplight_at
from clip2scene_core.world.render.shading import SKY, develop
from clip2scene_core.world.sensors.sensor_rig import RIG_CAMERAS

SECONDS = 0.5


@pytest.fixture(scope="module")
def night() -> Moment:
    scene = build_scene(WEATHER_NAMES.index("night"), 0, 1.0)
    return moment_of(scene, static_sun_map(scene), SECONDS)


def front_view(moment: Moment) -> Hits:
    sensor, size = RIG_CAMERAS[0], (112, 200)
    pose = ego_pose(moment.scene, SECONDS) @ sensor.T_ego_sensor
    return cast_camera(moment, sensor.intrinsics(size), pose, size)


def lamplight_before_ego(moment: Moment, ahead_m: float, height_m: float = 0.0) -> float:
    point, out = np.array([ahead_m, 0.0, height_m, 1.0]), np.zeros(3)
    place = (ego_pose(moment.scene, SECONDS) @ point)[:3]
    lamplight_at(moment.lamplight.light, moment.lamplight.frame, place, out)
    return float(out.mean())


def test_headlights_light_the_road_ahead(night):
    assert lamplight_before_ego(night, 10.0) > 0.5
    assert lamplight_before_ego(night, 10.0) > lamplight_before_ego(night, 25.0)


def test_lamplight_does_not_reach_above_the_lamps(night):
    assert lamplight_before_ego(night, 10.0, height_m=9.0) == 0.0


def test_street_lamp_lights_its_foot(night):
    primitives = night.primitives
    is_lamp = (primitives.material == LAMP) & (primitives.center[:, 2] > 5.0)
    is_lamp &= np.abs(primitives.center[:, 0]) < 30  # the map ends 30 m from the drive
    out = np.zeros(3)
    for lamp in np.flatnonzero(is_lamp):
        foot = primitives.center[lamp] * [1.0, 1.0, 0.0]
        lamplight_at(night.lamplight.light, night.lamplight.frame, foot, out)
        assert out[0] > 0.8
        assert out[0] > out[2]  # warm
    assert is_lamp.sum() >= 2


def test_lamps_make_the_picture_brighter_but_not_the_sky(night):
    hits = front_view(night)
    dark = Moment(night.scene, night.primitives, night.sun_map, NO_LAMPLIGHT)
    is_sky = hits.index == SKY
    lit, unlit = paint(night, hits), paint(dark, hits)
    assert lit[~is_sky].mean() > unlit[~is_sky].mean() + 10
    assert lit[~is_sky].mean() > lit[is_sky].mean()
    assert unlit.mean() < 60


def test_day_has_no_lamplight():
    scene = build_scene(WEATHER_NAMES.index("sunny"), 0, 1.0)
    assert moment_of(scene, static_sun_map(scene), SECONDS).lamplight is NO_LAMPLIGHT


def test_grain_has_the_asked_standard_deviation():
    image, hits = np.full((80, 80, 3), 1.0), np.zeros((80, 80), np.int64)
    curve = np.full(4096, 128, np.uint8)
    noise = develop(image, hits, curve, 4.0, seed=3).astype(float) - 128
    assert noise.std() == pytest.approx(4.0, rel=0.05)
    assert abs(noise.mean()) < 0.1
    assert (develop(image, hits, curve, 0.0, seed=3) == 128).all()
