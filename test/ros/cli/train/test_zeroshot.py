"""`clip2scene zeroshot` and `clip2scene evaluate --unseen`: students of seen and unseen classes."""

import csv
import json

import numpy as np
import pytest
import yaml
from checkout import ROOT
from random_student import save_random_student
from separable_clouds import NAMES

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.labels import SEMANTIC_KITTI_CLASSES, SEMANTIC_KITTI_RAW_LABELS
from clip2scene_ros.cli.main import main

TINY = ["--set", "network={width: 0.125, voxel_size_m: 1.0}", "--set", "teacher.clip=small"]
UNSEEN = ("motorcycle", "trailer", "terrain", "traffic cone")


def evaluate(root, tmp_path, *options: str) -> dict:
    out = tmp_path / "report"
    weights = save_random_student(tmp_path)
    command = ["evaluate", str(root), "--weights", str(weights), "--report", str(out)]
    assert main([*command, *options]) == 0
    return json.loads((out / "evaluation.json").read_text())


def test_a_split_is_scored_apart(tiny_nuscenes, tmp_path, capsys):
    written = evaluate(tiny_nuscenes, tmp_path, "--modes", "lidar", "--unseen", "nuscenes")
    scores = written["zeroshot"]["modes"]["lidar"]["all_points"]
    iou = written["modes"]["lidar"]["all"]["iou"]
    for group, names in (("unseen", UNSEEN), ("seen", set(NAMES) - set(UNSEEN))):
        values = [iou[name] for name in names if iou[name] is not None]
        assert scores[group] == pytest.approx(np.mean(values))
    printed = capsys.readouterr().out
    assert "unseen classes: motorcycle, trailer, terrain, traffic cone" in printed
    assert f"lidar: seen {100 * scores['seen']:.1f}, unseen {100 * scores['unseen']:.1f}" in printed


def test_a_penalty_leaves_the_seen_classes_no_point(tiny_nuscenes, tmp_path):
    columns = {}
    for penalty in ("0", "1"):
        options = ("--unseen", *UNSEEN, "--seen-penalty", penalty, "--modes", "lidar")
        counts = evaluate(tiny_nuscenes, tmp_path, *options)["modes"]["lidar"]["all"]["confusion"]
        columns[penalty] = np.array(counts).sum(axis=0)
    is_unseen = np.isin([*NAMES, ""], UNSEEN)
    assert columns["0"][~is_unseen].sum() > 0
    assert columns["1"][~is_unseen].sum() == 0
    assert columns["1"].sum() == columns["0"].sum()


def test_the_classes_are_the_data_set_s(tiny_kitti, tmp_path):
    folder = tmp_path / "labels"
    options = ("--unseen", "semantickitti", "--seen-penalty", "1", "--modes", "lidar")
    kitti = ("--split", "val", "--write-labels", str(folder))
    written = evaluate(tiny_kitti, tmp_path, *options, *kitti)
    assert written["zeroshot"]["unseen"] == ["motorcycle", "truck", "bicyclist", "traffic sign"]
    raw = np.fromfile(folder / "sequences/08/predictions/000000.label", np.uint32)
    unseen = [SEMANTIC_KITTI_RAW_LABELS[name][0] for name in written["zeroshot"]["unseen"]]
    assert set(raw.tolist()) <= {0, *unseen}
    assert (raw > 0).any()


def test_bad_splits_are_one_line(tiny_nuscenes, tmp_path, capsys):
    weights = save_random_student(tmp_path)
    command = ["evaluate", str(tiny_nuscenes), "--weights", str(weights)]
    for options, message in (
        (["--unseen", "giraffe"], "the split names giraffe"),
        (["--seen-penalty", "0.5"], "name the others with --unseen"),
        (["--unseen", "car", "--seen-penalty", "2"], "must be in [0, 1]"),
        (["--unseen", "car", "--seen-penalty", "0.5", "--modes", "camera"], "in mode lidar"),
    ):
        assert main([*command, *options]) == 1
        assert message in capsys.readouterr().err


def test_the_command_trains_and_its_student_is_evaluated(
    tmp_path, tiny_nuscenes, other_nuscenes, capsys
):
    out = tmp_path / "out.safetensors"
    command = [
        "zeroshot", str(tiny_nuscenes), "--unseen", "motorcycle", "trailer", "--out", str(out),
        "--log", str(tmp_path / "log"), *TINY, "--set", "training.epochs=2",
        "--set", "training.batch_size=1",
    ]  # fmt: skip
    assert main(command) == 0
    assert f"student: {out}" in capsys.readouterr().out
    checkpoint = load_checkpoint(out)
    assert checkpoint.record["zeroshot"]["class_split"]["unseen"] == ["motorcycle", "trailer"]
    assert len(checkpoint.vocabulary.names) == 16
    with (tmp_path / "log" / "steps.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["step"], float(row["phase"])) == ("4", 2.0)
    assert float(row["labelled_points"]) > 0
    assert main(command) == 1
    assert "exists" in capsys.readouterr().err

    scores = ["--modes", "lidar", "--unseen", "motorcycle", "trailer"]
    assert main(["evaluate", str(other_nuscenes), "--weights", str(out), *scores]) == 0
    assert "hIoU" in capsys.readouterr().out


def test_semantic_kitti_has_a_split_of_its_own(tmp_path, tiny_kitti, capsys):
    out, scenes, report = tmp_path / "out.safetensors", tmp_path / "scenes.txt", tmp_path / "report"
    command = ["zeroshot", str(tiny_kitti), "--split", "val", "--out", str(out)]
    config = ["--config", str(ROOT / "config/zeroshot_semantic_kitti.yaml")]
    short = ["--set", "training={epochs: 1, batch_size: 2}"]
    assert main([*command, "--unseen", "semantickitti"]) == 1  # of nuScenes' classes
    assert "the split names bicyclist, traffic sign" in capsys.readouterr().err
    labels = tiny_kitti / "sequences/00/labels"
    labels.rename(tmp_path / "labels")  # of a sequence of another split
    assert main([*command, *config, *TINY, *short]) == 0
    checkpoint = load_checkpoint(out)
    assert checkpoint.scene_tokens == ("semantic-kitti-08",)
    assert checkpoint.vocabulary.names == tuple(one.name for one in SEMANTIC_KITTI_CLASSES)

    (tmp_path / "labels").rename(labels)
    scenes.write_text("00")
    chosen = ["--scenes", str(scenes), "--modes", "lidar", "--unseen", "semantickitti"]
    command = ["evaluate", str(tiny_kitti), "--weights", str(out), "--report", str(report)]
    assert main([*command, *chosen]) == 0
    written = json.loads((report / "evaluation.json").read_text())
    unseen = ["motorcycle", "truck", "bicyclist", "traffic sign"]
    assert written["zeroshot"]["unseen"] == unseen
    assert set(written["zeroshot"]["modes"]) == {"lidar"}


def test_the_command_resolves_its_configuration(capsys):
    command = [
        "zeroshot",
        "--config",
        str(ROOT / "config/zeroshot_synthetic.yaml"),
        "--print-config",
    ]
    assert main([*command, "--unseen", "annotation_free"]) == 0
    resolved = yaml.safe_load(capsys.readouterr().out)
    assert resolved["class_split"]["name"] == "annotation_free"
    assert resolved["input"]["level"] is True
    assert main([*command, "--unseen", "car", "--protocol", "inductive"]) == 0
    resolved = yaml.safe_load(capsys.readouterr().out)["class_split"]
    assert (resolved["name"], resolved["unseen"]) == ("own", ["car"])
    assert resolved["protocol"] == "inductive"
    for options, message in (
        (["--unseen", "giraffe"], "the split names giraffe"),
        (["--protocol", "both"], "class_split.protocol must be one of"),
        (["--set", "losses.semantic=kl"], "unknown key 'losses.semantic'"),
    ):
        assert main([*command, *options]) == 1
        assert message in capsys.readouterr().err
