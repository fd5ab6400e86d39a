"""The commands on a data set in SemanticKITTI's layout."""

import json

import numpy as np
import pytest
from random_student import save_random_student

from clip2scene_core.checkpoint import load_checkpoint, load_finetuned
from clip2scene_core.labels import (
    SEMANTIC_KITTI_CLASSES,
    SEMANTIC_KITTI_RAW_LABELS,
    semantic_kitti_label_map,
)
from clip2scene_ros.cli.main import main

NAMES = [one.name for one in SEMANTIC_KITTI_CLASSES]
SMALL = ("--set", "network={width: 0.125, voxel_size_m: 0.5}", "--set", "training.batch_size=1")


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def write_config(folder, clip):
    config = folder / "config.yaml"
    config.write_text(
        f"classes: [car, road, vegetation]\nprompts: [car, road, tree]\n"
        f"network: {{width: 0.125, voxel_size_m: 1.0}}\ntraining: {{epochs: 1, batch_size: 2}}\n"
        f"teacher: {{clip: 'small:{clip}'}}\nconsensus: {{voxel_size_m: 2.0}}\n"
    )
    return config


def test_from_labels_to_the_files_of_the_evaluator(tiny_kitti, tmp_path, capsys):
    scenes, out = tmp_path / "scenes.txt", tmp_path / "f.safetensors"
    scenes.write_text("00")
    sequences = tiny_kitti / "sequences"
    (sequences / "00/poses.txt").unlink()  # one scan alone needs none
    command = ("finetune", tiny_kitti, "--scenes", scenes, "--from", "scratch", "--out", out)
    share = ("--percent", 50, "--sampler", "clip2scene_keyframe")
    assert run(*command, *share, *SMALL, "--set", "training.epochs=1") == 0
    assert load_finetuned(out).class_names == tuple(NAMES)
    tokens = out.with_suffix(".tokens.txt").read_text().split()
    assert tokens == ["semantic-kitti-00-000000", "semantic-kitti-00-000002"]

    labels, report = tmp_path / "labels", tmp_path / "report"
    evaluation = ("evaluate", tiny_kitti, "--weights", out, "--write-labels", labels)
    assert run(*evaluation, "--split", "val", "--report", report) == 0
    written = json.loads((report / "evaluation.json").read_text())
    assert written["classes"] == NAMES
    files = sorted(path.name for path in (labels / "sequences/08/predictions").iterdir())
    assert files == ["000000.label", "000001.label"]
    # Counting the files as the evaluator does gives the same confusion.
    label_map = semantic_kitti_label_map()
    counts = np.zeros((19, 20), dtype=int)
    for name in files:
        true, predicted = (
            [label_map[int(raw) & 0xFFFF] for raw in np.fromfile(folder / name, np.uint32)]
            for folder in (sequences / "08/labels", labels / "sequences/08/predictions")
        )
        for one, other in zip(true, predicted, strict=True):
            if one != 255:
                counts[one, min(other, 19)] += 1
    assert written["modes"]["lidar"]["all"]["confusion"] == counts.tolist()

    # Nobody has the labels of the test sequences, so there is nothing to score.
    for number in range(11, 22):
        source = sequences / "08" if number == 11 else sequences / "00"
        (sequences / str(number) / "velodyne").mkdir(parents=True)
        scan = (source / "velodyne/000000.bin").read_bytes()
        (sequences / str(number) / "velodyne/000000.bin").write_bytes(scan)
    assert run("evaluate", tiny_kitti, "--weights", out, "--split", "test") == 1
    assert "are not public; give --write-labels" in capsys.readouterr().err
    assert run(*evaluation, "--split", "test") == 0
    same = [labels / f"sequences/{name}/predictions/000000.label" for name in ("08", "11")]
    assert same[0].read_bytes() == same[1].read_bytes()
    assert len(list(labels.glob("sequences/*/predictions/*.label"))) == 2 + 11


def test_a_student_of_other_classes_gets_the_data_set_s_prompts(tiny_kitti, tmp_path, capsys):
    student, report = save_random_student(tmp_path), tmp_path / "report"
    options = ("--split", "val", "--modes", "lidar", "--report", report)
    command = ("evaluate", tiny_kitti, "--weights", student, *options)
    assert run(*command, "--write-labels", tmp_path / "labels") == 0
    written = json.loads((report / "evaluation.json").read_text())
    assert written["prompts"] == {one.name: one.prompt for one in SEMANTIC_KITTI_CLASSES}
    assert sum(written["modes"]["lidar"]["all"]["points"].values()) > 80
    assert "no prompt for" not in capsys.readouterr().out
    raw = np.fromfile(tmp_path / "labels/sequences/08/predictions/000000.label", np.uint32)
    assert set(raw.tolist()) <= {ids[0] for ids in SEMANTIC_KITTI_RAW_LABELS.values()}

    prompts = tmp_path / "prompts.yaml"
    prompts.write_text("road: [road, parking lot]\ncar: suv\n")
    assert run(*command, "--prompts", prompts) == 0
    written = json.loads((report / "evaluation.json").read_text())
    assert written["prompts"] == {"road": "road | parking lot", "car": "suv"}
    prompts.write_text("driveable surface: road\n")
    capsys.readouterr()
    assert run(*command, "--prompts", prompts) == 1
    assert "the data set's 19 classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--modes", "lidar"), "--write-labels is for SemanticKITTI"),
        (("--modes", "lidar", "--split", "val"), "has 0 of the 150 scenes of the split"),
    ],
)
def test_what_nuscenes_does_not_have_is_refused(tiny_nuscenes, tmp_path, capsys, options, message):
    command = ("evaluate", tiny_nuscenes, "--write-labels", tmp_path / "labels")
    assert run(*command, *options) == 1
    assert message in capsys.readouterr().err


def test_labels_of_several_modes_are_refused(tiny_kitti, tmp_path, capsys):
    command = ("evaluate", tiny_kitti, "--split", "val", "--write-labels", tmp_path / "labels")
    assert run(*command, "--modes", "lidar", "camera") == 1
    assert "labels of one mode, got lidar, camera" in capsys.readouterr().err


def test_cameras_of_kitti_teach_a_student(tiny_kitti, tiny_clip, tmp_path, capsys):
    config, out = write_config(tmp_path, tiny_clip), tmp_path / "student.safetensors"
    for labels in tiny_kitti.glob("sequences/*/labels/*.label"):
        labels.write_bytes(b"unreadable")
    assert run("pretrain", tiny_kitti, "--split", "val", "--config", config, "--out", out) == 0
    assert load_checkpoint(out).scene_tokens == ("semantic-kitti-08",)
    (tiny_kitti / "sequences/08/poses.txt").unlink()
    again = ("pretrain", tiny_kitti, "--config", config, "--out", tmp_path / "b.safetensors")
    assert run(*again, "--split", "val") == 1
    assert "poses.txt is missing" in capsys.readouterr().err
    alone = ("--split", "val", "--set", "consensus.voxel_size_m=0")
    assert run(*again, *alone, "--set", "sweeps.count=3") == 1
    assert "poses.txt is missing" in capsys.readouterr().err
    assert run(*again, *alone) == 0  # scans with the images of their own stamps


def test_the_audit_counts_the_data_set_s_classes(tiny_kitti, tiny_clip, tmp_path, capsys):
    config = write_config(tmp_path, tiny_clip)
    assert run("audit", tiny_kitti, "--split", "val", "--config", config) == 0
    printed = capsys.readouterr().out
    assert all(any(line.startswith(name) for line in printed.splitlines()) for name in NAMES)


def test_the_synthetic_world_takes_the_whole_way(tiny_clip, tmp_path, capsys):
    pytest.importorskip(
        "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
    )
    root, config = tmp_path / "world", write_config(tmp_path, tiny_clip)
    world = ("world", "--layout", "semantickitti", "--out", root, "--workers", 1, "--scenes", 9)
    size = ("--seconds", 0.5, "--image-size", "60x20", "--lidar-max-points", 2048)
    assert run(*world, *size) == 0
    train, val = ("--split", "train"), ("--split", "val")
    (tmp_path / "scenes.txt").write_text("00")
    one = ("--scenes", tmp_path / "scenes.txt")
    assert (
        run("pretrain", root, *train, "--config", config, "--out", tmp_path / "no.safetensors") == 1
    )
    assert "no sequence 09, 10" in capsys.readouterr().err
    student = tmp_path / "student.safetensors"
    assert run("pretrain", root, *one, "--config", config, "--out", student) == 0
    tuned = tmp_path / "tuned.safetensors"
    tuning = ("--percent", 50, "--sampler", "clip2scene_keyframe", "--set", "training.epochs=1")
    command = ("finetune", root, *one, "--from", student, *tuning)
    assert run(*command, "--set", "training.batch_size=3", "--out", tuned) == 0
    shot = tmp_path / "shot.safetensors"
    config.write_text(f"{config.read_text()}class_split: {{name: own, unseen: [vegetation]}}\n")
    assert run("zeroshot", root, *one, "--config", config, "--out", shot) == 0
    for weights in (student, tuned, shot):
        report = tmp_path / f"{weights.stem}_report"
        evaluation = ("evaluate", root, *val, "--weights", weights, "--modes", "lidar")
        assert run(*evaluation, "--report", report) == 0
        counts = json.loads((report / "evaluation.json").read_text())["modes"]["lidar"]["all"]
        assert sum(counts["points"].values()) > 2000
