import numpy as np
import pytest
from PIL import Image

from clip2scene_core.datasets import CameraView, NuScenesDataset, Sample, Sweep
from clip2scene_core.datasets.nuscenes_writer import LIDAR, NuScenesWriter, channel_of
from clip2scene_core.geometry.se3 import matrix_from_quaternion
from clip2scene_core.labels import IGNORE_LABEL

T_EGO_LIDAR = matrix_from_quaternion([0.9, 0.1, 0.2, 0.3], [1.0, 0.0, 2.0])
T_EGO_CAMERA = matrix_from_quaternion([0.5, -0.5, 0.5, -0.5], [1.5, 0.2, 1.5])
INTRINSICS = np.array([[30.0, 0, 28], [0, 31, 16], [0, 0, 1]])


def make_sample(number, scene="scene-a", previous=0):
    rng = np.random.default_rng(number)
    second = 10**9

    def sweep(at_ns):
        pose = matrix_from_quaternion(rng.normal(size=4), rng.normal(size=3))
        points = rng.uniform(0, 1, (20, 4)).astype(np.float32)
        labels = rng.choice([*range(16), IGNORE_LABEL], 20).astype(np.uint8)
        return Sweep(points, pose, at_ns, labels)

    # Pictures of one color survive JPEG but for rounding.
    image = np.full((32, 56, 3), rng.integers(0, 255, 3), np.uint8)
    pose = matrix_from_quaternion(rng.normal(size=4), rng.normal(size=3))
    views = (CameraView("front/left", image, INTRINSICS, pose, number * second - 10**7),)
    sweeps = [sweep(number * second - steps * second // 10) for steps in range(previous + 1)]
    return Sample(f"key-{number}", scene, tuple(sweeps), views)


def write(root, samples, T_ego_sensor):
    root.mkdir()
    writer = NuScenesWriter(root, "a drive")
    for sample in samples:
        writer.add(sample, f"name of {sample.scene_token}", T_ego_sensor)
    writer.close()
    assert (writer.num_keyframes, writer.num_scenes) == (
        len(samples), len({sample.scene_token for sample in samples}),
    )  # fmt: skip


@pytest.mark.parametrize("T_ego_sensor", [{}, {LIDAR: T_EGO_LIDAR, "front/left": T_EGO_CAMERA}])
def test_samples_come_back_as_they_were_written(tmp_path, T_ego_sensor):
    samples = [make_sample(1), make_sample(2, previous=2), make_sample(3, "scene-b")]
    write(tmp_path / "set", samples, T_ego_sensor)
    dataset = NuScenesDataset(tmp_path / "set", num_sweeps=3, with_labels=True)
    assert [(one.token, one.name, one.num_keyframes) for one in dataset.scenes] == [
        ("scene-a", "name of scene-a", 2), ("scene-b", "name of scene-b", 1),
    ]  # fmt: skip
    for index, sample in enumerate(samples):
        read = dataset[index]
        assert (read.token, read.scene_token) == (sample.token, sample.scene_token)
        assert len(read.sweeps) == len(sample.sweeps)
        for mine, theirs in zip(read.sweeps, sample.sweeps, strict=True):
            np.testing.assert_allclose(mine.points, theirs.points, atol=1e-6)
            np.testing.assert_allclose(mine.T_global_lidar, theirs.T_global_lidar, atol=1e-9)
            assert mine.stamp_ns == theirs.stamp_ns
        np.testing.assert_array_equal(read.keyframe.labels, sample.keyframe.labels)
        (mine,), (theirs,) = read.cameras, sample.cameras
        assert mine.name == "front_left"  # nobody has to name the cameras of a recording
        np.testing.assert_allclose(mine.T_global_camera, theirs.T_global_camera, atol=1e-9)
        np.testing.assert_allclose(mine.intrinsics, theirs.intrinsics)


def test_views_have_their_poses_and_pixels(tmp_path):
    sample = make_sample(1)
    write(tmp_path / "set", [sample], {"front/left": T_EGO_CAMERA})
    file = next((tmp_path / "set" / "samples" / "FRONT_LEFT").iterdir())
    with Image.open(file) as picture:
        difference = np.asarray(picture).astype(int) - sample.cameras[0].image
    assert np.abs(difference).max() <= 3
    assert channel_of("cam_front") == "CAM_FRONT"
