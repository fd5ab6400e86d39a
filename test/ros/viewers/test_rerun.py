"""A Rerun recording holds what was labelled; it is read back with Rerun's own reader."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("rerun.chunk", reason="needs Rerun: pip install '.[viz]'")

from rerun.chunk import RrdReader

from clip2scene_core.mapping.labelled_map import LabelledMap
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.sample import CameraView, Sweep
from clip2scene_ros.viewers.rerun import TIMELINE, RerunLog

SECOND = 1_000_000_000
START = 1_600_000_000 * SECOND
CAR_AND_TREE = make_vocabulary(("car", "tree"), torch.eye(2))
VEHICLE_AND_BUSH = make_vocabulary(("vehicle", "bush"), torch.eye(2))
# Two points in front, one that no LiDAR measured.
POINTS = np.array([[5, 0, 0, 0], [9, 1, 0, 0], [np.nan, 0, 0, 0]], np.float32)
T_LIDAR_CAMERA = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], np.float64)


def sweep_at(second, x):
    T_global_lidar = np.eye(4)
    T_global_lidar[:3, 3] = 1_000_000 + x, 2_000_000, 30
    return Sweep(POINTS, T_global_lidar, START + second * SECOND)


def camera_of(sweep):
    intrinsics = np.array([[300.0, 0, 480], [0, 300, 270], [0, 0, 1]])
    T_global_camera = sweep.T_global_lidar @ T_LIDAR_CAMERA
    image = np.full((540, 960, 3), 90, np.uint8)
    return CameraView("cam_front", image, intrinsics, T_global_camera, sweep.stamp_ns)


def read(path):
    """Column values by (entity, column) and time in seconds; times of static data are None."""
    found = {}
    for chunk in RrdReader(path).stream():
        batch = chunk.to_record_batch()
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        times = columns.get(TIMELINE)
        for name, column in columns.items():
            if ":" not in name:  # row ids and times
                continue
            for row in range(batch.num_rows):
                second = None if times is None else times[row].cast("int64").as_py() / SECOND
                found.setdefault((str(chunk.entity_path), name), {})[second] = column[row].as_py()
    return found


@pytest.fixture
def recording(tmp_path):
    labels = np.array([0, 1, 255], np.uint8)
    near, far = sweep_at(0, 0), sweep_at(2, 3)
    voxels = LabelledMap(
        np.array([[1_000_004, 2_000_000, 30]], np.float32),
        np.array([1], np.uint8),
        np.ones(1, np.float32),
        np.ones(1, np.int64),
        VEHICLE_AND_BUSH,
    )
    with RerunLog(tmp_path / "drive.rrd") as log:
        log.show_sweep(near, [camera_of(near)], labels, CAR_AND_TREE)
        log.show_sweep(far, [], labels[::-1], VEHICLE_AND_BUSH)
        log.show_map(voxels, far.stamp_ns)
    return tmp_path / "drive.rrd"


def test_points_carry_their_labels_on_the_sweeps_timeline(recording):
    found = read(recording)
    entity = "/world/lidar/points"
    assert found[entity, "Points3D:class_ids"] == {0: [0, 1], 2: [256 + 255, 256 + 1]}
    assert found[entity, "Points3D:positions"][0] == [[5, 0, 0], [9, 1, 0]]


def test_the_first_sensor_position_is_the_origin(recording):
    found = read(recording)
    translations = found["/world/lidar", "Transform3D:translation"]
    assert translations == {0: [[0, 0, 0]], 2: [[3, 0, 0]]}
    assert found["/world/map", "Points3D:positions"] == {2: [[4, 0, 0]]}
    assert found["/world/map", "Points3D:class_ids"] == {2: [256 + 1]}


def test_the_legend_names_the_classes_of_all_words_at_all_times(recording):
    """Rerun 0.41 takes no annotation from a timeline: static is the only kind that it shows."""
    ((second, (context,)),) = read(recording)["/", "AnnotationContext:context"].items()
    assert second is None
    described = {entry["class_id"]: entry["class_description"]["info"] for entry in context}
    assert {class_id: info["label"] for class_id, info in described.items()} == {
        0: "car", 1: "tree", 255: "unlabelled",
        256: "vehicle", 257: "bush", 511: "unlabelled",
    }  # fmt: skip
    red, green, blue = CAR_AND_TREE.colors[1].tolist()
    assert described[1]["color"] == red << 24 | green << 16 | blue << 8 | 255


def test_cameras_show_a_smaller_image_with_its_labels(recording):
    found = read(recording)
    entity = "/world/cameras/cam_front"
    assert found[entity, "Pinhole:resolution"] == {0: [[480, 270]]}
    ((u, v), (u_right, _)) = found[f"{entity}/image/points", "Points2D:positions"][0]
    # 5 m ahead is the principal point, half as large; half a pixel because (0, 0) is a centre.
    assert (u, v) == pytest.approx((240.25, 135.25))
    assert u_right == pytest.approx(240.25 - 150 / 9, abs=1e-4)
    assert found[f"{entity}/image/points", "Points2D:class_ids"][0] == [0, 1]
    assert found[f"{entity}/image", "EncodedImage:media_type"] == {0: ["image/jpeg"]}


def test_an_existing_recording_is_kept_and_a_failed_one_removed(tmp_path):
    path = tmp_path / "drive.rrd"
    with pytest.raises(KeyError), RerunLog(path):
        raise KeyError
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(ValueError, match=r"drive\.rrd exists"):
        RerunLog(path)
    assert path.read_text() == "mine"
