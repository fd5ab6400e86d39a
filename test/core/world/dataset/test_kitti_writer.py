"""The world in SemanticKITTI's layout: its reader finds what nuScenes' layout of it has."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.datasets import SemanticKittiDataset, open_dataset
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.geometry.se3 import invert, transform_points
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES, SEMANTIC_KITTI_CLASSES
from clip2scene_core.world.dataset.kitti_writer import write_semantic_kitti
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.writer import write_world
from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import ego_pose
from clip2scene_core.world.render.camera import cast_camera, moment_of, static_sun_map
from clip2scene_core.world.sensors.sensor_rig import RIG_LIDAR

OPTIONS = WorldOptions(
    num_scenes=1, seed=4, seconds=1.0, image_size=(60, 200), lidar_max_points=12_000
)
# The same place in both tables of classes; SemanticKITTI tells apart more.
NUSCENES_OF_KITTI = {
    "car": {"car"}, "bicycle": {"bicycle"}, "motorcycle": {"motorcycle"}, "truck": {"truck"},
    "other vehicle": {"bus", "trailer", "construction vehicle"}, "person": {"pedestrian"},
    "bicyclist": {"bicycle"}, "motorcyclist": {"motorcycle"}, "road": {"driveable surface"},
    "sidewalk": {"sidewalk"}, "other ground": {"other flat"}, "building": {"manmade"},
    "fence": {"manmade", "barrier"}, "vegetation": {"vegetation"}, "trunk": {"vegetation"},
    "terrain": {"terrain"}, "pole": {"manmade"}, "traffic sign": {"manmade"},
}  # fmt: skip


@pytest.fixture(scope="module")
def kitti(tmp_path_factory) -> Path:
    return write_semantic_kitti(tmp_path_factory.mktemp("kitti") / "data", OPTIONS).out


@pytest.fixture(scope="module")
def nuscenes(tmp_path_factory) -> Path:
    options = replace(
        OPTIONS, lidar="HDL-64E", cameras="none", previous_sweeps=0, is_every_frame=False
    )
    return write_world(tmp_path_factory.mktemp("nuscenes") / "data", options).out


def test_its_folder_tells_its_layout(kitti):
    dataset = open_dataset(kitti, split=None, with_labels=True)
    assert isinstance(dataset, SemanticKittiDataset)
    sample = dataset[9]
    assert len(dataset) == 10
    assert [(c.name, c.image.shape) for c in sample.cameras] == [
        ("image_2", (60, 200, 3)),
        ("image_3", (60, 200, 3)),
    ]
    assert sample.keyframe.stamp_ns == 900_000_000
    assert 0 < sample.keyframe.points[:, 3].max() <= 1


def test_sequences_drive_as_in_the_other_layout(kitti, nuscenes):
    ours, theirs = SemanticKittiDataset(kitti), NuScenesDataset(nuscenes)
    step = invert(ours[0].keyframe.T_global_lidar) @ ours[5].keyframe.T_global_lidar
    pose = [theirs[k].keyframe.T_global_lidar @ invert(RIG_LIDAR.T_ego_sensor) for k in (0, 1)]
    scene = build_scene(OPTIONS.seed, 0, OPTIONS.seconds)
    T_ego_lidar = np.eye(4)
    T_ego_lidar[:3, 3] = 0.81, 0, 1.73
    np.testing.assert_allclose(
        T_ego_lidar @ step @ invert(T_ego_lidar), invert(pose[0]) @ pose[1], atol=1e-6
    )
    np.testing.assert_allclose(
        T_ego_lidar @ step @ invert(T_ego_lidar),
        invert(ego_pose(scene, 0.0)) @ ego_pose(scene, 0.5),
        atol=1e-6,
    )


def test_near_points_of_both_layouts_have_the_same_class(kitti, nuscenes):
    ours = SemanticKittiDataset(kitti, with_labels=True)[5].keyframe
    theirs = NuScenesDataset(nuscenes, with_labels=True)[1].keyframe
    T_ego_lidar = np.eye(4)
    T_ego_lidar[:3, 3] = 0.81, 0, 1.73
    here = transform_points(T_ego_lidar, ours.points[:, :3])
    there = transform_points(RIG_LIDAR.T_ego_sensor, theirs.points[:, :3])
    distance = np.linalg.norm(here[:, None] - there[None], axis=2)
    nearest = distance.argmin(axis=1)
    used = (distance.min(axis=1) < 0.05) & (ours.labels != IGNORE_LABEL)
    used &= theirs.labels[nearest] != IGNORE_LABEL
    assert used.sum() > 500
    agree = [
        NUSCENES_CLASSES[there].name in NUSCENES_OF_KITTI[SEMANTIC_KITTI_CLASSES[here].name]
        for here, there in zip(ours.labels[used], theirs.labels[nearest[used]], strict=True)
    ]
    assert np.mean(agree) > 0.98  # the rest lies where two objects touch


def test_parts_have_labels_that_nuscenes_lumps_together(tmp_path):
    options = replace(OPTIONS, num_scenes=2, seconds=0.5, lidar_max_points=30_000)
    out = write_semantic_kitti(tmp_path / "kitti", options).out
    found = set()
    dataset = SemanticKittiDataset(out, with_labels=True)
    for index in range(len(dataset)):
        labels = {*dataset[index].keyframe.labels.tolist()} - {IGNORE_LABEL}
        found |= {SEMANTIC_KITTI_CLASSES[label].name for label in labels}
    assert {"building", "vegetation", "trunk", "pole", "road", "sidewalk", "car"} <= found
    raw = np.concatenate([np.fromfile(p, "<u4") for p in sorted(out.rglob("*.label"))])
    assert {252, 259} & {*np.unique(raw & 0xFFFF).tolist()}  # something drives
    assert len(np.unique(raw >> 16)) > 3  # instances


def test_projected_points_lie_on_their_pixels(kitti):
    """Calibration, poses and pictures agree: what a pixel shows is as far as its point."""
    sample = SemanticKittiDataset(kitti)[5]
    scene = build_scene(OPTIONS.seed, 0, OPTIONS.seconds)
    pairs = pair_pixels_with_points([sample.keyframe], sample.cameras, occlusion_margin_m=0.5)
    moment = moment_of(scene, static_sun_map(scene), 0.5)
    T_scene_lidar = ego_pose(scene, 0.5).copy()
    T_scene_lidar = T_scene_lidar @ np.block(
        [[np.eye(3), np.array([[0.81], [0], [1.73]])], [np.zeros((1, 3)), np.ones((1, 1))]]
    )
    for number, camera in enumerate(sample.cameras):
        T_lidar_camera = invert(sample.keyframe.T_global_lidar) @ camera.T_global_camera
        hits = cast_camera(moment, camera.intrinsics, T_scene_lidar @ T_lidar_camera, (60, 200))
        of_camera = pairs.camera_index == number
        points = sample.keyframe.points[pairs.point_index[of_camera], :3]
        depth = transform_points(invert(T_lidar_camera), points)[:, 2]
        columns, rows = np.rint(pairs.pixels[of_camera]).astype(int).T
        error = np.abs(hits.depth[rows, columns] - depth) / depth
        assert of_camera.sum() > 300
        assert np.median(error) < 0.01
        assert (error < 0.05).mean() > 0.85


def test_the_second_camera_is_to_the_right_of_the_first(kitti):
    left, right = SemanticKittiDataset(kitti)[0].cameras
    shift = (invert(left.T_global_camera) @ right.T_global_camera)[:3, 3]
    np.testing.assert_allclose(shift, [0.54, 0, 0], atol=1e-9)


def test_files_do_not_depend_on_the_number_of_workers(tmp_path):
    options = replace(
        OPTIONS, num_scenes=2, seconds=0.5, image_size=(16, 40), lidar_max_points=2048
    )
    digests = []
    for workers in (1, 2):
        out = write_semantic_kitti(tmp_path / str(workers), options, workers=workers).out
        files = sorted(path for path in out.rglob("*") if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1]
    assert len(digests[0]) == 2 * (4 * 5 + 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_scenes": 23}, "00 to 21"),
        ({"is_every_frame": False}, "leave out is_every_frame"),
        ({"lidar": "VLP-16"}, "leave out lidar"),
    ],
)
def test_what_the_layout_does_not_have_is_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        write_semantic_kitti(tmp_path / "new", replace(OPTIONS, **change))
