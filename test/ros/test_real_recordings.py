"""What a stranger does with a recording, from one end to the other, on real sensors' frames.

The labels are the small CLIP's, which knows a rendered world only: here it counts that they arrive.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from checkout import SHARED_DATA
from kitti_frames import KITTI_FRAMES, write_kitti_frames
from numpy.typing import NDArray

from clip2scene_core.datasets import open_dataset
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.sample import Sweep
from clip2scene_ros.bags.labelled_reader import read_labelled_bag
from clip2scene_ros.cli.main import main

BAG = SHARED_DATA / "nuscenes_keyframe_bag"
WORDS = ["car", "road", "tree", "building", "person"]
BY_CAMERAS = ["--mode", "camera", "--teacher", "small", "--prompts", *WORDS]


def succeed(*arguments: str | Path) -> None:
    assert main([str(one) for one in arguments]) == 0


def in_world(sweep: Sweep) -> NDArray[np.float64]:
    return transform_points(sweep.T_global_lidar, sweep.points[:, :3].astype(np.float64))


def check_export(labelled: Path, out: Path) -> None:
    """Points and labels leave as SemanticKITTI's devkit reads them, and as PCD."""
    (labelled_sweep,) = read_labelled_bag(labelled)
    xyz = labelled_sweep.sweep.points[:, :3]
    succeed("export", labelled, "--format", "semantickitti", "--out", out / "semantickitti")
    sequence = out / "semantickitti/sequences/00"
    points = np.fromfile(sequence / "velodyne/000000.bin", "<f4").reshape(-1, 4)
    ids = np.fromfile(sequence / "labels/000000.label", "<u4")
    np.testing.assert_array_equal(points[:, :3], xyz)
    legend = json.loads((out / "semantickitti/legend.json").read_text())
    id_of_name = {one["name"]: one["id"] for one in legend["classes"]}
    named = np.array([id_of_name[name] for name in labelled_sweep.vocabulary.names] + [0])
    labels = np.minimum(labelled_sweep.labels, len(WORDS))
    np.testing.assert_array_equal(ids, named[labels])
    succeed("export", labelled, "--format", "pcd", "--out", out / "pcd")
    pypcd4 = pytest.importorskip("pypcd4", reason="needs the extra scans")
    cloud = pypcd4.PointCloud.from_path(out / "pcd/000000.pcd")
    np.testing.assert_array_equal(cloud.numpy(("x", "y", "z")), xyz)


def test_the_real_keyframe_s_bag(tmp_path, capsys):
    if not BAG.is_dir():
        pytest.skip("the real bag is not beside this repository")
    succeed("doctor", BAG)
    assert "0 problems" in capsys.readouterr().out
    succeed("segment", BAG, "--out", tmp_path / "labelled", *BY_CAMERAS)
    (sweep,) = read_labelled_bag(tmp_path / "labelled")
    assert len(sweep.sweep.points) == 34_688
    seen = sweep.labels < len(WORDS)
    assert 0.3 < seen.mean() < 0.9  # six cameras around, above and below them nothing
    check_export(tmp_path / "labelled", tmp_path)
    succeed("convert", BAG, "--out", tmp_path / "dataset")
    (sample,) = open_dataset(tmp_path / "dataset")
    # The data set's clouds stand upright, by the known mount; in the world nothing moved.
    np.testing.assert_allclose(in_world(sample.keyframe), in_world(sweep.sweep), atol=1e-3)
    assert len(sample.cameras) == 6


def test_real_frames_of_one_camera(tmp_path, capsys):
    """KITTI's frames, in turn as data set, nuScenes' layout, recording, labels and scans."""
    write_kitti_frames(tmp_path / "kitti")
    succeed("doctor", tmp_path / "kitti")
    assert "0 problems" in capsys.readouterr().out
    dataset = tmp_path / "dataset"
    succeed("convert", tmp_path / "kitti", "--out", dataset)
    names = [scene.name for scene in NuScenesDataset(dataset).scenes]
    assert len(names) == 3
    for number, name in enumerate(names):
        bag, labelled = tmp_path / f"bag_{name}", tmp_path / f"labelled_{name}"
        succeed("bag", dataset, "--scene", name, "--out", bag)
        succeed("segment", bag, "--out", labelled, *BY_CAMERAS)
        (sweep,) = read_labelled_bag(labelled)
        scan = np.fromfile(KITTI_FRAMES / f"velodyne/{number:06d}.bin", "<f4").reshape(-1, 4)
        np.testing.assert_array_equal(sweep.sweep.points[:, :3], scan[:, :3])
        seen = sweep.labels < len(WORDS)
        assert 0.1 < seen.mean() < 0.25  # one camera forward, of 90 degrees
        assert (scan[seen, 0] > 0).all()
        check_export(labelled, tmp_path / name)
