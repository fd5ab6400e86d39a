import numpy as np
import pytest

from clip2scene_core.bench.measure.references import (
    label_by_class_images,
    majority_class,
    supervise,
)
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import NetworkConfig, TeacherConfig, TrainingConfig
from clip2scene_core.datasets import CameraView, NuScenesDataset, Sample, Sweep, read_points
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL

INTRINSICS = np.array([[10.0, 0, 10], [0, 10, 5], [0, 0, 1]])


def camera(name: str) -> CameraView:
    """A camera at the LiDAR that looks along its z; 20 pixels wide, 10 high."""
    return CameraView(name, np.zeros((10, 20, 3), np.uint8), INTRINSICS, np.eye(4), 0)


def sample(points, *cameras: CameraView) -> Sample:
    points = np.array(points, dtype=np.float32)
    sweep = Sweep(np.c_[points, np.zeros(len(points), np.float32)], np.eye(4), 0)
    return Sample("token", "scene", (sweep,), cameras)


def test_a_point_takes_the_class_of_its_nearest_pixel():
    classes = np.full((10, 20), 3, np.uint8)
    classes[5, 12] = 7
    # Depth 10: pixel u = 10 + x, v = 5 + y. The last point is behind the camera.
    points = [[2.4, 0.4, 10], [2.6, 0, 10], [-9, -4, 10], [0, 0, -10]]
    labels = label_by_class_images(sample(points, camera("a")), [classes])
    assert labels.tolist() == [7, 3, 3, IGNORE_LABEL]


def test_the_first_camera_that_knows_a_class_speaks():
    unknown = np.full((10, 20), IGNORE_LABEL, np.uint8)
    one, two = np.full((10, 20), 1, np.uint8), np.full((10, 20), 2, np.uint8)
    point = [[0.0, 0.0, 10.0]]
    both = sample(point, camera("a"), camera("b"))
    assert label_by_class_images(both, [one, two]).tolist() == [1]
    assert label_by_class_images(both, [unknown, two]).tolist() == [2]
    assert label_by_class_images(both, [unknown, unknown]).tolist() == [IGNORE_LABEL]
    assert label_by_class_images(sample(point), []).tolist() == [IGNORE_LABEL]


def test_class_images_must_fit_the_pictures():
    with pytest.raises(ValueError, match=r"\(10, 20\).*got \[\(10, 19\)\]"):
        label_by_class_images(sample([[0, 0, 1]], camera("a")), [np.zeros((10, 19), np.uint8)])


def test_the_majority_is_the_class_of_most_points(tiny_nuscenes):
    # Raw categories 0-31 and 0-15 again: classes of pedestrians (2, 3, 4, 6) come up most often.
    assert majority_class(NuScenesDataset(tiny_nuscenes, with_labels=True)) == 6


def test_full_supervision_learns_the_true_labels(tiny_nuscenes, tmp_path):
    road, building = 24, 28  # raw categories of the classes 10 and 14
    for labels in tiny_nuscenes.glob("lidarseg/*/*.bin"):  # LIDAR_TOP-0_lidarseg.bin
        number = labels.name.removeprefix("LIDAR_TOP-").removesuffix("_lidarseg.bin")
        height = read_points(tiny_nuscenes / f"samples/LIDAR_TOP/{number}.pcd.bin")[:, 2]
        np.where(height < -0.4, road, building).astype(np.uint8).tofile(labels)
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    config = PretrainConfig(
        network=NetworkConfig(width=0.125, voxel_size_m=0.5),
        teacher=TeacherConfig(clip="small"),
        training=TrainingConfig(epochs=40, batch_size=2, learning_rate=6e-3),
    )
    checkpoint = load_checkpoint(supervise(dataset, config, tmp_path / "out.safetensors"))
    assert checkpoint.scene_tokens == ("scene-a",)
    assert "3D labels" in checkpoint.record["supervision"]
    keyframe = dataset[0].keyframe
    predicted = Segmenter(checkpoint).segment(keyframe.points).labels
    assert (predicted == keyframe.labels).mean() > 0.8
    assert set(np.unique(keyframe.labels)) == {10, 14}
