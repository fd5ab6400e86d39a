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

from clip2scene_core.geometry.se3 import matrix_from_quaternion
from clip2scene_core.world.dataset.writer import WorldOptions, WorldSummary, write_world
from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import ego_pose
from clip2scene_core.world.render.camera import cast_camera, moment_of, static_sun_map
from clip2scene_core.world.sensors.sensor_rig import RIG_CAMERAS, RIG_LIDAR, firings

SMALL = WorldOptions(
    1, 8, 0.5, (28, 50), 60, is_every_frame=False, previous_sweeps=1, with_ground_truth=True
)


@pytest.fixture(scope="module")
def ideal(tmp_path_factory) -> WorldSummary:
    return write_world(tmp_path_factory.mktemp("ideal") / "a", SMALL)


def read(world: WorldSummary, table: str) -> list[dict]:
    return json.loads((world.out / world.version / f"{table}.json").read_text())


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
