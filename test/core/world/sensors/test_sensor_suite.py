"""LiDARs, places and cameras that are drawn for a scene."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import Scene
from clip2scene_core.world.sensors.lidar_models import MODEL_NAMES, lidar_model
from clip2scene_core.world.sensors.lidar_response import LidarResponse
from clip2scene_core.world.sensors.sensor_rig import RIG_CAMERAS, RIG_LIDAR, firings
from clip2scene_core.world.sensors.sensor_suite import (
    HEIGHTS_M,
    SensorSuite,
    draw_suite,
    nuscenes_suite,
)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(3, 1, 0.5)


def drawn(scene: Scene, seed: int, platform: str | None = None) -> SensorSuite:
    """Draw the sensors of a platform, by default of any."""
    scene = dataclasses.replace(scene, platform=platform or "car")
    rng = np.random.default_rng(seed)
    return draw_suite(
        scene, MODEL_NAMES, "mixed", "mixed", (542, 38_000), rng, is_any_platform=platform is None
    )


def test_places_are_those_of_the_platform(scene):
    suites = [drawn(scene, seed) for seed in range(200)]
    for suite in suites:
        low, high = HEIGHTS_M[suite.platform]
        T_ego_lidar = suite.lidar.T_ego_sensor
        assert low <= T_ego_lidar[2, 3] <= high
        tilt = np.degrees(np.arccos(T_ego_lidar[2, 2]))
        assert tilt < 16
        np.testing.assert_allclose(
            T_ego_lidar[:3, :3] @ T_ego_lidar[:3, :3].T, np.eye(3), atol=1e-9
        )
        if suite.unit.model.sector_deg < 360:
            assert T_ego_lidar[0, 1] > 0.8  # its y axis looks ahead
    tilts = [np.degrees(np.arccos(suite.lidar.T_ego_sensor[2, 2])) for suite in suites]
    assert np.mean(np.array(tilts) < 3) > 0.6
    assert max(tilts) > 8
    heights = [suite.lidar.T_ego_sensor[2, 3] for suite in suites]
    assert min(heights) < 0.5
    assert max(heights) > 2.2
    assert {suite.unit.model.name for suite in suites} == set(MODEL_NAMES)


def test_a_platform_of_a_scene_stays(scene):
    for platform in ("car", "robot"):
        assert {drawn(scene, seed, platform).platform for seed in range(20)} == {platform}
    with pytest.raises(ValueError, match="platform 'boat'"):
        drawn(scene, 0, "boat")


def test_cameras_are_few_or_many_with_lenses_short_or_long(scene):
    rigs = [drawn(scene, seed).cameras for seed in range(200)]
    assert {len(rig) for rig in rigs} == {1, 2, 4, 6}
    known = {camera.channel for camera in RIG_CAMERAS}
    for rig in rigs:
        assert len({camera.channel for camera in rig} & known) == len(rig)
    focals = np.array([camera.focal for rig in rigs for camera in rig])
    assert focals.min() < 0.45
    assert focals.max() > 1.05
    assert all(0.2 < camera.T_ego_sensor[2, 3] < 2.6 for rig in rigs for camera in rig)


def test_a_camera_fires_when_the_lidar_looks_its_way(scene):
    for seed in range(30):
        suite = drawn(scene, seed)
        if suite.unit.model.sector_deg < 360:
            continue
        for camera in suite.cameras:
            share = 1 + camera.offset_s * suite.lidar.rate_hz
            turn = np.pi - 2 * np.pi * share
            looking = suite.lidar.T_ego_sensor[:3, :3] @ [np.cos(turn), np.sin(turn), 0.0]
            assert looking @ camera.T_ego_sensor[:3, 2] > 0.9


def test_a_slow_lidar_has_half_the_sweeps(scene):
    slow = dataclasses.replace(RIG_LIDAR, rate_hz=lidar_model("VLP-16").hz)
    assert len(firings(slow, 2.0, 0, is_every_frame=True)) == 20
    sweeps = firings(slow, 1.0, 2, is_every_frame=False)
    assert [round(firing.seconds * 10) for firing in sweeps] == [-2, -1, 0, 3, 4, 5]


def test_nuscenes_alone_keeps_its_response_and_place(scene):
    old = nuscenes_suite(542)
    rng = np.random.default_rng(0)
    suite = draw_suite(scene, ("nuscenes",), "nuscenes", "mixed", (542, 38_000), rng)
    assert suite.unit.response == LidarResponse()
    np.testing.assert_array_equal(suite.lidar.T_ego_sensor, old.lidar.T_ego_sensor)
    np.testing.assert_array_equal(suite.unit.body, old.unit.body)
    assert suite.num_columns == 542
