"""A world whose sensors are not ideal: rolling LiDAR, late cameras, wrong extrinsics."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.geometry.deskew import SweepMotion, deskew
from clip2scene_core.geometry.se3 import invert, matrix_from_quaternion, transform_points
from clip2scene_core.world.dataset.writer import WorldOptions, WorldSummary, write_world
from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import Scene, SceneObject, assemble, ego_pose, place
from clip2scene_core.world.layout.street import RAW
from clip2scene_core.world.primitives.parts import PLAIN, box
from clip2scene_core.world.render.camera import cast_camera, moment_of, static_sun_map
from clip2scene_core.world.render.lidar import Revolution, firing_times, measure_revolution
from clip2scene_core.world.render.sensor_rig import (
    RIG_CAMERAS,
    RIG_LIDAR,
    firings,
    misaligned,
)

NUM_COLUMNS = 300
SECONDS = 1.0
SMALL = WorldOptions(
    1, 8, 0.5, (28, 50), 60, is_every_frame=False, previous_sweeps=1, with_ground_truth=True
)


@pytest.fixture(scope="module")
def ideal(tmp_path_factory) -> WorldSummary:
    return write_world(tmp_path_factory.mktemp("ideal") / "a", SMALL)


def read(world: WorldSummary, table: str) -> list[dict]:
    return json.loads((world.out / world.version / f"{table}.json").read_text())


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


def test_times_of_all_points_lie_beside_the_sweeps(tmp_path):
    world = write_world(tmp_path / "a", dataclasses.replace(SMALL, is_rolling=True))
    sweeps = [record for record in read(world, "sample_data") if record["fileformat"] == "pcd"]
    assert len(sweeps) == 2
    for record in sweeps:
        num_points = (world.out / record["filename"]).stat().st_size // 20
        times = np.fromfile(world.out / "lidar_times" / f"{record['token']}.bin", np.float32)
        assert times.shape == (num_points,)
        assert -0.05 <= times.min() < -0.04
        assert -0.01 < times.max() <= 0


def test_ideal_sweeps_have_no_times(ideal):
    assert not (ideal.out / "lidar_times").exists()


def class_image(world: WorldSummary, channel: str) -> np.ndarray:
    return np.array(Image.open(next((world.out / "class_images").glob(f"*/{channel}.png"))))


def test_late_pictures_show_what_came_after_their_stamp(tmp_path, ideal):
    world = write_world(tmp_path / "a", dataclasses.replace(SMALL, camera_offset_ms=200.0))
    assert read(world, "sample_data") == read(ideal, "sample_data")
    assert read(world, "ego_pose") == read(ideal, "ego_pose")
    sensor = RIG_CAMERAS[0]
    scene = build_scene(8, 0, 0.5)
    seconds = firings(sensor, 0.5, 1, is_every_frame=False)[0].seconds + 0.2
    hits = cast_camera(
        moment_of(scene, static_sun_map(scene), seconds),
        sensor.intrinsics((28, 50)),
        ego_pose(scene, seconds) @ sensor.T_ego_sensor,
        (28, 50),
    )
    np.testing.assert_array_equal(class_image(world, sensor.channel), hits.labels)
    assert (class_image(ideal, sensor.channel) != hits.labels).mean() > 0.01


def extrinsics(world: WorldSummary) -> dict[str, np.ndarray]:
    channels = {record["token"]: record["channel"] for record in read(world, "sensor")}
    transforms = {}
    for record in read(world, "calibrated_sensor"):
        transforms[channels[record["sensor_token"]]] = matrix_from_quaternion(
            record["rotation"], record["translation"]
        )
    return transforms


def angle_deg(rotation: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))


def test_recorded_extrinsics_are_off_but_pictures_are_not(tmp_path, ideal):
    options = dataclasses.replace(SMALL, calibration_error_deg=2.0, calibration_error_m=0.1)
    world = write_world(tmp_path / "a", options)
    recorded = extrinsics(world)
    errors = []
    for sensor in RIG_CAMERAS:
        error = np.linalg.inv(sensor.T_ego_sensor) @ recorded[sensor.channel]
        assert angle_deg(error[:3, :3]) == pytest.approx(2.0, abs=1e-6)
        assert np.linalg.norm(error[:3, 3]) == pytest.approx(0.1)
        np.testing.assert_array_equal(
            class_image(world, sensor.channel), class_image(ideal, sensor.channel)
        )
        errors.append(error[:3, 3])
    assert np.ptp(errors, axis=0).min() > 0.01
    np.testing.assert_allclose(recorded["LIDAR_TOP"], RIG_LIDAR.T_ego_sensor, atol=1e-12)


def test_ideal_extrinsics_are_the_true_ones(ideal):
    recorded = extrinsics(ideal)
    for sensor in RIG_CAMERAS:
        np.testing.assert_allclose(recorded[sensor.channel], sensor.T_ego_sensor, atol=1e-12)


def test_misaligned_sensor_is_turned_and_shifted_in_its_own_frame():
    sensor = RIG_CAMERAS[2]
    moved = misaligned(sensor, 0.0, 0.5, np.random.default_rng(0))
    np.testing.assert_array_equal(moved.T_ego_sensor[:3, :3], sensor.T_ego_sensor[:3, :3])
    origin = transform_points(moved.T_ego_sensor, np.zeros((1, 3)))[0]
    assert np.linalg.norm(origin - sensor.T_ego_sensor[:3, 3]) == pytest.approx(0.5)
    assert moved.intrinsics((28, 50)).tolist() == sensor.intrinsics((28, 50)).tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"camera_offset_ms": 5000.0}, "camera_offset_ms must lie within"),
        ({"camera_offset_ms": float("nan")}, "camera_offset_ms"),
        ({"calibration_error_deg": -1.0}, "calibration errors"),
        ({"calibration_error_m": 9.0}, "calibration errors"),
    ],
)
def test_impossible_errors_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        WorldOptions(1, **changes)
