"""`--from` of `clip2scene pretrain` and `zeroshot`."""

import json

import pytest
import yaml
from random_student import save_random_student

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_ros.cli.main import main


def resolved(capsys, *command: str) -> dict:
    assert main([*command, "--print-config"]) == 0
    return yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize("command", ["pretrain", "zeroshot"])
def test_network_and_input_are_those_of_the_start(command, capsys):
    small, fresh = resolved(capsys, command, "--from", "small"), resolved(capsys, command)
    assert small["network"]["width"] == 0.25
    assert small["input"] == {"level": True, "sensor_height_m": 1.84, "intensity": "rank"}
    assert fresh["network"]["width"] == 1.0
    assert small["losses"] == fresh["losses"]


def test_a_recordings_student_has_the_network_of_its_start(scene_bag, tmp_path, capsys, tiny_clip):
    start = save_random_student(tmp_path)
    width = load_checkpoint(start).config.network.width
    out = tmp_path / "student.safetensors"
    command = [
        "pretrain", str(scene_bag), "--from", str(start), "--teacher", f"small:{tiny_clip}",
        "--prompts", "car", "road", "--recordings", str(tmp_path / "kept"), "--out", str(out),
        "--keyframe-period", "0", "--keyframe-distance", "0", "--hold-out", "0",
        "--set", "training.epochs=1", "--set", "losses.class_balance=false",
    ]  # fmt: skip
    assert main(command) == 0
    checkpoint = load_checkpoint(out)
    assert checkpoint.config.network.width == width != 0.5
    assert checkpoint.record["from"]["weights"] == str(start)
    assert checkpoint.record["from"]["heads"] == "random"
    assert main([*command, "--set", "network.voxel_size_m=0.3"]) == 1  # fmt: skip
    assert "exists" in capsys.readouterr().err
    out.unlink()
    assert main([*command, "--set", "network.voxel_size_m=0.3"]) == 1
    said = capsys.readouterr().err
    assert "network.voxel_size_m is 0.3, of the student" in said
    assert "leave these keys out of the configuration" in said


def test_zeroshot_begins_with_a_student(tiny_nuscenes, tmp_path):
    out = tmp_path / "student.safetensors"
    command = ["zeroshot", str(tiny_nuscenes), "--from", "small", "--out", str(out)]
    options = ["teacher.clip=small", "training.epochs=1", "teacher.image_height=32"]
    assert main([*command, *(part for one in options for part in ("--set", one))]) == 0
    record = json.loads(json.dumps(load_checkpoint(out).record))
    assert (record["from"]["weights"], record["from"]["heads"]) == ("small", "kept")


def test_what_cannot_be_begun_with_is_named(tiny_nuscenes, tmp_path, capsys):
    command = ["pretrain", str(tiny_nuscenes), "--out", str(tmp_path / "s.safetensors")]
    assert main([*command, "--from", str(tmp_path / "none.safetensors")]) == 1
    assert "no such checkpoint" in capsys.readouterr().err
