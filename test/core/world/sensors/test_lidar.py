"""The LiDAR of the synthetic world: an ideal revolution, and one that is smeared by motion."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from world_builders import SECONDS, make_moment, make_revolution

from clip2scene_core.geometry.deskew import SweepMotion, deskew
from clip2scene_core.geometry.se3 import invert, transform_points
from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import Scene, SceneObject, assemble, ego_pose, place
from clip2scene_core.world.layout.street import RAW
from clip2scene_core.world.primitives.parts import PLAIN, box
from clip2scene_core.world.render.camera import Moment
from clip2scene_core.world.sensors.lidar import (
    RAW_EGO,
    Revolution,
    firing_times,
    measure_revolution,
)
from clip2scene_core.world.sensors.sensor_rig import RIG_LIDAR

NUM_COLUMNS = 300


@pytest.fixture(scope="module")
def moment() -> Moment:
    return make_moment()


@pytest.fixture(scope="module")
def revolution(moment: Moment) -> Revolution:
    return make_revolution(moment)


def test_lidar_stays_within_its_field_of_view_and_resolution(revolution):
    xyz, ring = revolution.points[:, :3], revolution.points[:, 4]
    beam = (revolution.categories != 0) & (np.linalg.norm(xyz, axis=1) > 5)
    elevation = np.degrees(np.arcsin(xyz[beam, 2] / np.linalg.norm(xyz[beam], axis=1)))
    assert elevation.min() > -30.8
    assert elevation.max() < 10.8
    np.testing.assert_allclose(elevation, -30.67 + 41.34 / 31 * ring[beam], atol=0.03)
    np.testing.assert_array_equal(xyz * 512, np.rint(xyz * 512))
    assert np.linalg.norm(xyz, axis=1).max() < 101


def test_lidar_sees_plausibly_many_points(revolution):
    assert 20_000 < len(revolution.points) < 34_688
    assert revolution.points[:, 3].min() >= 0
    assert revolution.points[:, 3].max() <= 255
    assert (revolution.categories == 0).sum() == 14
    assert 0 < (revolution.categories == RAW_EGO).sum() < 2000


def test_road_points_lie_on_the_ground(revolution):
    road = revolution.points[revolution.categories == 24]
    assert abs(float(np.median(road[:, 2])) + 1.84) < 0.02


def walled_scene() -> Scene:
    """A street with nothing on it but a wall, 8 m to the left of the ego vehicle."""
    scene = build_scene(1, 0, 2.0)
    parts = (box((0, 0, 2.0), (6.0, 0.4, 4.0), PLAIN, (0.7, 0.7, 0.7)),)
    wall = SceneObject(RAW["manmade"], "wall", "", (6.0, 0.4, 4.0), 13.0, 8.0, 0.0, parts)
    road = dataclasses.replace(scene.road, curvature=0.0)
    plan = road.as_array()
    static = place(road, plan, (wall,), assemble((wall,), [0]), 0.0)
    nothing = assemble((wall,), [])
    return dataclasses.replace(
        scene, road=road, plan=plan, objects=(wall,), static=static, moving=nothing, ego_speed=12.0
    )


def wall_points(scene: Scene, poses: np.ndarray) -> tuple[np.ndarray, Revolution]:
    rng = np.random.default_rng(0)
    revolution = measure_revolution(
        scene.static, scene.plan, poses @ RIG_LIDAR.T_ego_sensor, NUM_COLUMNS, rng
    )
    on_wall = revolution.instances == 0
    assert on_wall.sum() > 300
    return on_wall, revolution


def test_unsmeared_by_its_times_a_wall_is_where_an_instant_measures_it():
    scene = walled_scene()
    times = firing_times(NUM_COLUMNS)
    poses = np.array([ego_pose(scene, SECONDS + time) for time in times])
    instant, rolling = (
        wall_points(scene, ego_pose(scene, SECONDS)),
        wall_points(scene, poses),
    )
    ends, errors = [], []
    for (on_wall, revolution), poses_of_points in (
        (instant, np.broadcast_to(ego_pose(scene, SECONDS), (NUM_COLUMNS, 4, 4))),
        (rolling, poses),
        (rolling, np.broadcast_to(ego_pose(scene, SECONDS), (NUM_COLUMNS, 4, 4))),
    ):
        T_scene_lidar = poses_of_points[revolution.columns[on_wall]] @ RIG_LIDAR.T_ego_sensor
        points = revolution.points[on_wall, :3].astype(float)
        in_scene = np.einsum("nij,nj->ni", T_scene_lidar[:, :3, :3], points)
        in_scene += T_scene_lidar[:, :3, 3]
        # The near face is at y = 7.8 m; the noise of the range is 0.013 m.
        errors.append(np.abs(in_scene[:, 1] - 7.8).max())
        ends.append(in_scene[:, 0].max())
    assert errors[0] < 0.1
    assert errors[1] < 0.1
    assert ends[1] == pytest.approx(ends[0], abs=0.2)
    # What looks left at the start of the turn is 50 ms, 0.6 m, old.
    assert ends[2] - ends[1] > 0.4


def test_deskewed_a_rolling_sweep_is_where_things_are():
    scene = build_scene(3, 1, 2.0)
    times = firing_times(NUM_COLUMNS)
    sensor, moments = RIG_LIDAR.T_ego_sensor, np.linspace(times[0], 0.0, 6)
    T_scene_column = np.array([ego_pose(scene, SECONDS + time) for time in times]) @ sensor
    T_scene_moment = np.array([ego_pose(scene, SECONDS + moment) for moment in moments]) @ sensor
    T_scene_stamp = ego_pose(scene, SECONDS) @ sensor
    rng = np.random.default_rng(0)
    revolution = measure_revolution(scene.static, scene.plan, T_scene_column, NUM_COLUMNS, rng)
    points = np.ascontiguousarray(revolution.points[:, :4])
    T_scene_point = T_scene_column[revolution.columns]
    ground_truth = np.einsum("nij,nj->ni", T_scene_point[:, :3, :3], points[:, :3].astype(float))
    ground_truth += T_scene_point[:, :3, 3]

    def error_m(points):
        in_scene = transform_points(T_scene_stamp, points[:, :3])
        return np.linalg.norm(in_scene - ground_truth, axis=1)

    motion = SweepMotion(moments, invert(T_scene_stamp) @ T_scene_moment)
    deskewed = deskew(points, times[revolution.columns], motion)
    # On average a point is half a revolution old: 25 ms of driving.
    assert error_m(points).mean() > 0.02 * scene.ego_speed
    assert error_m(deskewed).max() < 1e-3


def test_rolling_without_motion_is_an_instant():
    scene = walled_scene()
    _, instant = wall_points(scene, ego_pose(scene, SECONDS))
    _, rolling = wall_points(scene, np.tile(ego_pose(scene, SECONDS), (NUM_COLUMNS, 1, 1)))
    np.testing.assert_array_equal(instant.points, rolling.points)


def test_columns_fire_within_the_revolution_that_ends_at_the_stamp():
    times = firing_times(1084)
    assert times[0] == -0.05
    assert -0.0001 < times[-1] < 0
    assert (np.diff(times) > 0).all()
