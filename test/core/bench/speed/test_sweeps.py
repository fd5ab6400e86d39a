"""No sweep of a bench comes twice."""

from types import SimpleNamespace

import numpy as np
import pytest

from clip2scene_core.bench.speed import sweeps as module
from clip2scene_core.bench.speed.sweeps import SweepSource
from clip2scene_core.bench.stages import BenchError
from clip2scene_core.sample import Sweep


def test_rendered_sweeps_differ_and_have_poses():
    pytest.importorskip("numba")
    first, second = SweepSource(columns=60).read(2)
    assert first.points.shape[1] == 4
    assert first.points[:, 3].max() <= 1
    assert not np.array_equal(first.points[:50], second.points[:50])
    assert not np.array_equal(first.T_global_lidar, second.T_global_lidar)
    assert second.stamp_ns - first.stamp_ns == 100_000_000


@pytest.mark.parametrize(("shifts", "says"), [((0, 1), "has 2 keyframes"), ((0, 1, 0), "twice")])
def test_too_few_or_repeated_keyframes_are_refused(monkeypatch, tmp_path, shifts, says):
    keyframes = [
        SimpleNamespace(keyframe=Sweep(np.full((3, 4), shift, np.float32), np.eye(4), 0))
        for shift in shifts
    ]
    monkeypatch.setattr(module, "open_dataset", lambda root, with_images: keyframes)
    with pytest.raises(BenchError, match=says):
        SweepSource(tmp_path).read(3)


def test_keyframes_of_a_data_set(tiny_nuscenes):
    first, second = SweepSource(tiny_nuscenes).read(2)
    assert len(first.points)
    assert first.labels is None
    assert not np.array_equal(first.T_global_lidar, second.T_global_lidar)


def test_keyframes_without_a_pose_are_refused(monkeypatch, tmp_path):
    nowhere = Sweep(np.zeros((3, 4), np.float32), np.full((4, 4), np.nan), 0)
    monkeypatch.setattr(
        module, "open_dataset", lambda root, with_images: [SimpleNamespace(keyframe=nowhere)]
    )
    with pytest.raises(BenchError, match="without a pose"):
        SweepSource(tmp_path).read(1)
