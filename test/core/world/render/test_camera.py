"""The cameras of the synthetic world, and the LiDAR points that lie on their pixels."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from world_builders import IMAGE_SIZE, SECONDS, make_moment, make_revolution

from clip2scene_core.geometry.se3 import invert, transform_points
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES, nuscenes_label_map
from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import ego_pose
from clip2scene_core.world.render.camera import (
    Moment,
    cast_camera,
    moment_of,
    paint,
    static_sun_map,
)
from clip2scene_core.world.sensors.lidar import Revolution
from clip2scene_core.world.sensors.sensor_rig import RIG_CAMERAS, RIG_LIDAR


@pytest.fixture(scope="module")
def moment() -> Moment:
    return make_moment()


@pytest.fixture(scope="module")
def revolution(moment: Moment) -> Revolution:
    return make_revolution(moment)


def test_lidar_points_land_on_pixels_of_their_class(moment, revolution):
    """Calibration and geometry are exact: project into the class images of all six cameras."""
    label_map = nuscenes_label_map()
    labels = label_map[revolution.categories]
    T_scene_ego = ego_pose(moment.scene, SECONDS)
    points = revolution.points[:, :3]
    agree = total = 0
    for sensor in RIG_CAMERAS:
        T_ego_camera, intrinsics = sensor.T_ego_sensor, sensor.intrinsics(IMAGE_SIZE)
        hits = cast_camera(moment, intrinsics, T_scene_ego @ T_ego_camera, IMAGE_SIZE)
        camera = transform_points(invert(T_ego_camera) @ RIG_LIDAR.T_ego_sensor, points)
        depth = np.maximum(camera[:, 2], 1e-6)
        pixels = np.rint(camera @ intrinsics.T / depth[:, None])[:, :2].astype(int)
        inside = (camera[:, 2] > 0.5) & (labels != IGNORE_LABEL)
        inside &= (pixels >= 0).all(1) & (pixels < IMAGE_SIZE[::-1]).all(1)
        u, v = pixels[inside].T
        unoccluded = np.abs(hits.depth[v, u] - depth[inside]) < 0.1 + 0.05 * depth[inside]
        agree += (hits.labels[v, u] == labels[inside])[unoccluded].sum()
        total += unoccluded.sum()
    assert total > 5000
    assert agree / total >= 0.97


def test_all_classes_occur_over_a_few_scenes():
    seen: set[int] = set()
    for index in range(6):
        scene = build_scene(2, index, 2.0)
        moment = moment_of(scene, static_sun_map(scene), 0.5)
        for sensor in RIG_CAMERAS:
            pose = ego_pose(scene, 0.5) @ sensor.T_ego_sensor
            hits = cast_camera(moment, sensor.intrinsics((112, 200)), pose, (112, 200))
            seen |= set(np.unique(hits.labels).tolist())
    assert seen >= set(range(len(NUSCENES_CLASSES)))


def test_picture_is_neither_dark_nor_burnt_out(moment):
    sensor = RIG_CAMERAS[0]
    pose = ego_pose(moment.scene, SECONDS) @ sensor.T_ego_sensor
    picture = paint(moment, cast_camera(moment, sensor.intrinsics(IMAGE_SIZE), pose, IMAGE_SIZE))
    assert picture.shape == (*IMAGE_SIZE, 3)
    assert 50 < picture.mean() < 210
    assert (picture == 255).mean() < 0.05
