import json
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from clip2scene_core.datasets import open_dataset
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.scans import LabelledScan, ScanError, read_scan, write_scan
from clip2scene_core.scans.folders import EXPORT_FORMATS, LabelledFolder

laspy = pytest.importorskip("laspy", reason="needs the extra scans")
pypcd4 = pytest.importorskip("pypcd4", reason="needs the extra scans")


def make_scan(seed=0, words=("car", "road", "tree"), count=200):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-60, 60, (count, 4)).astype(np.float32)
    points[:, 3] = rng.integers(0, 256, count)
    labels = rng.integers(0, len(words), count).astype(np.uint8)
    labels[::10] = IGNORE_LABEL
    scores = rng.uniform(0.2, 1, count).astype(np.float32)
    scores[::10] = 0
    pose = np.eye(4)
    pose[0, 3] = 10.0 * seed
    vocabulary = make_vocabulary(words, torch.zeros(len(words), 0))
    return LabelledScan(points, labels, scores, vocabulary, pose, 10**9 * (1 + seed))


@pytest.mark.parametrize("suffix", [".pcd", ".ply", ".las", ".laz"])
def test_points_come_back_in_order_with_their_intensity(tmp_path, suffix):
    scan = make_scan()
    write_scan(tmp_path / f"a{suffix}", scan)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]
    read = read_scan(tmp_path / f"a{suffix}")
    atol = 0.0005 + 1e-5 if suffix.startswith(".la") else 0
    np.testing.assert_allclose(read.points, scan.points, atol=atol)
    assert read.has_intensity


def test_pcd_has_an_integer_label_and_pcls_color(tmp_path):
    scan = make_scan()
    write_scan(tmp_path / "a.pcd", scan)
    cloud = pypcd4.PointCloud.from_path(tmp_path / "a.pcd")
    assert cloud.fields == ("x", "y", "z", "intensity", "rgb", "label", "confidence")
    assert cloud.pc_data["label"].dtype == np.uint32
    expected = np.where(scan.labels == IGNORE_LABEL, 0, scan.labels.astype(int) + 1)
    np.testing.assert_array_equal(cloud.pc_data["label"].ravel(), expected)
    np.testing.assert_array_equal(cloud.pc_data["confidence"].ravel(), scan.scores)
    packed = cloud.pc_data["rgb"].ravel().view(np.uint32)
    colors = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1)
    np.testing.assert_array_equal(colors, scan.colors)


def test_las_has_classification_label_and_color(tmp_path):
    scan = make_scan()
    write_scan(tmp_path / "a.laz", scan)
    cloud = laspy.read(tmp_path / "a.laz")
    np.testing.assert_array_equal(cloud.classification, scan.ids)
    np.testing.assert_array_equal(cloud.label, scan.ids)
    np.testing.assert_array_equal(np.asarray(cloud.red) // 257, scan.colors[:, 0])


def test_npz_has_all(tmp_path):
    scan = make_scan()
    write_scan(tmp_path / "a.npz", scan)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as content:
        np.testing.assert_array_equal(content["labels"], scan.labels)
        assert content["names"].tolist() == ["car", "road", "tree"]


@pytest.mark.parametrize("encoding", list(pypcd4.Encoding))
def test_every_pcd_encoding_is_read(tmp_path, encoding):
    points = make_scan().points
    cloud = pypcd4.PointCloud.from_xyzi_points(points)
    cloud.save(tmp_path / "a.pcd", encoding)
    np.testing.assert_allclose(read_scan(tmp_path / "a.pcd").points, points, rtol=1e-5)


def test_bin_files_say_their_columns_by_size_or_are_asked(tmp_path):
    rng = np.random.default_rng(0)
    four = rng.normal(size=(7, 4)).astype(np.float32)
    five = rng.normal(size=(8, 5)).astype(np.float32)  # 160 bytes would fit 10 points of 4
    five = five[:7]
    four.tofile(tmp_path / "four.bin")
    five.tofile(tmp_path / "five.bin")
    np.testing.assert_array_equal(read_scan(tmp_path / "four.bin").points, four)
    np.testing.assert_array_equal(read_scan(tmp_path / "five.bin").points, five[:, :4])
    rng.normal(size=(8, 5)).astype(np.float32).tofile(tmp_path / "both.bin")
    with pytest.raises(ScanError, match="fits both 4 and 5 columns"):
        read_scan(tmp_path / "both.bin")
    assert len(read_scan(tmp_path / "both.bin", 5).points) == 8
    assert len(read_scan(tmp_path / "both.bin", 4).points) == 10
    with pytest.raises(ScanError, match="no whole number of points of 5 columns"):
        read_scan(tmp_path / "four.bin", 5)
    (tmp_path / "odd.bin").write_bytes(b"123")
    with pytest.raises(ScanError, match="neither 4 nor 5"):
        read_scan(tmp_path / "odd.bin")


def test_npy_with_and_without_names(tmp_path):
    points = make_scan().points
    np.save(tmp_path / "a.npy", points)
    np.testing.assert_array_equal(read_scan(tmp_path / "a.npy").points, points)
    np.save(tmp_path / "b.npy", points[:, :3])
    assert not read_scan(tmp_path / "b.npy").has_intensity
    table = np.zeros(5, [("x", "f8"), ("y", "f8"), ("z", "f8"), ("reflectivity", "u2")])
    table["reflectivity"] = 7
    np.save(tmp_path / "c.npy", table)
    assert (read_scan(tmp_path / "c.npy").points[:, 3] == 7).all()
    np.save(tmp_path / "d.npy", np.array([{"code": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ScanError, match=r"d\.npy is no readable \.npy scan"):
        read_scan(tmp_path / "d.npy")


@pytest.mark.parametrize("suffix", [".pcd", ".ply", ".las", ".laz", ".npy"])
def test_damaged_files_are_refused_in_one_line(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    np.save(path, make_scan().points) if suffix == ".npy" else write_scan(path, make_scan())
    whole = path.read_bytes()
    for damaged in (b"", b"<!DOCTYPE html>\n<html>", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ScanError) as raised:
            read_scan(path)
        assert "\n" not in str(raised.value)
    with pytest.raises(ScanError, match="is missing"):
        read_scan(tmp_path / f"nowhere{suffix}")


def test_las_in_a_countrys_grid_is_refused(tmp_path):
    scan = make_scan()
    scan.points[:, :2] += 400_000
    write_scan(tmp_path / "a.las", scan)
    with pytest.raises(ScanError, match="labels depend on the distance from the sensor"):
        read_scan(tmp_path / "a.las")


def test_a_folder_in_semantickittis_layout_is_one(tmp_path):
    folder = LabelledFolder(tmp_path / "out", "semantickitti")
    scans = [make_scan(seed) for seed in range(3)]
    for scan in scans:
        scan.points[:, 3] /= 255  # as KITTI's
        folder.add(scan)
    folder.close()
    sequence = tmp_path / "out" / "sequences" / "00"
    raw = np.fromfile(sequence / "labels" / "000001.label", "<u4")
    np.testing.assert_array_equal(raw, scans[1].ids)
    dataset = open_dataset(tmp_path / "out", with_images=False)
    assert len(dataset) == 3
    np.testing.assert_array_equal(dataset[2].keyframe.points, scans[2].points)
    np.testing.assert_allclose(dataset[2].keyframe.T_global_lidar[0, 3], 20.0)
    legend = json.loads((tmp_path / "out" / "legend.json").read_text())
    assert [one["id"] for one in legend["classes"]] == [1, 2, 3]
    config = ElementTree.parse(tmp_path / "out" / "labels.xml").getroot()
    assert [one.findtext("name") for one in config] == ["unlabelled", "car", "road", "tree"]
    order = json.loads((tmp_path / "out" / "scans.json").read_text())
    doubts = [one["doubt"] for one in order]
    assert doubts == sorted(doubts, reverse=True)


def test_classes_of_semantickitti_get_its_raw_labels(tmp_path):
    folder = LabelledFolder(tmp_path / "out", "semantickitti")
    scan = make_scan(words=("car", "road", "vegetation"))
    folder.add(scan)
    folder.close()
    raw = np.fromfile(tmp_path / "out/sequences/00/labels/000000.label", "<u4")
    expected = np.select([scan.ids == 1, scan.ids == 2, scan.ids == 3], [10, 40, 70], 0)
    np.testing.assert_array_equal(raw, expected)


def test_a_folder_has_one_legend(tmp_path):
    folder = LabelledFolder(tmp_path / "out", "pcd")
    folder.add(make_scan())
    with pytest.raises(ScanError, match="the prompts changed at scan 1"):
        folder.add(make_scan(words=("van", "road", "tree")))
    with pytest.raises(ScanError, match="exists already"):
        LabelledFolder(tmp_path / "out", "pcd")
    with pytest.raises(ScanError, match=f"one of {', '.join(EXPORT_FORMATS)}"):
        LabelledFolder(tmp_path / "other", "e57")
    empty = LabelledFolder(tmp_path / "empty", "ply")
    with pytest.raises(ScanError, match="there is no labelled scan"):
        empty.close()
