"""The circle of docs/labels.md, at tiny scale: label, export, correct, fine-tune, label again."""

import json

import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from street_sweep import street_points

from clip2scene_core.checkpoint import load_finetuned
from clip2scene_ros.bags.labelled_reader import read_labelled_bag
from clip2scene_ros.cli.main import main

PointCloud = pytest.importorskip("pypcd4", reason="needs the extra scans").PointCloud

TINY = [
    "--from", "scratch", "--set", "network={width: 0.125, voxel_size_m: 0.5}",
    "--set", "training.epochs=1",
]  # fmt: skip


def test_label_correct_finetune_label_again(scene_bag, tmp_path, capsys):
    assert main(["segment", str(scene_bag), "--out", str(tmp_path / "labelled")]) == 0
    export = ["export", str(tmp_path / "labelled"), "--format", "semantickitti"]
    corrected = tmp_path / "corrected"
    assert main([*export, "--sort-by", "doubt", "--out", str(corrected)]) == 0

    # A person: one more class, and what lies ahead is of it; only the first scan is looked at.
    legend = json.loads((corrected / "legend.json").read_text())
    legend["classes"].append({"id": 300, "name": "ramp", "rgb": [250, 20, 20]})
    (corrected / "legend.json").write_text(json.dumps(legend))
    sequence = corrected / "sequences/00"
    points = np.fromfile(sequence / "velodyne/000000.bin", "<f4").reshape(-1, 4)
    ids = np.fromfile(sequence / "labels/000000.label", "<u4")
    ids[points[:, 1] > 0] = 300 | 5 << 16  # object 5
    ids[:3] = 0
    ids.tofile(sequence / "labels/000000.label")
    others = sorted((sequence / "labels").glob("*.label"))[1:]
    assert others
    for path in others:
        path.unlink()

    tuned = tmp_path / "tuned.safetensors"
    capsys.readouterr()
    assert main(["finetune", "--labels", str(corrected), "--out", str(tuned), *TINY]) == 0
    said = capsys.readouterr()
    assert "1 labelled scans; points: " in said.err
    assert f"ramp {np.count_nonzero(ids > 0xFFFF)}, unlabelled " in said.err
    names = tuple(one["name"] for one in legend["classes"])
    checkpoint = load_finetuned(tuned)
    assert checkpoint.class_names == names
    assert names[-1] == "ramp"
    assert checkpoint.record["num_keyframes"] == 1

    again = ["segment", str(scene_bag), "--weights", str(tuned), "--pose-source", "none"]
    assert main([*again, "--out", str(tmp_path / "again")]) == 0
    for sweep in read_labelled_bag(tmp_path / "again"):
        assert sweep.vocabulary.names == names
        assert sweep.labels.min() < len(names)
    with Reader(tmp_path / "again") as reader:
        assert "/clip2scene/points" in {connection.topic for connection in reader.connections}


def test_corrected_pcd_and_the_folder_of_its_scans(tmp_path, capsys):
    scans = tmp_path / "scans"
    scans.mkdir()
    for number in range(2):
        cloud = PointCloud.from_xyzi_points(street_points()[number::9] * np.float32([1, 1, 1, 255]))
        cloud.save(scans / f"{number}.pcd")
    labelled = tmp_path / "labelled"
    command = ["segment", str(scans), "--out", str(labelled), "--prompts", "car", "road"]
    assert main([*command, "--intensity-scale", "255"]) == 0
    finetune = ["finetune", str(scans), "--labels", str(labelled), *TINY]
    assert main([*finetune, "--out", str(tmp_path / "a.safetensors")]) == 0
    assert main(["segment", str(scans), "--out", str(tmp_path / "again"), "--weights",
                 str(tmp_path / "a.safetensors")]) == 0  # fmt: skip
    again = json.loads((tmp_path / "again/legend.json").read_text())
    assert [one["name"] for one in again["classes"]] == ["car", "road"]

    cloud = PointCloud.from_path(labelled / "1.pcd")
    reversed_points = [cloud.pc_data[name].ravel()[::-1] for name in ("x", "y", "z", "label")]
    PointCloud.from_points(
        reversed_points, ("x", "y", "z", "label"), (np.float32,) * 3 + (np.uint32,)
    ).save(labelled / "1.pcd")
    assert main([*finetune, "--out", str(tmp_path / "b.safetensors")]) == 1
    assert "the order or the frame of the points was changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--split", "train"], "--split is for data sets, not for --labels"),
        (["--columns", "4"], "legend.json is missing"),
    ],
)
def test_what_does_not_go_with_labels_is_refused(tmp_path, capsys, more, message):
    folder = tmp_path / "saved"
    folder.mkdir()
    np.zeros(3, "<u4").tofile(folder / "a.label")
    np.zeros((3, 4), np.float32).tofile(folder / "a.bin")
    out = ["--out", str(tmp_path / "out.safetensors")]
    assert main(["finetune", "--labels", str(folder), *out, *TINY, *more]) == 1
    assert message in capsys.readouterr().err


def test_columns_are_for_scans(tmp_path, tiny_nuscenes, capsys):
    out = ["--out", str(tmp_path / "out.safetensors")]
    assert main(["finetune", str(tiny_nuscenes), "--columns", "4", *out, *TINY]) == 1
    assert "--columns is for scans with --labels" in capsys.readouterr().err
