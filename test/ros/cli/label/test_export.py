"""`clip2scene export`: what it writes is opened by readers of others."""

import json
import shutil

import numpy as np
import pytest
from fake_segmenter import FakeSegmenter, quadrants
from random_student import save_random_student
from small_bags import POINTS, START, small_bag, write_bag

from clip2scene_core.datasets import open_dataset
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_ros.bags.segment import segment_bag
from clip2scene_ros.cli.main import main

laspy = pytest.importorskip("laspy", reason="needs the extra scans")
pypcd4 = pytest.importorskip("pypcd4", reason="needs the extra scans")

EXPECTED = np.where(quadrants(POINTS) == IGNORE_LABEL, 0, quadrants(POINTS).astype(int) + 1)


@pytest.fixture
def labelled(tmp_path):
    """A labelled bag of three clouds, 10 m apart."""
    bag = write_bag(tmp_path / "drive", small_bag([0, 100, 200], 3))
    segment_bag(bag, tmp_path / "labelled", FakeSegmenter())
    return tmp_path / "labelled"


def export(source, form, out, *more):
    return main(["export", str(source), "--format", form, "--out", str(out), *more])


def test_a_labelled_bag_as_semantickitti(labelled, tmp_path, capsys):
    assert export(labelled, "semantickitti", tmp_path / "out") == 0
    assert "3 scans as semantickitti" in capsys.readouterr().out
    sequence = tmp_path / "out/sequences/00"
    for number in range(3):
        points = np.fromfile(sequence / f"velodyne/{number:06d}.bin", "<f4").reshape(-1, 4)
        np.testing.assert_allclose(points, POINTS, rtol=1e-6)
        ids = np.fromfile(sequence / f"labels/{number:06d}.label", "<u4")
        np.testing.assert_array_equal(ids, EXPECTED)
    np.testing.assert_allclose(np.loadtxt(sequence / "times.txt"), [0, 0.1, 0.2])
    dataset = open_dataset(tmp_path / "out", with_images=False, intensity_scale=255)
    assert [sample.keyframe.T_global_lidar[0, 3] for sample in dataset] == [0, 10, 20]
    legend = json.loads((tmp_path / "out/legend.json").read_text())
    assert [one["name"] for one in legend["classes"]] == ["car", "tree", "road", "building"]
    assert legend["T_base_lidar"][2][3] == 2
    listed = json.loads((tmp_path / "out/scans.json").read_text())
    assert [one["stamp_ns"] for one in listed] == [START, START + 10**8, START + 2 * 10**8]
    assert export(labelled, "semantickitti", tmp_path / "out") == 1
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["pcd", "las", "laz", "npz"])
def test_a_labelled_bag_as_files(labelled, tmp_path, form):
    assert export(labelled, form, tmp_path / "out", "--sort-by", "doubt") == 0
    path = tmp_path / f"out/000002.{form}"
    if form == "pcd":
        cloud = pypcd4.PointCloud.from_path(path)
        assert cloud.pc_data["label"].dtype == np.uint32
        ids, intensity = cloud.pc_data["label"], cloud.pc_data["intensity"]
    elif form == "npz":
        with np.load(path, allow_pickle=False) as content:
            ids, intensity = content["labels"].astype(np.uint8) + np.uint8(1), np.full(4, 9)
            np.testing.assert_allclose(content["points"], POINTS, rtol=1e-6)
    else:
        cloud = laspy.read(path)
        ids, intensity = cloud.label, cloud.intensity
    np.testing.assert_array_equal(np.asarray(ids).ravel(), EXPECTED)
    np.testing.assert_allclose(np.asarray(intensity).ravel(), 9, rtol=1e-6)


def test_poses_that_are_not_known_are_said(tmp_path, labelled, capsys):
    assert export(labelled, "semantickitti", tmp_path / "out", "--poses", "none") == 0
    assert "3 of 3 scans have no pose" in capsys.readouterr().err


def test_a_data_set_by_a_student(tmp_path, tiny_nuscenes):
    weights = str(save_random_student(tmp_path))
    more = ["--weights", weights, "--prompts", "traffic cone", "car", "road"]
    assert export(tiny_nuscenes, "lidarseg", tmp_path / "out", *more) == 0
    categories = json.loads((tmp_path / "out/v1.0-tiny/category.json").read_text())
    known = {row["index"] for row in categories}
    for row in json.loads((tmp_path / "out/v1.0-tiny/lidarseg.json").read_text()):
        raw = np.fromfile(tmp_path / "out" / row["filename"], np.uint8)
        assert raw.shape == (48,)
        assert set(raw.tolist()) <= known
    shutil.copytree(tmp_path / "out", tiny_nuscenes, dirs_exist_ok=True)
    laid_over = open_dataset(tiny_nuscenes, with_labels=True, with_images=False)
    assert [one.name for one in laid_over.classes] == ["traffic cone", "car", "road"]
    assert export(tiny_nuscenes, "semantickitti", tmp_path / "kitti", *more) == 0
    points = np.fromfile(tmp_path / "kitti/sequences/00/velodyne/000000.bin", "<f4")
    expected = laid_over[0].keyframe.points * np.float32([1, 1, 1, 255])
    np.testing.assert_allclose(points.reshape(-1, 4), expected, rtol=1e-5)
    ids = np.fromfile(tmp_path / "kitti/sequences/00/labels/000000.label", "<u4")
    labels = laid_over[0].keyframe.labels
    np.testing.assert_array_equal(ids, np.where(labels == IGNORE_LABEL, 0, labels + 1.0))


def test_a_recording_by_a_student(tmp_path, scene_bag, capsys):
    weights = str(save_random_student(tmp_path))
    assert export(scene_bag, "pcd", tmp_path / "out") == 1
    assert "label it first: clip2scene segment" in capsys.readouterr().err
    kept = ["--recordings", str(tmp_path / "kept"), "--keyframe-distance", "0"]
    assert export(scene_bag, "ply", tmp_path / "out", "--weights", weights, *kept) == 0
    assert (tmp_path / "out/000001.ply").is_file()


def test_labelled_scans_in_another_format(labelled, tmp_path, capsys):
    assert export(labelled, "ply", tmp_path / "ply") == 0
    assert export(tmp_path / "ply", "pcd", tmp_path / "pcd") == 0
    cloud = pypcd4.PointCloud.from_path(tmp_path / "pcd/000001.pcd")
    np.testing.assert_array_equal(cloud.pc_data["label"].ravel(), EXPECTED)
    assert export(tmp_path / "ply", "lidarseg", tmp_path / "x") == 1
    assert "lidarseg belongs to a data set in nuScenes' format" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("form", "more", "message"),
    [
        ("lidarseg", [], "lidarseg belongs to a data set in nuScenes' format"),
        ("lidarseg", ["--sort-by", "doubt"], "leave out --sort-by"),
        ("pcd", ["--poses", "kiss-icp"], "poses of a labelled bag are its own"),
        ("pcd", ["--prompts", "car", "--mode", "camera"], "export labels by a student alone"),
    ],
)
def test_what_does_not_go_together_is_refused(labelled, tmp_path, capsys, form, more, message):
    more = [*more, "--recordings", str(tmp_path / "kept")]
    assert export(labelled, form, tmp_path / "out", *more) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_data_set_is_not_segmented_but_exported(tiny_nuscenes, tiny_kitti, tmp_path, capsys):
    for root in (tiny_nuscenes, tiny_kitti):
        assert main(["segment", str(root), "--out", str(tmp_path / "out")]) == 1
        assert "is a data set: 'clip2scene export' labels it" in capsys.readouterr().err


def test_the_real_keyframe_has_a_byte_for_each_point(real_keyframe, tmp_path):
    weights = str(save_random_student(tmp_path))
    more = ["--weights", weights, "--prompts", "car", "road"]
    assert export(real_keyframe, "lidarseg", tmp_path / "out", *more) == 0
    (raw,) = (tmp_path / "out/lidarseg").rglob("*_lidarseg.bin")
    (scan,) = (real_keyframe / "samples/LIDAR_TOP").iterdir()
    assert raw.stat().st_size == scan.stat().st_size // 20
    assert export(real_keyframe, "laz", tmp_path / "laz", *more) == 0
    cloud = laspy.read(tmp_path / "laz/000000.laz")
    points = np.fromfile(scan, "<f4").reshape(-1, 5)
    np.testing.assert_allclose(cloud.xyz, points[:, :3], atol=6e-4)
    np.testing.assert_array_equal(cloud.intensity, points[:, 3])
    assert set(np.fromfile(raw, np.uint8).tolist()) <= {0, 1, 2}
    np.testing.assert_array_equal(cloud.label, np.fromfile(raw, np.uint8))
