"""`clip2scene segment` takes scans in files and writes the same kind."""

import json

import numpy as np
import pytest
import yaml
from street_sweep import street_points

from clip2scene_core.scans import read_scan
from clip2scene_ros.cli.main import main

laspy = pytest.importorskip("laspy", reason="needs the extra scans")
pypcd4 = pytest.importorskip("pypcd4", reason="needs the extra scans")

WORDS = ["car", "road", "building", "tree"]


def street(number):
    """(N, 4) float32: a street, with intensities of 8 bits."""
    points = street_points()[number::5].copy()
    points[:, 3] = np.rint(points[:, 3] * 255)
    return points


def write_scans(folder, suffix, count=2):
    folder.mkdir()
    for number in range(count):
        points = street(number)
        path = folder / f"scan-{number}{suffix}"
        if suffix == ".bin":
            points.tofile(path)
        elif suffix == ".npy":
            np.save(path, points)
        elif suffix == ".pcd":
            pypcd4.PointCloud.from_xyzi_points(points).save(path)
        elif suffix == ".las":
            cloud = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
            cloud.header.scales = np.full(3, 0.001)
            cloud.x, cloud.y, cloud.z = points[:, 0], points[:, 1], points[:, 2]
            cloud.intensity = points[:, 3].astype(np.uint16)
            cloud.write(path)
        else:
            rows = "".join(" ".join(f"{v:.6g}" for v in row) + "\n" for row in points)
            path.write_text(
                f"ply\nformat ascii 1.0\nelement vertex {len(points)}\nproperty float x\n"
                f"property float y\nproperty float z\nproperty float intensity\nend_header\n{rows}"
            )
    return folder


def segment(path, out, *more):
    return main(["segment", str(path), "--out", str(out), "--prompts", *WORDS, *more])


def labels_of(path):
    """Labels of an output, 0 unlabelled, by other readers than the project's where there are."""
    if path.suffix == ".label":
        return np.fromfile(path, "<u4")
    if path.suffix == ".npz":
        with np.load(path) as content:
            return content["labels"].astype(np.uint8) + np.uint8(1)
    if path.suffix == ".pcd":
        return pypcd4.PointCloud.from_path(path).pc_data["label"].ravel()
    if path.suffix == ".las":
        return np.asarray(laspy.read(path).label)
    return read_scan(path).ids["label"]


def test_all_kinds_get_the_same_labels(tmp_path):
    found = {}
    for suffix, out_suffix in {
        ".bin": ".label", ".npy": ".npz", ".pcd": ".pcd", ".ply": ".ply", ".las": ".las",
    }.items():  # fmt: skip
        scans = write_scans(tmp_path / suffix[1:], suffix)
        out = tmp_path / f"out{suffix}"
        more = ["--columns", "4"] if suffix == ".bin" else []
        assert segment(scans, out, "--intensity-scale", "255", *more) == 0
        names = sorted(path.name for path in out.iterdir())
        assert names == [
            "legend.json", f"scan-0{out_suffix}", f"scan-1{out_suffix}", "scans.json",
        ]  # fmt: skip
        found[suffix] = labels_of(out / f"scan-1{out_suffix}")
        legend = json.loads((out / "legend.json").read_text())
        assert [one["name"] for one in legend["classes"]] == WORDS
        assert legend["intensity_scale"] == 255
        if out_suffix == suffix:
            atol = 6e-4 if suffix == ".las" else 1e-4
            np.testing.assert_allclose(
                read_scan(out / f"scan-1{suffix}").points, street(1), atol=atol
            )
    assert len(set(found[".bin"].tolist())) > 1
    for suffix in (".npy", ".pcd"):
        np.testing.assert_array_equal(found[suffix], found[".bin"])
    for suffix in (".ply", ".las"):  # their coordinates are rounded
        assert (found[suffix] == found[".bin"]).mean() > 0.95


def test_several_views_are_seen_where_asked_for(tmp_path):
    scans = write_scans(tmp_path / "scans", ".npy", 1)
    assert segment(scans, tmp_path / "once") == 0
    assert segment(scans, tmp_path / "often", "--views", "3") == 0
    once, often = (labels_of(tmp_path / name / "scan-0.npz") for name in ("once", "often"))
    assert 0.5 < (once == often).mean() < 1
    assert segment(scans, tmp_path / "none", "--views", "0") == 1


def test_one_file_and_the_order_do_not_matter(tmp_path):
    scans = write_scans(tmp_path / "scans", ".pcd")
    assert segment(scans, tmp_path / "both") == 0
    assert segment(scans / "scan-1.pcd", tmp_path / "one") == 0
    np.testing.assert_array_equal(
        labels_of(tmp_path / "one/scan-1.pcd"), labels_of(tmp_path / "both/scan-1.pcd")
    )


def test_a_lidar_upside_down_is_told_by_extrinsics(tmp_path):
    scans = write_scans(tmp_path / "scans", ".npy", 1)
    assert segment(scans, tmp_path / "upright", "--level", "on") == 0
    turned = np.load(scans / "scan-0.npy") * np.float32([1, -1, -1, 1])
    np.save(scans / "scan-0.npy", turned)
    mounting = {
        "parent": "base_link", "child": "lidar", "translation": [0, 0, 2],
        "rotation_xyzw": [1, 0, 0, 0],
    }  # fmt: skip
    file = tmp_path / "mount.yaml"
    file.write_text(yaml.safe_dump({"transforms": [mounting]}))
    assert segment(scans, tmp_path / "told", "--level", "on", "--extrinsics", str(file)) == 0
    expected = labels_of(tmp_path / "upright/scan-0.npz")
    assert (labels_of(tmp_path / "told/scan-0.npz") == expected).mean() > 0.99
    legend = json.loads((tmp_path / "told/legend.json").read_text())
    np.testing.assert_allclose(np.diag(legend["T_base_lidar"]), [1, -1, -1, 1], atol=1e-9)
    second = mounting | {"child": "camera"}
    file.write_text(yaml.safe_dump({"transforms": [mounting, second]}))
    assert segment(scans, tmp_path / "asked", "--extrinsics", str(file)) == 1
    named = ["--extrinsics", str(file), "--sensor-frame", "lidar"]
    assert segment(scans, tmp_path / "asked", *named) == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--mode", "camera"], "mode 'camera' uses cameras, and scans in files have none"),
        (["--mode", "fused"], "mode 'fused' uses cameras"),
        (["--pose-source", "odometry"], "--pose-source is for bags"),
        (["--columns", "4"], "--columns is for .bin scans"),
        (["--intensity-scale", "-1"], "positive number"),
    ],
)
def test_what_scans_do_not_have_is_refused(tmp_path, capsys, more, message):
    scans = write_scans(tmp_path / "scans", ".pcd", 1)
    assert segment(scans, tmp_path / "out", *more) == 1
    said = capsys.readouterr().err
    assert message in said
    assert "bug" not in said
    assert not (tmp_path / "out").exists()


def test_a_damaged_scan_leaves_nothing(tmp_path, capsys):
    scans = write_scans(tmp_path / "scans", ".pcd")
    (scans / "scan-1.pcd").write_bytes(b"# .PCD")
    assert segment(scans, tmp_path / "out") == 1
    assert "scan-1.pcd is no readable .pcd scan" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (scans / "scan-1.pcd").rename(scans / "scan-1.ply")
    assert segment(scans, tmp_path / "out") == 1
    assert "scans of several kinds, .pcd, .ply" in capsys.readouterr().err


def test_a_scan_without_intensity_is_said(tmp_path, capsys):
    scans = tmp_path / "scans"
    scans.mkdir()
    np.save(scans / "a.npy", street(0)[:, :3])
    assert segment(scans, tmp_path / "out") == 0
    assert "it has no intensity" in capsys.readouterr().err
    np.save(scans / "a.npy", street(0)[:0])
    assert segment(scans, tmp_path / "other") == 1
    assert "a.npy has no points" in capsys.readouterr().err
