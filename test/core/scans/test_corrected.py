"""Labels come back as an annotator saved them, or one line says what does not fit."""

import json

import numpy as np
import pytest
import torch

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.scans import LabelledScan, ScanError, write_scan
from clip2scene_core.scans.corrected import (
    find_corrected,
    read_corrected,
    read_labelled_folder,
)
from clip2scene_core.scans.corrected_dataset import CorrectedScans
from clip2scene_core.scans.folders import LabelledFolder
from clip2scene_core.scans.legend import Legend, read_legend

laspy = pytest.importorskip("laspy", reason="needs the extra scans")
pypcd4 = pytest.importorskip("pypcd4", reason="needs the extra scans")

WORDS = ("car", "road", "tree")


def make_scan(seed=0, scale=255.0, words=WORDS, mounting=None):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-60, 60, (50, 4)).astype(np.float32)
    points[:, 3] = rng.integers(2, 250, 50)
    labels = rng.integers(0, len(words), 50).astype(np.uint8)
    labels[::10] = IGNORE_LABEL
    scores = np.where(labels == IGNORE_LABEL, 0, rng.uniform(0.2, 1, 50)).astype(np.float32)
    vocabulary = make_vocabulary(words, torch.zeros(len(words), 0))
    return LabelledScan(
        points, labels, scores, vocabulary, np.eye(4), seed, f"s{seed}", scale, mounting
    )


def write_folder(root, form, scans):
    folder = LabelledFolder(root, form)
    for scan in scans:
        folder.add(scan)
    folder.close()
    return root


@pytest.mark.parametrize("form", ["semantickitti", "pcd", "ply", "las", "laz"])
def test_every_format_comes_back(tmp_path, form):
    scans = [make_scan(seed) for seed in range(3)]
    dataset = CorrectedScans(write_folder(tmp_path / "out", form, scans))
    assert [one.name for one in dataset.classes] == list(WORDS)
    assert len(dataset) == 3
    for index, scan in enumerate(scans):
        sweep = dataset[index].keyframe
        np.testing.assert_array_equal(sweep.labels, scan.labels)
        np.testing.assert_allclose(sweep.points[:, 3], scan.points[:, 3] / 255, rtol=1e-6)
        np.testing.assert_allclose(sweep.points[:, :3], scan.points[:, :3], atol=6e-4)


@pytest.mark.parametrize("form", ["las", "laz"])
def test_fractions_come_back_from_las(tmp_path, form):
    scan = make_scan(scale=1.0)
    scan.points[:, 3] /= 255
    dataset = CorrectedScans(write_folder(tmp_path / "out", form, [scan]))
    np.testing.assert_allclose(dataset[0].keyframe.points[:, 3], scan.points[:, 3], atol=1e-4)


def test_raw_labels_of_semantickitti_come_back(tmp_path):
    scan = make_scan(words=("road", "car", "vegetation"))
    dataset = CorrectedScans(write_folder(tmp_path / "out", "semantickitti", [scan]))
    np.testing.assert_array_equal(dataset[0].keyframe.labels, scan.labels)
    path = tmp_path / "out/sequences/00/labels/000000.label"
    ids = np.fromfile(path, "<u4")
    ids[:] = 40
    (ids | 7 << 16).tofile(path)  # object 7
    assert (dataset[0].keyframe.labels == 0).all()
    ids[3] = 99
    ids.tofile(path)
    with pytest.raises(ScanError, match=r"1 points have the label 99, .* it has 40 road, 10 car"):
        dataset[0]


def test_a_mount_turns_the_points_upright(tmp_path):
    mounting = np.diag([1.0, -1.0, -1.0, 1.0])
    mounting[:3, 3] = 1, 2, 3
    scan = make_scan(mounting=mounting)
    dataset = CorrectedScans(write_folder(tmp_path / "out", "pcd", [scan]))
    points = dataset[0].keyframe.points[:, :3]
    np.testing.assert_allclose(points, scan.points[:, :3] * [1, -1, -1], atol=1e-5)


def test_only_scans_with_labels_are_used(tmp_path):
    root = write_folder(tmp_path / "out", "semantickitti", [make_scan(s) for s in range(3)])
    (root / "sequences/00/labels/000001.label").unlink()
    dataset = CorrectedScans(root)
    assert [dataset.token(index)[-6:] for index in range(len(dataset))] == ["000000", "000002"]
    np.testing.assert_array_equal(dataset[1].keyframe.labels, make_scan(2).labels)


def test_labels_of_no_scan_and_of_other_scans_are_refused(tmp_path):
    root = write_folder(tmp_path / "out", "semantickitti", [make_scan()])
    labels = root / "sequences/00/labels"
    ids = np.fromfile(labels / "000000.label", "<u4")
    ids[:-1].tofile(labels / "000000.label")
    with pytest.raises(ScanError, match=r"has 49 labels, but .* has 50 points"):
        CorrectedScans(root)[0]
    (labels / "000000.label").write_bytes(b"12345")
    with pytest.raises(ScanError, match="not a multiple of 4; it is truncated"):
        CorrectedScans(root)[0]
    ids.tofile(labels / "000004.label")
    with pytest.raises(ScanError, match=r"000004\.label belongs to no scan"):
        find_corrected(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScanError, match="has no labels"):
        find_corrected(tmp_path / "empty")


def test_points_in_another_order_are_refused(tmp_path):
    originals = write_folder(tmp_path / "scans", "pcd", [make_scan()])
    saved = tmp_path / "saved"
    saved.mkdir()
    scan = make_scan()
    write_scan(saved / "000000.ply", scan)  # another format of the same scan is right
    legend = read_legend(originals / "legend.json")
    (file,) = find_corrected(saved, originals)
    _, labels = read_corrected(file, legend)
    np.testing.assert_array_equal(labels, scan.labels)
    order = np.arange(50)
    order[[3, 4]] = 4, 3
    swapped = LabelledScan(scan.points[order], scan.labels, scan.scores, scan.vocabulary, np.eye(4))
    write_scan(saved / "000000.ply", swapped)
    with pytest.raises(ScanError, match="2 of 50 points lie elsewhere"):
        read_corrected(file, legend)
    cut = LabelledScan(
        scan.points[1:], scan.labels[1:], scan.scores[1:], scan.vocabulary, np.eye(4)
    )
    write_scan(saved / "000000.ply", cut)
    with pytest.raises(ScanError, match="has 49 points, but"):
        read_corrected(file, legend)


def test_a_tool_that_saves_floats(tmp_path):
    """CloudCompare: every number is a float, none is NaN, and names begin with scalar_."""
    root = write_folder(tmp_path / "out", "pcd", [make_scan()])
    ids = make_scan().ids.astype(np.float32)
    ids[:3] = np.nan
    x, y, z, _ = make_scan().points.T
    names, types = ("x", "y", "z", "scalar_label"), (np.float32,) * 4
    pypcd4.PointCloud.from_points([x, y, z, ids], names, types).save(root / "000000.pcd")
    labels = CorrectedScans(root)[0].keyframe.labels
    np.testing.assert_array_equal(labels[3:], make_scan().labels[3:])
    assert (labels[:3] == IGNORE_LABEL).all()
    ids[5] = 1.5
    pypcd4.PointCloud.from_points([x, y, z, ids], names, types).save(root / "000000.pcd")
    with pytest.raises(ScanError, match=r"must be whole numbers, got 1\.5"):
        CorrectedScans(root)[0]


def test_a_label_beside_each_scan(tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    saved = tmp_path / "saved"
    saved.mkdir()
    scan = make_scan()
    ring = np.zeros((50, 1), np.float32)
    np.hstack([scan.points, ring]).tofile(scans / "a.bin")
    scan.ids.astype("<u4").tofile(saved / "a.label")
    Legend(scan.vocabulary, (1, 2, 3), 255.0).write(scans / "legend.json")
    dataset = CorrectedScans(saved, scans, columns=5)
    np.testing.assert_array_equal(dataset[0].keyframe.labels, scan.labels)
    with pytest.raises(ScanError, match=r"must belong to one scan called a in .*, there is none"):
        CorrectedScans(saved)


def test_an_unknown_scale_is_asked_for(tmp_path):
    root = write_folder(tmp_path / "out", "pcd", [make_scan(scale=None)])
    with pytest.raises(ScanError, match="give it as --intensity-scale"):
        CorrectedScans(root)
    assert CorrectedScans(root, intensity_scale=500.0)[0].keyframe.points[:, 3].max() < 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": []}, "no legend"),
        ({"classes": 3}, "no legend"),
        ({"unlabelled": 4}, "unlabelled must be 0"),
        ({"classes": [{"id": 0, "name": "car"}]}, "whole numbers from 1 to 65535"),
        ({"classes": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "different whole numbers"),
        ({"classes": [{"id": 1, "name": "car", "rgb": [1, 2]}]}, "three numbers"),
        ({"T_base_lidar": [1, 2]}, "no legend"),
    ],
)
def test_damaged_legends_are_refused(tmp_path, change, message):
    path = tmp_path / "legend.json"
    path.write_text(json.dumps({"classes": [{"id": 1, "name": "car"}]} | change))
    with pytest.raises(ScanError, match=message):
        read_legend(path)


def test_a_legend_may_gain_a_class(tmp_path):
    root = write_folder(tmp_path / "out", "semantickitti", [make_scan()])
    legend = json.loads((root / "legend.json").read_text())
    legend["classes"].append({"id": 9, "name": "dog"})
    (root / "legend.json").write_text(json.dumps(legend))
    np.full(50, 9, "<u4").tofile(root / "sequences/00/labels/000000.label")
    dataset = CorrectedScans(root)
    assert dataset.classes[3].name == "dog"
    assert (dataset[0].keyframe.labels == 3).all()
    (root / "legend.json").unlink()
    with pytest.raises(ScanError, match=r"legend\.json is missing"):
        CorrectedScans(root)


def test_labelled_folders_are_read_with_their_confidence(tmp_path):
    root = write_folder(tmp_path / "out", "ply", [make_scan(0), make_scan(1)])
    read = list(read_labelled_folder(root))
    for scan, expected in zip(read, (make_scan(0), make_scan(1)), strict=True):
        np.testing.assert_array_equal(scan.labels, expected.labels)
        np.testing.assert_array_equal(scan.scores, expected.scores)
        assert scan.doubt == pytest.approx(expected.doubt)


def test_doubtful_scans_first(tmp_path):
    scans = [make_scan(seed) for seed in range(4)]
    folder = LabelledFolder(tmp_path / "out", "semantickitti", by_doubt=True)
    for seed, scan in enumerate(scans):
        scan.T_global_lidar[0, 3] = 10.0 * seed
        folder.add(scan)
    folder.close()
    order = sorted(range(4), key=lambda index: -scans[index].doubt)
    listed = json.loads((tmp_path / "out/scans.json").read_text())
    assert [one["source"] for one in listed] == [f"s{index}" for index in order]
    assert [one["file"][-10:] for one in listed] == [f"{n:06d}.bin" for n in range(4)]
    dataset = CorrectedScans(tmp_path / "out")
    poses = np.loadtxt(tmp_path / "out/sequences/00/poses.txt")[:, 3]
    for number, index in enumerate(order):
        np.testing.assert_array_equal(dataset[number].keyframe.labels, scans[index].labels)
        assert poses[number] == 10.0 * (index - order[0])
    assert len(list((tmp_path / "out").rglob("*.moved"))) == 0


def test_unknown_poses_are_no_nan(tmp_path):
    scans = [make_scan(0), make_scan(1)]
    scans[0].T_global_lidar[:] = np.nan
    write_folder(tmp_path / "out", "semantickitti", scans)
    assert np.isfinite(np.loadtxt(tmp_path / "out/sequences/00/poses.txt")).all()


def test_nothing_labelled_is_the_most_doubtful():
    scan = make_scan()
    scan.labels[:] = IGNORE_LABEL
    assert scan.doubt == 1


def test_a_tool_that_corrects_the_classification_of_las_alone(tmp_path):
    root = write_folder(tmp_path / "out", "las", [make_scan()])
    cloud = laspy.read(root / "000000.las")
    classes = np.asarray(cloud.classification).copy()
    classes[[1, 2]] = 3, 0
    was = make_scan().labels
    cloud.classification = classes
    cloud.write(root / "000000.las")
    with pytest.raises(ScanError, match=r"classification and label differ at \d points, .* by --l"):
        CorrectedScans(root)[0]
    labels = CorrectedScans(root, field="classification")[0].keyframe.labels
    assert labels[[1, 2]].tolist() == [2, IGNORE_LABEL]
    np.testing.assert_array_equal(CorrectedScans(root, field="label")[0].keyframe.labels, was)
    with pytest.raises(ScanError, match="has no class; it has classification, label"):
        CorrectedScans(root, field="class")[0]
