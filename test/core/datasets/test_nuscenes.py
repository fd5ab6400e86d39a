from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clip2scene_core.datasets import DatasetError, NuScenesDataset, open_dataset, read_points
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES

START_NS = 1_500_000_000_000_000_000


def rewrite(root: Path, table: str, change) -> None:
    path = root / "v1.0-tiny" / f"{table}.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def test_keyframes_come_in_time_order(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes)
    assert len(dataset) == 2
    assert [dataset[i].token for i in range(2)] == ["sample-0", "sample-1"]
    assert [sample.scene_token for sample in dataset] == ["scene-a", "scene-a"]
    (scene,) = dataset.scenes
    assert (scene.token, scene.name, scene.num_keyframes) == ("scene-a", "scene-0001", 2)


def test_poses_are_those_of_each_sensor_at_its_own_stamp(tiny_nuscenes):
    sample = NuScenesDataset(tiny_nuscenes)[1]
    front, back = sample.cameras
    assert (front.name, back.name) == ("cam_front", "cam_back")
    assert sample.keyframe.stamp_ns == START_NS + 500_000_000
    assert front.stamp_ns == START_NS + 480_000_000
    # The car stands at 105.0 m for the LiDAR, 104.8 m for the front and 104.9 m for the back.
    np.testing.assert_allclose(sample.keyframe.T_global_lidar[:3, 3], [106.0, 50.0, 2.0])
    np.testing.assert_allclose(front.T_global_camera[:3, 3], [106.3, 50.0, 1.5])
    np.testing.assert_allclose(back.T_global_camera[:3, 3], [104.4, 50.0, 1.5])
    # Forward is y of the LiDAR, z of the front camera, and -z of the back camera.
    forward = [1.0, 0.0, 0.0]
    np.testing.assert_allclose(sample.keyframe.T_global_lidar[:3, 1], forward, atol=1e-12)
    np.testing.assert_allclose(front.T_global_camera[:3, 2], forward, atol=1e-12)
    np.testing.assert_allclose(-back.T_global_camera[:3, 2], forward, atol=1e-12)


def test_intensity_is_scaled_to_one_and_the_rest_untouched(tiny_nuscenes):
    raw = read_points(tiny_nuscenes / "samples/LIDAR_TOP/0.pcd.bin")
    assert raw.shape == (48, 5)
    raw[0, 3], raw[1, 3] = 255.0, 51.0
    raw.tofile(tiny_nuscenes / "samples/LIDAR_TOP/0.pcd.bin")
    points = NuScenesDataset(tiny_nuscenes)[0].keyframe.points
    np.testing.assert_array_equal(points[:, :3], raw[:, :3])
    assert points[0, 3] == 1.0
    assert points[1, 3] == np.float32(0.2)


@pytest.mark.parametrize("full_scale", [1.0, 65535.0])
def test_intensities_of_another_scale_are_said_and_a_scale_mends_them(
    tiny_nuscenes, caplog, full_scale
):
    expected = NuScenesDataset(tiny_nuscenes)[0].keyframe.points
    assert caplog.records == []
    for path in tiny_nuscenes.glob("samples/LIDAR_TOP/*.bin"):
        raw = read_points(path)
        raw[:, 3] *= full_scale / 255
        raw.tofile(path)
    dataset = NuScenesDataset(tiny_nuscenes)
    order = np.argsort(dataset[0].keyframe.points[:, 3], kind="stable")
    dataset[1]
    (record,) = caplog.records
    assert "largest intensity is " in record.getMessage()
    assert "taken as 255; give the sensor's largest intensity as int" in record.getMessage()
    np.testing.assert_array_equal(order, np.argsort(expected[:, 3], kind="stable"))
    mended = open_dataset(tiny_nuscenes, intensity_scale=full_scale)[0].keyframe.points
    np.testing.assert_allclose(mended, expected, rtol=1e-5)
    assert len(caplog.records) == 1


def test_a_scale_that_is_none_is_refused(tiny_nuscenes):
    with pytest.raises(DatasetError, match="intensity_scale must be a positive number, got 0"):
        NuScenesDataset(tiny_nuscenes, intensity_scale=0)


def test_previous_sweeps_come_newest_first_without_labels(tiny_nuscenes):
    sample = NuScenesDataset(tiny_nuscenes, num_sweeps=3, with_labels=True)[1]
    ages_ns = [sample.keyframe.stamp_ns - sweep.stamp_ns for sweep in sample.sweeps]
    assert ages_ns == [0, 100_000_000, 200_000_000]
    x_m = [sweep.T_global_lidar[0, 3] for sweep in sample.sweeps]
    np.testing.assert_allclose(x_m, [106.0, 105.0, 104.0])
    assert sample.sweeps[0].labels is not None
    assert sample.sweeps[1].labels is None


def test_previous_sweeps_end_at_the_start_of_the_scene(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, num_sweeps=10)
    assert len(dataset[0].sweeps) == 1
    assert len(dataset[1].sweeps) == 6


def test_labels_are_those_of_the_sixteen_classes(tiny_nuscenes):
    labels = NuScenesDataset(tiny_nuscenes, with_labels=True)[0].keyframe.labels
    names = [scene_class.name for scene_class in NUSCENES_CLASSES]
    assert labels.dtype == np.uint8
    assert labels[0] == IGNORE_LABEL  # noise
    assert names[labels[9]] == "barrier"
    assert names[labels[17]] == "car"
    assert names[labels[24]] == "driveable surface"
    assert labels[31] == IGNORE_LABEL  # ego
    assert labels[32 + 9] == labels[9]


def test_labels_are_never_opened_unless_asked_for(tiny_nuscenes):
    shutil.rmtree(tiny_nuscenes / "lidarseg")
    (tiny_nuscenes / "v1.0-tiny/lidarseg.json").unlink()
    (tiny_nuscenes / "v1.0-tiny/category.json").unlink()
    sample = NuScenesDataset(tiny_nuscenes, num_sweeps=3)[1]
    assert all(sweep.labels is None for sweep in sample.sweeps)


def test_pictures_are_never_opened_unless_asked_for(tiny_nuscenes):
    shutil.rmtree(tiny_nuscenes / "samples/CAM_FRONT")
    assert NuScenesDataset(tiny_nuscenes, with_images=False)[0].cameras == ()


def test_pictures_are_rgb(tiny_nuscenes):
    image = NuScenesDataset(tiny_nuscenes)[0].cameras[0].image
    assert image.shape == (32, 56, 3)
    # The picture grows red downwards, green to the right, and its blue is flat.
    assert image[31, 0, 0] > 200 > 30 > image[0, 0, 0]
    assert image[0, 55, 1] > 200 > 30 > image[0, 0, 1]
    assert abs(int(image[16, 28, 2]) - 60) < 10


def test_scene_records_are_all_readings_in_time_order(tiny_nuscenes):
    shutil.rmtree(tiny_nuscenes / "samples")  # the records open no file
    records = list(NuScenesDataset(tiny_nuscenes).scene_records("scene-0001"))
    assert len(records) == 6 + 3 + 3  # no radar
    stamps_ns = [record.stamp_ns for record in records]
    assert stamps_ns == sorted(stamps_ns)
    assert [record.channel for record in records[:4]] == [
        "CAM_FRONT", "CAM_BACK", "LIDAR_TOP", "LIDAR_TOP",
    ]  # fmt: skip
    assert [record.is_key_frame for record in records[:4]] == [True, True, True, False]
    front, _, lidar, _ = records[:4]
    assert (front.modality, lidar.modality) == ("camera", "lidar")
    assert front.path == tiny_nuscenes / "samples/CAM_FRONT/0.jpg"
    assert (front.image_size, lidar.image_size) == ((32, 56), None)
    assert front.intrinsics[0].tolist() == [30.0, 0.0, 28.0]
    assert lidar.intrinsics is None
    assert lidar.sample_token == "sample-0"
    np.testing.assert_allclose(lidar.T_global_ego[:3, 3], [100.0, 50.0, 0.0])
    np.testing.assert_allclose(lidar.T_ego_sensor[:3, 3], [1.0, 0.0, 2.0])


def test_only_the_chosen_scenes_are_open(tiny_nuscenes):
    second = {"token": "scene-b", "name": "scene-0002"}
    rewrite(tiny_nuscenes, "scene", lambda rows: [second, *rows])
    assert len(NuScenesDataset(tiny_nuscenes).scenes) == 2
    dataset = NuScenesDataset(tiny_nuscenes, scenes=["scene-0002"])
    assert [scene.name for scene in dataset.scenes] == ["scene-0002"]
    assert len(dataset) == 0
    with pytest.raises(DatasetError, match=r"no scene 'scene-0001'.*scene-0002"):
        dataset.scene_records("scene-0001")


def test_an_unknown_scene_is_named_with_those_there_are(tiny_nuscenes):
    with pytest.raises(DatasetError, match=r"no scene scene-0009; it has scene-0001"):
        NuScenesDataset(tiny_nuscenes, scenes=["scene-0009"])


def test_one_of_several_versions_must_be_named(tiny_nuscenes):
    shutil.copytree(tiny_nuscenes / "v1.0-tiny", tiny_nuscenes / "v1.0-other")
    with pytest.raises(DatasetError, match=r"v1\.0-other, v1\.0-tiny"):
        NuScenesDataset(tiny_nuscenes)
    assert len(NuScenesDataset(tiny_nuscenes, version="v1.0-other")) == 2
    with pytest.raises(DatasetError, match=r"no version 'v1\.0-mini'"):
        NuScenesDataset(tiny_nuscenes, version="v1.0-mini")


def test_a_folder_that_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"no v1\.0-\* folder"):
        NuScenesDataset(tmp_path)
    with pytest.raises(DatasetError, match="is not a folder"):
        NuScenesDataset(tmp_path / "absent")


def test_zero_sweeps_are_refused(tiny_nuscenes):
    with pytest.raises(ValueError, match=r"num_sweeps must be 1 .* got 0"):
        NuScenesDataset(tiny_nuscenes, num_sweeps=0)


@pytest.mark.parametrize(
    "table",
    ["scene", "sample", "sample_data", "sensor", "calibrated_sensor", "ego_pose", "lidarseg"],
)
def test_a_missing_or_broken_table_is_named(tiny_nuscenes, table):
    path = tiny_nuscenes / "v1.0-tiny" / f"{table}.json"
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=f"{table}.json is not a valid table"):
        NuScenesDataset(tiny_nuscenes, with_labels=True)
    path.unlink()
    with pytest.raises(DatasetError, match=f"{table}.json is missing"):
        NuScenesDataset(tiny_nuscenes, with_labels=True)


def test_a_missing_field_is_named(tiny_nuscenes):
    rewrite(tiny_nuscenes, "sample_data", lambda rows: [{"sample_token": "sample-0"}, *rows])
    with pytest.raises(DatasetError, match=r"sample_data.json: a row has no field 'calibrated"):
        NuScenesDataset(tiny_nuscenes)


@pytest.mark.parametrize(
    ("table", "dropped", "message"),
    [
        ("ego_pose", "pose-CAM_BACK-1", r"ego_pose.json lacks 1 poses.*pose-CAM_BACK-1"),
        ("calibrated_sensor", "calibration-CAM_BACK", r"calibration-CAM_BACK, which is not in"),
        ("sensor", "sensor-LIDAR_TOP", r"sensor-LIDAR_TOP, which is not in"),
        ("sample_data", "LIDAR_TOP-5", r"keyframe sample-1 has no LIDAR_TOP"),
    ],
)
def test_a_missing_token_is_named(tiny_nuscenes, table, dropped, message):
    rewrite(tiny_nuscenes, table, lambda rows: [row for row in rows if row["token"] != dropped])
    with pytest.raises(DatasetError, match=message):
        NuScenesDataset(tiny_nuscenes)


def test_a_missing_previous_sweep_is_named(tiny_nuscenes):
    def drop(rows):
        return [row for row in rows if row["token"] != "LIDAR_TOP-4"]

    rewrite(tiny_nuscenes, "sample_data", drop)
    with pytest.raises(DatasetError, match=r"LIDAR_TOP-5 names the previous reading LIDAR_TOP-4"):
        NuScenesDataset(tiny_nuscenes, num_sweeps=2)[1]


@pytest.mark.parametrize("filename", ["samples/LIDAR_TOP/0.pcd.bin", "samples/CAM_BACK/0.jpg"])
def test_a_missing_or_truncated_file_is_named(tiny_nuscenes, filename):
    path = tiny_nuscenes / filename
    path.write_bytes(path.read_bytes()[:101])
    with pytest.raises(DatasetError, match=rf"{filename} .*(truncated|no readable picture)"):
        NuScenesDataset(tiny_nuscenes)[0]
    path.unlink()
    with pytest.raises(DatasetError, match=rf"{filename} is missing"):
        NuScenesDataset(tiny_nuscenes)[0]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[30, 0, 28], [0, float("nan"), 16], [0, 0, 1]], "CAM_FRONT must be finite"),
        ([[30, 0, 0], [0, 30, 0], [28, 16, 1]], r"must be \[fx, skew, cx\]"),
    ],
)
def test_intrinsics_of_no_camera_are_refused_by_name(tiny_nuscenes, matrix, message):
    def spoil(rows):
        return [row | {"camera_intrinsic": row["camera_intrinsic"] and matrix} for row in rows]

    rewrite(tiny_nuscenes, "calibrated_sensor", spoil)
    with pytest.raises(DatasetError, match=message):
        NuScenesDataset(tiny_nuscenes)[0]


def test_a_label_image_is_no_camera_image(tiny_nuscenes):
    path = tiny_nuscenes / "samples/CAM_BACK/0.jpg"
    Image.open(path).convert("P").save(path, "PNG")
    with pytest.raises(DatasetError, match=r"CAM_BACK/0.jpg has a palette, as label images have"):
        NuScenesDataset(tiny_nuscenes)[0]


def test_labels_that_do_not_fit_the_points_are_refused(tiny_nuscenes):
    path = tiny_nuscenes / "lidarseg/v1.0-tiny/LIDAR_TOP-0_lidarseg.bin"
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
    path.write_bytes(bytes(47))
    with pytest.raises(DatasetError, match=r"LIDAR_TOP-0_lidarseg.bin has 47 labels.*48 points"):
        dataset[0]
    path.write_bytes(bytes(47) + b"\x20")
    with pytest.raises(DatasetError, match="raw label 32"):
        dataset[0]
    path.unlink()
    with pytest.raises(DatasetError, match="is missing"):
        dataset[0]


def test_a_keyframe_without_labels_is_refused_when_labels_were_asked_for(tiny_nuscenes):
    rewrite(tiny_nuscenes, "lidarseg", lambda rows: rows[:1])
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
    with pytest.raises(DatasetError, match=r"lidarseg.json has no labels of 5.pcd.bin"):
        dataset[1]


def test_categories_numbered_otherwise_are_refused(tiny_nuscenes):
    def swap(rows):
        rows[17]["index"], rows[18]["index"] = 18, 17
        return rows

    rewrite(tiny_nuscenes, "category", swap)
    with pytest.raises(DatasetError, match=r"calls the raw label 18 'vehicle.car'"):
        NuScenesDataset(tiny_nuscenes, with_labels=True)


def test_a_picture_of_another_size_than_its_intrinsics_is_refused(tiny_nuscenes):
    def shrink(rows):
        return [row | {"width": 28} if row["token"] == "CAM_FRONT-0" else row for row in rows]

    rewrite(tiny_nuscenes, "sample_data", shrink)
    with pytest.raises(DatasetError, match="32 x 56 pixels, the table says 32 x 28"):
        NuScenesDataset(tiny_nuscenes)[0]


def test_a_camera_without_intrinsics_is_refused(tiny_nuscenes):
    rewrite(
        tiny_nuscenes,
        "calibrated_sensor",
        lambda rows: [row | {"camera_intrinsic": []} for row in rows],
    )
    with pytest.raises(DatasetError, match=r"CAM_FRONT .* no camera_intrinsic"):
        NuScenesDataset(tiny_nuscenes)[0]


def test_the_real_keyframe_loads(real_keyframe):
    dataset = NuScenesDataset(real_keyframe, num_sweeps=3)
    sample = dataset[0]
    assert len(dataset) == 1
    assert [scene.name for scene in dataset.scenes] == ["scene-0061"]
    assert len(sample.sweeps) == 1  # it was cut out of its scene
    assert sample.keyframe.points.shape == (34_688, 4)
    assert sample.keyframe.points[:, 3].max() == 1.0
    assert sample.keyframe.stamp_ns == 1_532_402_927_647_951_000
    assert [camera.name for camera in sample.cameras] == [
        "cam_front", "cam_front_right", "cam_back_right",
        "cam_back", "cam_back_left", "cam_front_left",
    ]  # fmt: skip
    assert {camera.image.shape for camera in sample.cameras} == {(900, 1600, 3)}
    assert len(list(dataset.scene_records("scene-0061"))) == 7
