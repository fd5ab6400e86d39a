"""Worlds whose LiDARs, places and cameras differ from scene to scene."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.datasets.nuscenes import NuScenesDataset, read_points
from clip2scene_core.geometry.se3 import invert, transform_points
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.sample import DatasetError
from clip2scene_core.world.dataset.ground_truth import read_class_images
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.tables import VERSION, lidar_of_scenes
from clip2scene_core.world.dataset.writer import write_world
from clip2scene_core.world.sensors.lidar_models import MODEL_NAMES, lidar_model

MIXED = WorldOptions(
    8, 9, 0.5, (56, 100), 120, is_every_frame=False, with_ground_truth=True, lidar="mixed",
    placement="mixed", cameras="mixed", lidar_max_points=6000,
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("mixed") / "world"
    write_world(root, MIXED)
    return root


def table(root, name):
    return json.loads((root / VERSION / f"{name}.json").read_text())


def test_a_mixed_world_is_reproducible(root, tmp_path):
    write_world(tmp_path / "again", MIXED)
    files = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    assert len(files) > 60
    for file in files:
        assert (root / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_its_scenes_have_their_own_sensors_and_say_which(root):
    data = NuScenesDataset(root, num_sweeps=3, with_labels=True)
    num_cameras = {len(sample.cameras) for sample in data}
    assert 1 in num_cameras
    assert len(num_cameras) > 2
    for sample in data:
        assert len(sample.sweeps) == 3
        assert all(np.isfinite(sweep.points).all() for sweep in sample.sweeps)
    models = lidar_of_scenes(root)
    assert set(models) == {scene.token for scene in data.scenes}
    assert len(set(models.values())) > 3
    for row in table(root, "scene"):
        assert models[row["token"]] in row["description"]
    poses = {tuple(row["translation"]) for row in table(root, "calibrated_sensor")}
    assert len(poses) > 2 * MIXED.num_scenes


def test_rings_are_those_of_the_model(root):
    models = lidar_of_scenes(root)
    scene_of = {row["token"]: row["scene_token"] for row in table(root, "sample")}
    for row in table(root, "sample_data"):
        if row["fileformat"] == "pcd":
            rings = read_points(root / row["filename"])[:, 4]
            num_rings = lidar_model(models[scene_of[row["sample_token"]]]).num_rings
            assert rings.min() >= 0
            assert rings.max() < num_rings


def test_points_meet_pixels_of_their_class(root):
    """Nearer surfaces hide some points from a camera, so not all agree."""
    agreeing = counted = 0
    for sample in NuScenesDataset(root, with_labels=True):
        sweep = sample.keyframe
        for view, classes in zip(sample.cameras, read_class_images(root, sample), strict=True):
            T_camera_lidar = invert(view.T_global_camera) @ sweep.T_global_lidar
            xyz = transform_points(T_camera_lidar, sweep.points[:, :3].astype(float))
            ahead = xyz[:, 2] > 0.5
            u, v, _ = view.intrinsics @ (xyz / np.where(ahead, xyz[:, 2], 1.0)[:, None]).T
            height, width = classes.shape
            seen = ahead & (np.abs(u - width / 2 + 0.5) < width / 2 - 0.5)
            seen &= np.abs(v - height / 2 + 0.5) < height / 2 - 0.5
            seen &= sweep.labels != IGNORE_LABEL
            pixels = classes[np.rint(v[seen]).astype(int), np.rint(u[seen]).astype(int)]
            agreeing += (pixels == sweep.labels[seen]).sum()
            counted += seen.sum()
    assert counted > 2000
    assert agreeing / counted > 0.85


def test_times_of_a_rolling_sweep_last_as_long_as_it(tmp_path):
    options = WorldOptions(
        1, 9, 0.5, (28, 50), 60, is_every_frame=False, is_rolling=True, lidar="VLP-16",
        lidar_max_points=4800, placement="mixed",
    )  # fmt: skip
    write_world(tmp_path / "world", options)
    for row in table(tmp_path / "world", "sample_data"):
        if row["fileformat"] != "pcd":
            continue
        points = read_points(tmp_path / "world" / row["filename"])
        times = np.fromfile(tmp_path / "world" / "lidar_times" / f"{row['token']}.bin", "<f4")
        assert len(times) == len(points)
        assert times.min() >= -0.1
        assert -0.1 < np.median(times) < 0.0


def test_held_out_models_stay_out(tmp_path):
    kept = ("VLP-16", "Mid-360")
    options = WorldOptions(
        4, 1, 0.5, (28, 50), 60, is_every_frame=False, lidar="mixed", lidar_max_points=2048,
        held_out_lidars=tuple(name for name in MODEL_NAMES if name not in kept),
    )  # fmt: skip
    assert options.lidar_names == kept
    write_world(tmp_path / "world", options)
    assert set(lidar_of_scenes(tmp_path / "world").values()) <= set(kept)


def test_an_old_world_has_one_lidar(tmp_path):
    write_world(tmp_path / "world", WorldOptions(1, 7, 0.5, (28, 50), 60, is_every_frame=False))
    assert set(lidar_of_scenes(tmp_path / "world").values()) == {"nuscenes"}
    with pytest.raises(DatasetError, match=r"log\.json is missing"):
        lidar_of_scenes(tmp_path)


def test_a_world_may_have_no_cameras(root, tmp_path):
    bare = replace(MIXED, num_scenes=2, cameras="none")
    assert write_world(tmp_path / "bare", bare).num_images == 0
    data, with_cameras = NuScenesDataset(tmp_path / "bare"), NuScenesDataset(root)
    for index in range(2):
        assert data[index].cameras == ()
        np.testing.assert_array_equal(
            data[index].keyframe.points, with_cameras[index].keyframe.points
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lidar": "VLP-17"}, "no LiDAR model"),
        ({"held_out_lidars": ("VLP-16",)}, "leaves models out of lidar='mixed'"),
        ({"lidar": "mixed", "held_out_lidars": ("RS-M2",)}, "no LiDAR model"),
        ({"lidar": "mixed", "held_out_lidars": MODEL_NAMES}, "leaves no LiDAR model"),
        ({"placement": "roof"}, "placement must be"),
        ({"cameras": "two"}, "cameras must be"),
        ({"lidar_max_points": 100}, "lidar_max_points"),
    ],
)
def test_sensors_that_are_not_there_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        WorldOptions(1, **changes)


def test_other_surfaces_change_the_points_and_nothing_else(root, tmp_path):
    write_world(tmp_path / "other", replace(MIXED, surfaces="varied"))
    files = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    changed = {
        file
        for file in files
        if (root / file).read_bytes() != (tmp_path / "other" / file).read_bytes()
    }
    assert {file.parent.name for file in changed} == {"LIDAR_TOP", "objects", "v1.0-mini"}
    assert {file.name for file in changed if file.suffix == ".json"} <= {
        "scene.json", "sample_annotation.json", "instance.json",  # boxes count their points
    }  # fmt: skip
    clouds = {file for file in files if file.parent.name == "LIDAR_TOP"}
    assert len(changed & clouds) == len(clouds)
    for row in table(tmp_path / "other", "scene"):
        assert row["description"].endswith("other surfaces")
