from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from clip2scene_core.datasets import CameraView, Sample, Sweep

SWEEP = Sweep(points=np.zeros((3, 4), dtype=np.float32), T_global_lidar=np.eye(4), stamp_ns=5)
CAMERA = CameraView(
    name="cam_front",
    image=np.zeros((2, 3, 3), dtype=np.uint8),
    intrinsics=np.diag([10.0, 10.0, 1.0]),
    T_global_camera=np.eye(4),
    stamp_ns=5,
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": np.zeros((3, 5), np.float32)}, r"got \(3, 5\) float32"),
        ({"points": np.zeros((3, 4))}, r"got \(3, 4\) float64"),
        ({"points": np.zeros(4, np.float32)}, r"got \(4,\) float32"),
        ({"T_global_lidar": np.eye(3)}, r"T_global_lidar must be \(4, 4\) float64, got \(3, 3\)"),
        ({"T_global_lidar": np.eye(4, dtype=np.float32)}, r"T_global_lidar .* float32"),
        ({"T_base_lidar": np.eye(3)}, r"T_base_lidar must be \(4, 4\) float64, got \(3, 3\)"),
        ({"labels": np.zeros(2, np.uint8)}, r"labels must be \(3,\) like the points, got \(2,\)"),
    ],
)
def test_a_sweep_of_the_wrong_shape_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SWEEP, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((2, 3), np.uint8)}, r"image of cam_front must be .* got \(2, 3\)"),
        ({"image": np.zeros((2, 3, 3))}, r"got \(2, 3, 3\) float64"),
        ({"intrinsics": np.zeros((3, 3))}, r"cam_front .* the camera is not calibrated"),
        ({"intrinsics": np.full((3, 3), np.nan)}, r"the camera is not calibrated"),
        ({"intrinsics": np.eye(4)}, r"intrinsics of cam_front must be \(3, 3\)"),
        ({"T_global_camera": np.eye(3)}, r"T_global_camera must be \(4, 4\)"),
    ],
)
def test_a_camera_view_of_the_wrong_shape_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CAMERA, **change)


def test_an_empty_sweep_is_a_sweep():
    empty = dataclasses.replace(SWEEP, points=np.empty((0, 4), np.float32))
    assert len(empty.points) == 0


def test_the_keyframe_is_the_first_sweep():
    older = dataclasses.replace(SWEEP, stamp_ns=4)
    sample = Sample(token="a", scene_token="b", sweeps=(SWEEP, older), cameras=())
    assert sample.keyframe is SWEEP


def test_a_sample_without_a_sweep_is_refused():
    with pytest.raises(ValueError, match="sample a has no sweep"):
        Sample(token="a", scene_token="b", sweeps=(), cameras=(CAMERA,))
