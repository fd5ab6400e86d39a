import importlib.util
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clip2scene_core.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.network.student import Student
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.teacher.small_clip import load_small_clip
from clip2scene_ros.bags.io import open_bag
from clip2scene_ros.bags.labelled_reader import read_labelled_bag
from clip2scene_ros.cli.main import main
from clip2scene_ros.viewers.report import draw_report, score


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """A checkpoint of an untrained student with the 16 classes."""
    torch.manual_seed(0)
    names = tuple(c.name for c in NUSCENES_CLASSES)
    prompts = tuple(c.prompt for c in NUSCENES_CLASSES)
    config = PretrainConfig(network=NetworkConfig(width=0.125, voxel_size_m=0.5))
    vocabulary = make_vocabulary(prompts, torch.eye(16), names)
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, Checkpoint(Student(config.network, 16), vocabulary, config, ("x",), {}))
    return path


@pytest.fixture
def bag(tmp_path: Path, tiny_nuscenes: Path) -> Path:
    out = tmp_path / "bag"
    assert (
        main(["bag", str(tiny_nuscenes), "--scene", "scene-0001", "--out", str(out), "--labels"])
        == 0
    )
    return out


def error_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must fail, and give its one line."""
    assert main([str(argument) for argument in arguments]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(lines) == 1
    return lines[0]


def test_a_scene_becomes_a_bag_and_the_bag_is_labelled(tmp_path, bag, student, capsys):
    out = tmp_path / "labelled"
    assert main(["segment", str(bag), "--out", str(out), "--weights", str(student)]) == 0
    assert "6 of 6 clouds, 288 points" in capsys.readouterr().out
    with open_bag(out) as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
    assert counts["/clip2scene/points"] == counts["/lidar_top"] == 6
    assert counts["/clip2scene/legend"] == 1


def test_a_labelled_bag_is_scored_and_drawn(tmp_path, bag, student):
    out = tmp_path / "labelled"
    assert main(["segment", str(bag), "--out", str(out), "--weights", str(student)]) == 0
    sweeps = read_labelled_bag(out)
    assert [len(sweep.labels) for sweep in sweeps] == [48] * 6
    assert [sweep.sweep.labels is not None for sweep in sweeps] == [True, *[False] * 4, True]
    assert sweeps[0].vocabulary.names == tuple(c.name for c in NUSCENES_CLASSES)
    confusion = score(sweeps)
    # Raw categories 0-31, then 0-15 again, in each of two keyframes; 20 and 8 of them have a class.
    assert confusion.points_per_class.sum() == 2 * (20 + 8)
    assert not math.isnan(confusion.mean_iou())
    for picture in draw_report(sweeps, tmp_path / "pictures"):
        colors = np.unique(np.asarray(Image.open(picture)).reshape(-1, 3), axis=0)
        assert len(colors) > 10


def test_evaluation_prints_every_mode_side_by_side(tiny_nuscenes, student, capsys):
    arguments = ["evaluate", str(tiny_nuscenes), "--weights", str(student)]
    assert main([*arguments, "--modes", "lidar", "untrained"]) == 0
    lines = capsys.readouterr().out.splitlines()
    mean = next(line.split() for line in reversed(lines) if line.startswith("mean  "))
    assert len(mean) == 3
    assert any(line.split() == ["IoU", "[%]", "lidar", "untrained"] for line in lines)


def test_evaluation_refuses_scenes_of_the_training(tiny_nuscenes, tmp_path, student, capsys):
    trained = load_checkpoint(student)
    path = tmp_path / "trained.safetensors"
    save_checkpoint(
        path,
        Checkpoint(trained.student, trained.vocabulary, trained.config, ("scene-a",), {}),
    )
    error = error_of(capsys, "evaluate", tiny_nuscenes, "--weights", path, "--modes", "lidar")
    assert "trained on 1 of these scenes" in error


def test_bad_input_is_one_line(tmp_path, bag, student, capsys):
    out = tmp_path / "out"
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"\x00" * 100)
    assert "a file of zeros" in error_of(capsys, "segment", bag, "--out", out, "--weights", damaged)
    missing = tmp_path / "none"
    weights = ("--weights", student)
    assert "does not exist" in error_of(capsys, "segment", missing, "--out", out, *weights)
    assert "exists already" in error_of(capsys, "segment", bag, "--out", bag, *weights)
    assert "has no scene x" in error_of(
        capsys, "bag", tmp_path / "tiny", "--scene", "x", "--out", out
    )
    assert not out.exists()
    config = tmp_path / "config.yaml"
    config.write_text("training: {epoch: 1}")
    student_out = ("--out", tmp_path / "new.safetensors")
    error = error_of(capsys, "pretrain", tmp_path / "tiny", "--config", config, *student_out)
    assert "unknown key 'training.epoch'" in error
    scenes = tmp_path / "scenes.txt"
    scenes.write_text("scene-0001")
    twice = ("pretrain", tmp_path / "tiny", tmp_path / "tiny", *student_out)
    assert "scenes are in two data sets" in error_of(capsys, *twice)
    assert "--scenes chooses scenes of one data set" in error_of(capsys, *twice, "--scenes", scenes)


def test_one_line_cannot_be_forged_or_prolonged(tmp_path, bag, student, capsys):
    arguments = ("segment", bag, "--out", tmp_path / "out", "--weights", student)
    error = error_of(capsys, *arguments, "--prompts", "car\x1b[2J\r\n[ERROR] forged" + "a" * 900)
    assert "\x1b" not in error
    error = error_of(capsys, *arguments, "--prompts", "a" * 100_000)
    assert "at most 1000 are read" in error
    assert len(error) < 300
    error = error_of(capsys, *arguments, "--prompts", *[f"car {n}" for n in range(10_000)])
    assert "10000 texts are too many" in error


@pytest.mark.parametrize("mistake", [KeyError("x"), TypeError("x"), AssertionError("x")])
def test_a_bug_is_called_one_and_debug_shows_where(monkeypatch, capsys, mistake):
    def run(arguments):
        raise mistake

    monkeypatch.setattr("clip2scene_ros.cli.measure.models.run", run)
    assert main(["models"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert f"this is a bug: {type(mistake).__name__}" in lines[0]
    with pytest.raises(type(mistake)):
        main(["--debug", "models"])


def test_a_truncated_bag_is_one_line_and_leaves_nothing(tmp_path, bag, student, capsys):
    (file,) = bag.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 20])
    out = tmp_path / "out"
    error_of(capsys, "segment", bag, "--out", out, "--weights", student)
    assert not out.exists()


def test_unknown_words_exit_with_2_and_help_with_0(capsys):
    for arguments, status in ((["fly"], 2), (["--help"], 0), (["segment"], 2)):
        with pytest.raises(SystemExit) as raised:
            main(arguments)
        assert raised.value.code == status
    assert "label the clouds of bags" in capsys.readouterr().out


def test_a_labelled_bag_is_recorded_for_rerun_or_the_extra_is_named(tmp_path, bag, student, capsys):
    out, recording = tmp_path / "labelled", tmp_path / "drive.rrd"
    assert main(["segment", str(bag), "--out", str(out), "--weights", str(student)]) == 0
    if importlib.util.find_spec("rerun") is None:
        assert ".[viz]" in error_of(capsys, "view", out, "--save", recording)
    else:
        assert main(["view", str(out), "--save", str(recording)]) == 0
        assert recording.stat().st_size > 1000


def test_labelling_is_recorded_for_rerun_or_the_extra_is_named(tmp_path, bag, student, capsys):
    out, recording = tmp_path / "labelled", tmp_path / "drive.rrd"
    arguments = ["segment", bag, "--out", out, "--weights", student, "--rrd", recording]
    if importlib.util.find_spec("rerun") is None:
        assert ".[viz]" in error_of(capsys, *arguments)
        assert not out.exists()
    else:
        assert main([str(argument) for argument in arguments]) == 0
        assert recording.stat().st_size > 1000


def test_a_world_is_written_and_read_like_any_data_set(tmp_path, student, capsys):
    out = tmp_path / "world"
    size = ["--image-size", "64x36", "--columns", "60", "--seconds", "0.5"]
    assert main(["world", "--out", str(out), "--scenes", "1", *size, "--keyframes-only"]) == 0
    assert "1 keyframes" in capsys.readouterr().out
    arguments = ["evaluate", str(out), "--weights", str(student), "--modes", "untrained"]
    assert main(arguments) == 0
    assert "mean IoU" in capsys.readouterr().out
    assert "not empty" in error_of(capsys, "world", "--out", out, "--scenes", "1", *size)


def test_a_small_clip_is_trained_scored_and_knows_its_words(tmp_path, capsys):
    out, scores = tmp_path / "clip.safetensors", tmp_path / "scores.json"
    counts = ["--pictures", "60", "--held-out", "30", "--steps", "2"]
    assert main(["clip", "train", "--out", str(out), *counts]) == 0
    assert "class mean" in capsys.readouterr().out
    assert main(["words", "--teacher", f"small:{out}"]) == 0
    assert "road" in capsys.readouterr().out.split()
    assert "exists" in error_of(capsys, "clip", "train", "--out", out, *counts)
    arguments = ["--pictures", "30", "--json", str(scores)]
    assert main(["clip", "score", str(out), *arguments]) == 0
    # The same pictures and weights as at the end of the training.
    record = json.loads(scores.read_text())["pictures"]
    assert record == load_small_clip(out).training["scores"]
    capsys.readouterr()
    assert main(["clip", "score", str(out), "--split", "test", "--pictures", "5"]) == 0
    assert "looks at the test split" in capsys.readouterr().out


def test_help_names_defaults_once_and_none_where_there_is_none(capsys):
    for command in ("segment", "pretrain", "evaluate"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        text = " ".join(capsys.readouterr().out.split())
        assert "(default: cpu)" in text
        assert not re.search(r"\(default: (None|False|\(\)|\[\])?\)", text)
        assert not re.search(r"default: [^)]*\) \(default", text)
