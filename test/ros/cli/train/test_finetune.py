import csv

import yaml

from clip2scene_core.checkpoint import load_finetuned
from clip2scene_ros.cli.main import main


def test_the_command_trains_from_scratch(tmp_path, tiny_nuscenes, capsys):
    out = tmp_path / "out.safetensors"
    command = [
        "finetune", str(tiny_nuscenes), "--from", "scratch", "--percent", "50", "--sampler",
        "clip2scene_keyframe", "--out", str(out), "--log", str(tmp_path / "log"),
        "--set", "network={width: 0.125, voxel_size_m: 0.5}", "--set", "training.epochs=2",
    ]  # fmt: skip
    assert main(command) == 0
    assert str(out) in capsys.readouterr().out
    checkpoint = load_finetuned(out)
    assert checkpoint.record["from"] == "scratch"
    assert checkpoint.record["num_keyframes"] == 1
    with (tmp_path / "log" / "steps.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], float(row["head_learning_rate"])) for row in rows] == [("2", 1.0)]
    assert main(command) == 1
    assert "exists" in capsys.readouterr().err


def test_the_command_resolves_its_configuration(capsys):
    assert main(["finetune", "--percent", "5", "--linear-probe", "--print-config"]) == 0
    resolved = yaml.safe_load(capsys.readouterr().out)
    assert resolved["labels"] == {"percent": 5, "sampler": "slidr_scene"}
    assert resolved["head"] == {"learning_rate": 2.0, "linear_probe": True}
    assert resolved["network"]["width"] == 0.25  # the shipped student's
    assert main(["finetune", "--set", "head.lr=1", "--print-config"]) == 1
    assert "unknown key 'head.lr'" in capsys.readouterr().err
