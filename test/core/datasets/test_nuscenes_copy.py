import numpy as np
import pytest

from clip2scene_core.datasets import DatasetError, NuScenesDataset, open_dataset
from clip2scene_core.datasets.nuscenes_copy import write_nuscenes_copy
from clip2scene_core.geometry.se3 import invert


def test_a_copy_has_the_same_points_pictures_and_places(tiny_kitti, tmp_path):
    source, done = open_dataset(tiny_kitti), []
    write_nuscenes_copy(source, tmp_path / "copy", lambda *counts: done.append(counts))
    assert done == [(number + 1, 6) for number in range(6)]
    copy = NuScenesDataset(tmp_path / "copy")
    assert [(s.name, s.num_keyframes) for s in copy.scenes] == [("00", 4), ("08", 2)]
    for index in range(len(source)):
        mine, theirs = copy[index], source[index]
        np.testing.assert_allclose(mine.keyframe.points, theirs.keyframe.points, atol=1e-6)
        np.testing.assert_allclose(
            mine.keyframe.T_global_lidar, theirs.keyframe.T_global_lidar, atol=1e-6
        )
        assert abs(mine.keyframe.stamp_ns - theirs.keyframe.stamp_ns) < 1000  # microseconds
        assert [v.name for v in mine.cameras] == [v.name for v in theirs.cameras]
        for one, other in zip(mine.cameras, theirs.cameras, strict=True):
            np.testing.assert_allclose(one.T_global_camera, other.T_global_camera, atol=1e-6)
            np.testing.assert_allclose(one.intrinsics, other.intrinsics)
            assert np.abs(one.image.astype(int) - other.image).mean() < 12  # JPEG of noise


def test_cameras_stay_where_they_are_on_the_vehicle(tiny_kitti, tmp_path):
    source = open_dataset(tiny_kitti)
    write_nuscenes_copy(source, tmp_path / "copy")
    records = list(NuScenesDataset(tmp_path / "copy").scene_records("00"))
    for channel in {record.channel for record in records}:
        poses = [r.T_ego_sensor for r in records if r.channel == channel]
        assert len(poses) == 4
        np.testing.assert_array_equal(poses, [poses[0]] * 4)
    sample = source[0]
    T_lidar_camera = invert(sample.keyframe.T_global_lidar) @ sample.cameras[0].T_global_camera
    assert any(np.allclose(r.T_ego_sensor, T_lidar_camera, atol=1e-6) for r in records)


def test_what_the_format_cannot_hold_is_refused(tiny_kitti, tiny_scannet, tmp_path):
    with pytest.raises(DatasetError, match="labels are not of nuScenes' classes"):
        write_nuscenes_copy(open_dataset(tiny_kitti, with_labels=True), tmp_path / "copy")
    with pytest.raises(DatasetError, match="points have colors"):
        write_nuscenes_copy(open_dataset(tiny_scannet), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(FileExistsError, match="not empty"):
        write_nuscenes_copy(open_dataset(tiny_kitti), tmp_path / "full")
