"""LiDARs at any height and tilt: where their points are, and what they say of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from world_builders import SECONDS, make_moment

from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.world.layout.scene import ego_pose
from clip2scene_core.world.render.camera import Moment
from clip2scene_core.world.sensors.lidar import (
    RAW_EGO,
    RAW_ROAD,
    LidarUnit,
    Revolution,
    measure_sweep,
)
from clip2scene_core.world.sensors.lidar_models import NUSCENES, LidarModel, lidar_model
from clip2scene_core.world.sensors.lidar_rays import rays_of
from clip2scene_core.world.sensors.lidar_response import (
    IntensityLaw,
    LidarResponse,
    draw_response,
    intensity_of,
)
from clip2scene_core.world.sensors.own_body import PLATFORMS, body_ranges, draw_body
from clip2scene_core.world.sensors.sensor_suite import rotation

NO_BODY = np.zeros((0, 2, 3))


@pytest.fixture(scope="module")
def moment() -> Moment:
    return make_moment()


def measured(
    moment: Moment, model: LidarModel, T_ego_lidar: np.ndarray, response: LidarResponse
) -> Revolution:
    unit = LidarUnit(model, response, NO_BODY, T_ego_lidar[:3, :3], -0.1)
    rays = rays_of(model, min(400, model.columns) if model.scan == "spin" else 8000, SECONDS)
    T_scene_lidar = ego_pose(moment.scene, SECONDS) @ T_ego_lidar
    rng = np.random.default_rng(0)
    return measure_sweep(moment.primitives, moment.scene.plan, T_scene_lidar, unit, rays, rng)


def pose(height_m: float, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    transform = np.eye(4)
    transform[:3, :3] = rotation(0.0, pitch, roll) @ rotation(yaw - 90.0, 0.0, 0.0)
    transform[:3, 3] = 0.5, 0.0, height_m
    return transform


@pytest.mark.parametrize("name", ["VLP-16", "OS0-64", "Avia", "RS-M1"])
def test_the_road_under_a_tilted_lidar_is_at_height_0(moment, name):
    T_ego_lidar = pose(0.7, yaw=20.0, pitch=13.0, roll=-4.0)
    sweep = measured(moment, lidar_model(name), T_ego_lidar, LidarResponse(echo_share=0.5))
    road = sweep.categories == RAW_ROAD
    assert road.sum() > 300
    z = transform_points(T_ego_lidar, sweep.points[road, :3].astype(float))[:, 2]
    near = np.linalg.norm(sweep.points[road, :3], axis=1) < 20
    assert np.abs(z[near]).max() < 0.15
    assert abs(float(np.median(z))) < 0.01


def test_culling_in_the_frame_of_a_tilted_lidar_loses_no_hit(moment):
    """A tilt of a billionth of a degree changes the frame of the culling, not the points."""
    upright, tilted = (
        measured(moment, NUSCENES, pose(1.84, pitch=pitch), LidarResponse())
        for pitch in (0.0, 1e-9)
    )
    assert len(upright.points) == len(tilted.points)
    np.testing.assert_array_equal(upright.categories, tilted.categories)
    np.testing.assert_allclose(upright.points[:, :3], tilted.points[:, :3], atol=0.003)


def test_bundles_of_a_pattern_lose_no_hit(moment):
    """One bundle that spans everything is never culled."""
    model = lidar_model("Mid-360")
    rays = rays_of(model, 6000, SECONDS)
    wide = dataclasses.replace(
        rays, half_width=7.0, elevations=np.tile([-1.6, 1.6], (len(rays.rings), 1))
    )
    unit = LidarUnit(model, LidarResponse(), NO_BODY, np.eye(3), -0.1)
    T_scene_lidar = ego_pose(moment.scene, SECONDS) @ pose(0.6, pitch=10.0)
    one, other = (
        measure_sweep(
            moment.primitives, moment.scene.plan, T_scene_lidar, unit, bundles,
            np.random.default_rng(0),
        )
        for bundles in (rays, wide)
    )  # fmt: skip
    np.testing.assert_array_equal(one.points, other.points)


def test_a_lidar_without_intensity_gives_0_everywhere(moment):
    silent = LidarResponse(law=IntensityLaw(gain=0.0))
    sweep = measured(moment, lidar_model("VLP-16"), pose(1.7), silent)
    assert (sweep.categories == 0).sum() == silent.num_strays
    assert (sweep.points[:, 3] == 0).all()


def test_intensity_falls_with_the_range_only_without_compensation():
    rng = np.random.default_rng(0)
    ranges, signal = np.array([10.0, 20.0]), np.array([0.5, 0.5])
    level = IntensityLaw(spread=0.0, levels=65536)
    falling = dataclasses.replace(level, is_compensated=False)
    near, far = intensity_of(level, signal, ranges, rng)
    assert near == far == pytest.approx(255 * 0.42 * 0.5, abs=0.01)
    near, far = intensity_of(falling, signal, ranges, rng)
    assert near == pytest.approx(4 * far, rel=1e-3)
    coarse = dataclasses.replace(level, levels=11)
    assert intensity_of(coarse, signal, ranges, rng)[0] == pytest.approx(51.0)


def test_a_wet_road_answers_less(moment):
    model, dry = lidar_model("VLP-16"), LidarResponse()
    wet = dataclasses.replace(dry, wet_loss=0.9)
    counts = [
        (measured(moment, model, pose(1.7), response).categories == RAW_ROAD).sum()
        for response in (dry, wet)
    ]
    assert counts[1] < 0.95 * counts[0]


def test_a_second_echo_lies_behind_the_first(moment):
    model = lidar_model("HDL-32E")
    single, double = (
        measured(moment, model, pose(1.7), LidarResponse(echo_share=share)) for share in (0.0, 0.5)
    )
    assert len(double.points) > 1.005 * len(single.points)
    assert len(double.points) < 1.2 * len(single.points)


def test_beams_go_into_leaves_and_into_nothing_else(moment):
    model, T_ego_lidar = lidar_model("HDL-32E"), pose(1.7)
    unit = LidarUnit(model, LidarResponse(), NO_BODY, T_ego_lidar[:3, :3], -0.1)
    T_scene_lidar = ego_pose(moment.scene, SECONDS) @ T_ego_lidar
    rays = rays_of(model, 400, SECONDS)

    def ranges_of(foliage_m: float) -> tuple[np.ndarray, np.ndarray]:
        exact = dataclasses.replace(model, noise_m=0.0, reach_m=1e6)
        response = LidarResponse(drop=0.0, num_strays=0, foliage_m=foliage_m)
        sharp = dataclasses.replace(unit, model=exact, response=response)
        rng = np.random.default_rng(0)
        sweep = measure_sweep(moment.primitives, moment.scene.plan, T_scene_lidar, sharp, rays, rng)
        return np.linalg.norm(sweep.points[:, :3], axis=1), sweep.categories

    (hull, category), (inside, same) = ranges_of(0.0), ranges_of(0.3)
    np.testing.assert_array_equal(category, same)
    deeper = inside - hull
    is_plant = category == 30
    assert is_plant.sum() > 50
    np.testing.assert_allclose(deeper[~is_plant], 0.0, atol=0.01)
    assert deeper[is_plant].min() > -0.01
    assert 0.05 < deeper[is_plant].mean() < 0.35


def test_responses_are_drawn_around_the_law():
    law = lidar_model("XT32").law
    drawn = [draw_response(law, 1.0, np.random.default_rng(seed)) for seed in range(200)]
    gains = np.array([one.law.gain for one in drawn])
    assert 0.05 < (gains == 0).mean() < 0.25
    assert np.median(gains[gains > 0]) == pytest.approx(law.gain, rel=0.15)
    assert draw_response(law, 0.0, np.random.default_rng(0)).wet_loss == 0.0


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_lidar_sees_its_own_body_but_is_not_inside(platform):
    down = rays_of(lidar_model("OS0-64"), 200).directions
    hits = 0
    for seed in range(40):
        boxes = draw_body(
            platform, 1.9 if platform == "truck" else 1.1, np.random.default_rng(seed)
        )
        assert (boxes[:, 0] < boxes[:, 1]).all()
        assert not ((boxes[:, 0] < 0) & (boxes[:, 1] > 0)).all(axis=1).any()
        ranges = body_ranges(boxes, down)
        assert ranges.min() > 0.01
        hits += np.isfinite(ranges).mean() > 0.005
    assert hits > 20


def test_own_body_is_labelled_as_the_ego_vehicle(moment):
    model, T_ego_lidar = lidar_model("OS0-64"), pose(1.0, pitch=5.0)
    boxes = np.array([[[-0.6, -0.5, -0.8], [0.6, 0.5, -0.4]]])
    unit = LidarUnit(model, LidarResponse(), boxes, T_ego_lidar[:3, :3], -0.5)
    T_scene_lidar = ego_pose(moment.scene, SECONDS) @ T_ego_lidar
    sweep = measure_sweep(
        moment.primitives, moment.scene.plan, T_scene_lidar, unit, rays_of(model, 300),
        np.random.default_rng(0),
    )  # fmt: skip
    own = transform_points(T_ego_lidar, sweep.points[sweep.categories == RAW_EGO, :3].astype(float))
    assert len(own) > 500
    np.testing.assert_allclose(own[:, 2], 0.6, atol=0.1)
    assert np.abs(own[:, 1]).max() < 0.6
    assert (sweep.instances[sweep.categories == RAW_EGO] == -1).all()
