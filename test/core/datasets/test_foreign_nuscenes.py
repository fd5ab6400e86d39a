"""Data sets in nuScenes' format that nuScenes' team has not made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clip2scene_core.datasets import DatasetError, NuScenesDataset


def rewrite(root: Path, table: str, change) -> None:
    path = root / "v1.0-tiny" / f"{table}.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


@pytest.mark.parametrize("columns", [3, 4, 6])
def test_points_of_other_columns_are_never_read_as_five(tiny_nuscenes, columns):
    path = tiny_nuscenes / "samples/LIDAR_TOP/0.pcd.bin"
    points = np.random.default_rng(0).uniform(-40, 40, (60, columns)).astype("<f4")
    points.tofile(path)  # 60 points are a whole number of points of five columns
    with pytest.raises(DatasetError, match=r"0.pcd.bin: the fifth column.*perhaps.*4 columns"):
        NuScenesDataset(tiny_nuscenes)[0]
    points[:-1].tofile(path)
    with pytest.raises(DatasetError, match=rf"0.pcd.bin has .* perhaps .*\b{columns}\b.* columns"):
        NuScenesDataset(tiny_nuscenes)[0]


@pytest.mark.parametrize("column", [0.0, 31.0, 1023.0, "time"])
def test_a_ring_may_be_zero_large_or_a_time(tiny_nuscenes, column):
    path = tiny_nuscenes / "samples/LIDAR_TOP/0.pcd.bin"
    points = np.fromfile(path, "<f4").reshape(-1, 5)
    points[:, 4] = np.linspace(-0.45, 0, len(points)) if column == "time" else column
    points.tofile(path)
    assert len(NuScenesDataset(tiny_nuscenes)[0].keyframe.points) == 48


def rename(root, old, new):
    def change(rows):
        return [
            row | ({"channel": new, "modality": "camera"} if row["channel"] == old else {})
            for row in rows
        ]

    rewrite(root, "sensor", change)


def test_cameras_of_other_names_are_named_and_not_passed_over(tiny_nuscenes):
    rename(tiny_nuscenes, "CAM_FRONT", "image_2")
    with pytest.raises(DatasetError, match=r"cameras that are not nuScenes' six: image_2;"):
        NuScenesDataset(tiny_nuscenes)
    assert not NuScenesDataset(tiny_nuscenes, with_images=False)[0].cameras
    dataset = NuScenesDataset(tiny_nuscenes, cameras=["image_2", "CAM_BACK"])
    assert [camera.name for camera in dataset[0].cameras] == ["image_2", "cam_back"]
    assert [
        camera.name for camera in NuScenesDataset(tiny_nuscenes, cameras=["image_2"])[0].cameras
    ] == ["image_2"]
    with pytest.raises(DatasetError, match="no camera image_3; it has CAM_BACK, image_2"):
        NuScenesDataset(tiny_nuscenes, cameras=["image_3"])


def test_a_lidar_of_another_name_is_named(tiny_nuscenes):
    rename(tiny_nuscenes, "LIDAR_TOP", "LIDAR_ROOF")
    with pytest.raises(DatasetError, match=r"sensor.json has no LIDAR_TOP, only .*LIDAR_ROOF"):
        NuScenesDataset(tiny_nuscenes)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1260.0, 0.0])
def test_intrinsics_that_are_none_are_refused(tiny_nuscenes, number):
    def spoil(rows):
        for row in rows:
            if row["camera_intrinsic"]:
                row["camera_intrinsic"][1][1] = number
        return rows

    rewrite(tiny_nuscenes, "calibrated_sensor", spoil)
    with pytest.raises(DatasetError, match=r"calibrated_sensor.json .*finite, with positive"):
        NuScenesDataset(tiny_nuscenes)


@pytest.mark.parametrize("table", ["ego_pose", "calibrated_sensor"])
def test_poses_that_are_not_finite_are_refused(tiny_nuscenes, table):
    rewrite(
        tiny_nuscenes, table, lambda rows: [r | {"translation": [0, float("nan"), 0]} for r in rows]
    )
    with pytest.raises(DatasetError, match=rf"{table}.json.*finite"):
        NuScenesDataset(tiny_nuscenes)[0]


def test_categories_of_another_data_set_are_classes(tiny_nuscenes):
    names = ["unlabeled", "vehicle.fire_truck", "road", "car", "other.car", "tree"]
    rewrite(
        tiny_nuscenes,
        "category",
        lambda rows: [{"name": n, "index": i} for i, n in enumerate(names)],
    )
    raw = (np.arange(48) % 6).astype(np.uint8)
    for path in tiny_nuscenes.glob("lidarseg/**/*.bin"):
        raw.tofile(path)
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
    names = ["vehicle fire truck", "road", "car", "other car", "tree"]
    assert [one.name for one in dataset.classes] == names
    assert [one.prompt for one in dataset.classes] == ["fire truck", "road", "car", "car", "tree"]
    assert len({one.color for one in dataset.classes}) == 5
    expected = np.array([255, 0, 1, 2, 3, 4])[raw]
    np.testing.assert_array_equal(dataset[1].keyframe.labels, expected)
    raw[5] = 6
    raw.tofile(path)
    with pytest.raises(DatasetError, match="raw label 6, but the categories end at 5"):
        [dataset[index] for index in range(2)]
