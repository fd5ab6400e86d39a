import numpy as np

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.doctor.finding import Level
from clip2scene_core.doctor.motion import Track, check_motion, read_tracks


def test_tracks_are_those_of_the_tables(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes)
    tracks, keyframes = read_tracks(dataset)
    assert list(tracks) == list(keyframes) == ["scene-a"]
    stamps = [dataset[index].keyframe.stamp_ns for index in range(2)]
    assert keyframes["scene-a"] == tracks["scene-a"].stamps_ns.tolist() == stamps
    poses = [dataset[index].keyframe.T_global_lidar for index in range(2)]
    np.testing.assert_allclose(tracks["scene-a"].T_global_lidar, poses)
    assert len(read_tracks(dataset, reach=10)[0]["scene-a"].stamps_ns) == 6


def test_rooms_without_time_have_no_tracks(tiny_scannet):
    from clip2scene_core.datasets import open_dataset

    assert read_tracks(open_dataset(tiny_scannet)) == ({}, {})


def track(speed_mps: float, seconds: int = 60) -> Track:
    poses = np.tile(np.eye(4), (seconds, 1, 1))
    poses[:, 0, 3] = speed_mps * np.arange(seconds)
    return Track.of([second * 10**9 for second in range(seconds)], list(poses))


def test_standing_is_noted_and_driving_is_not():
    (standing,) = check_motion([track(0.0), track(2.0, 20)])
    assert standing.level is Level.NOTE
    assert "standing 76 % of the time" in standing.text
    (driving,) = check_motion([track(2.0)])
    assert driving.level is Level.OK
