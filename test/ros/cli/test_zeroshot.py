"""`clip2scene evaluate --unseen`: seen and unseen classes apart, and calibrated stacking."""

import json

import numpy as np
import pytest
from random_student import save_random_student
from separable_clouds import NAMES

from clip2scene_core.labels import SEMANTIC_KITTI_RAW_LABELS
from clip2scene_ros.cli.main import main

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
