"""The commands on furnished rooms in ScanNet's layout: colors in, labels out."""

import json

import numpy as np
import pytest
import yaml
from checkout import ROOT

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.checkpoint import load_checkpoint, load_finetuned
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import read_config
from clip2scene_core.config.pretrain import load_config
from clip2scene_core.labels import SCANNET_CLASSES, SCANNET_RAW_LABELS
from clip2scene_core.prompts.prompt_set import load_prompt_set
from clip2scene_core.world.rooms.writer import RoomOptions, write_rooms
from clip2scene_ros.cli.main import main

NAMES = [one.name for one in SCANNET_CLASSES]
NETWORK = "{name: minkunet14, width: 0.125, voxel_size_m: 0.2, features: [color]}"


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    options = RoomOptions(num_rooms=5, image_size=(32, 40), num_frames=4)
    return write_rooms(tmp_path_factory.mktemp("rooms") / "data", options).out


def write_config(folder, clip):
    """The tiny CLIP knows three words, none of a room: this is about the way, not the labels."""
    config = folder / "config.yaml"
    config.write_text(
        f"classes: [wall, floor, chair]\nprompts: [tree, road, car]\nnetwork: {NETWORK}\n"
        f"training: {{epochs: 1, batch_size: 2}}\nlosses: {{feature: cosine}}\n"
        f"sweeps: {{min_range_m: 0.0}}\nteacher: {{clip: 'small:{clip}', image_height: 32}}\n"
    )
    return config


def test_the_command_writes_rooms(tmp_path, capsys):
    out = tmp_path / "rooms"
    world = ("world", "--layout", "scannet", "--out", out, "--scenes", 1, "--workers", 1)
    assert run(*world, "--image-size", "20x16") == 0
    assert f"world: {out} (1 keyframes)" in capsys.readouterr().out
    assert (out / "scans/scene0000_00/scene0000_00_vh_clean_2.labels.ply").is_file()


def test_frames_teach_and_few_labels_refine(rooms, tiny_clip, tmp_path, capsys):
    config, student = write_config(tmp_path, tiny_clip), tmp_path / "student.safetensors"
    train, val = ("--split", "train"), ("--split", "val")
    assert run("pretrain", rooms, *train, "--config", config, "--out", student) == 0
    other = ("--config", config, "--set", "network.features=[intensity]")
    assert run("pretrain", rooms, *train, *other, "--out", tmp_path / "no.safetensors") == 1
    assert "colors and no intensity" in capsys.readouterr().err
    checkpoint = load_checkpoint(student)
    assert checkpoint.scene_tokens == tuple(f"scannet-scene0000_0{k}" for k in range(4))
    assert checkpoint.config.network.features == ("color",)
    assert run("audit", rooms, *val, "--config", config) == 0
    assert "bathtub" in capsys.readouterr().out

    tuned = tmp_path / "tuned.safetensors"
    short = ("--set", "training.epochs=1", "--set", "training.batch_size=2", "--set")
    whole = ("labels.percent=50", "--set", "clouds.min_range_m=0", "--from", student)
    assert run("finetune", rooms, *train, *short, *whole, "--out", tuned) == 0
    assert load_finetuned(tuned).class_names == tuple(NAMES)
    shot = tmp_path / "shot.safetensors"
    config.write_text(f"{config.read_text()}class_split: {{name: own, unseen: [chair]}}\n")
    config.write_text(config.read_text().replace("losses: {feature: cosine}\n", ""))
    assert run("zeroshot", rooms, *train, "--config", config, "--out", shot) == 0

    scores = {}
    for weights in (student, tuned, shot):
        report = tmp_path / f"{weights.stem}_report"
        modes = ("--modes", "lidar") if weights == tuned else ("--modes", "lidar", "fused")
        command = ("evaluate", rooms, *val, "--weights", weights, *modes, "--range-edges", "2")
        assert run(*command, "--report", report) == 0
        written = json.loads((report / "evaluation.json").read_text())
        assert written["classes"] == NAMES
        scores[weights.stem] = written["modes"]
    points = [sum(modes["lidar"]["all"]["points"].values()) for modes in scores.values()]
    assert points[0] == points[1] == points[2] > 500
    assert run("evaluate", rooms, *train, "--weights", tuned) == 1
    assert "scene0000_0" in capsys.readouterr().err

    labels = tmp_path / "labels"
    command = ("evaluate", rooms, *val, "--weights", tuned, "--write-labels", labels)
    assert run(*command) == 0
    raw = np.loadtxt(labels / "scene0000_04.txt", dtype=int)
    assert set(raw.tolist()) <= set(SCANNET_RAW_LABELS)
    assert len(raw) >= points[0]


def test_a_student_of_the_streets_says_what_it_lacks(rooms, capsys):
    """The shipped CLIP has never read an indoor word; it must not guess."""
    assert run("evaluate", rooms, "--split", "val", "--modes", "lidar") == 1
    assert "the small CLIP never saw the word 'floor'" in capsys.readouterr().err


def test_configs_are_of_scannet():
    config = load_config(ROOT / "config/pretrain_scannet.yaml")
    assert list(config.classes) == list(config.prompts) == NAMES
    tuning = read_config(ROOT / "config/finetune_scannet.yaml", FinetuneConfig())
    assert config.network == tuning.network
    assert (config.network.name, config.network.voxel_size_m) == ("minkunet14", 0.05)
    assert config.network.features == ("color",)
    for ranges in (config.sweeps, tuning.clouds):
        assert (ranges.min_range_m, ranges.max_range_m) == (0, 1000)
    assert not config.input.level
    prompts = load_prompt_set(ROOT / "config/prompts_scannet.yaml")
    assert list(dict.fromkeys(prompts.names)) == NAMES
    assert list(yaml.safe_load((ROOT / "config/prompts_scannet.yaml").read_text())) == NAMES
