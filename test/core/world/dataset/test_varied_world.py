"""A written world with relief: poses, points, pictures and boxes fit together."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.geometry.projection import project_points
from clip2scene_core.geometry.se3 import invert, matrix_from_quaternion, transform_points
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.world.dataset.ground_truth import read_class_images, read_objects
from clip2scene_core.world.dataset.writer import WorldOptions, WorldSummary, write_world
from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.relief import height_at
from clip2scene_core.world.layout.scene import Scene, ego_pose

DRIVEABLE = 24
OPTIONS = WorldOptions(
    num_scenes=2, seed=12, seconds=0.5, image_size=(112, 200), lidar_columns=360,
    is_every_frame=False, previous_sweeps=0, with_ground_truth=True, terrain="varied",
    places="mixed",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> WorldSummary:
    return write_world(tmp_path_factory.mktemp("world") / "data", OPTIONS)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [
        build_scene(OPTIONS.seed, index, OPTIONS.seconds, terrain="varied", places="mixed")
        for index in range(OPTIONS.num_scenes)
    ]


def read(world: WorldSummary, table: str) -> list[dict]:
    return json.loads((world.out / world.version / f"{table}.json").read_text())


def recorded_pose(record: dict) -> np.ndarray:
    return matrix_from_quaternion(record["rotation"], record["translation"])


def lidar_records(world: WorldSummary) -> list[dict]:
    records = [one for one in read(world, "sample_data") if "LIDAR_TOP" in one["filename"]]
    return sorted(records, key=lambda one: one["timestamp"])


def T_global_scene(world: WorldSummary, scene: Scene, record: dict) -> np.ndarray:
    poses = {one["token"]: recorded_pose(one) for one in read(world, "ego_pose")}
    return poses[record["ego_pose_token"]] @ np.linalg.inv(ego_pose(scene, 0.0))


def test_driveable_points_lie_on_the_height_of_the_ground(world, scenes):
    poses = {one["token"]: recorded_pose(one) for one in read(world, "ego_pose")}
    sensors = {one["token"]: recorded_pose(one) for one in read(world, "calibrated_sensor")}
    labels = {one["sample_data_token"]: one["filename"] for one in read(world, "lidarseg")}
    tilts = []
    for scene, record in zip(scenes, lidar_records(world), strict=True):
        points = np.fromfile(world.out / record["filename"], np.float32).reshape(-1, 5)[:, :3]
        categories = np.fromfile(world.out / labels[record["token"]], np.uint8)
        T_global_lidar = (
            poses[record["ego_pose_token"]] @ sensors[record["calibrated_sensor_token"]]
        )
        T_scene_lidar = np.linalg.inv(T_global_scene(world, scene, record)) @ T_global_lidar
        xyz = points[categories == DRIVEABLE] @ T_scene_lidar[:3, :3].T + T_scene_lidar[:3, 3]
        errors = [z - height_at(scene.plan, x, y) for x, y, z in xyz.tolist()]
        assert len(errors) > 50
        assert np.abs(np.median(errors)) < 0.01
        assert np.percentile(np.abs(errors), 98) < 0.05
        tilts.append(np.arccos(poses[record["ego_pose_token"]][2, 2]))
    assert np.degrees(max(tilts)) > 0.1


def test_the_global_frame_is_level(world, scenes):
    for scene, record in zip(scenes, lidar_records(world), strict=True):
        transform = T_global_scene(world, scene, record)
        np.testing.assert_allclose(transform[2], [0, 0, 1, 0], atol=1e-6)


def test_points_have_the_class_of_their_pixel(world):
    """The recorded poses of LiDAR and cameras fit, with tilt, at the keyframe."""
    dataset = NuScenesDataset(world.out, world.version, with_labels=True)
    for index in range(len(dataset)):
        sample = dataset[index]
        sweep = sample.keyframe
        assert sweep.labels is not None
        hit = seen = 0
        images = read_class_images(world.out, sample)
        for view, image in zip(sample.cameras, images, strict=True):
            T_camera_lidar = invert(view.T_global_camera) @ sweep.T_global_lidar
            pixels, depth = project_points(sweep.points[:, :3], T_camera_lidar, view.intrinsics)
            inside = (depth > 1.0) & (sweep.labels != IGNORE_LABEL)
            inside[inside] = (np.rint(pixels[inside]) >= 0).all(1)
            inside[inside] = (np.rint(pixels[inside]) < image.shape[::-1]).all(1)
            u, v = np.rint(pixels[inside]).astype(int).T
            hit += int((image[v, u] == sweep.labels[inside]).sum())
            seen += int(inside.sum())
        assert seen > 500
        assert hit / seen > 0.85


def test_points_of_an_object_are_inside_its_box(world):
    dataset = NuScenesDataset(world.out, world.version)
    boxes = read(world, "sample_annotation")
    inside = total = 0
    for index in range(len(dataset)):
        sample = dataset[index]
        objects = read_objects(world.out, sample)
        points = transform_points(sample.keyframe.T_global_lidar, sample.keyframe.points[:, :3])
        for box in boxes:
            if box["sample_token"] != sample.token or box["num_lidar_pts"] < 15:
                continue
            local = transform_points(invert(recorded_pose(box)), points)
            width, length, height = box["size"]
            near = np.abs(local) < np.array([length, width, height]) / 2 + 0.15
            in_box = near.all(axis=1) & (objects.index >= 0)
            inside += min(int(in_box.sum()), box["num_lidar_pts"])
            total += box["num_lidar_pts"]
    assert total > 50
    assert inside / total > 0.9
