"""`clip2scene world`: data sets, the benchmark, sheets, and arguments that do not go together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.datasets.semantic_kitti import SemanticKittiDataset
from clip2scene_core.world.dataset import splits, writer
from clip2scene_core.world.dataset.ground_truth import read_class_images
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.tables import lidar_of_scenes
from clip2scene_core.world.sensors.lidar_models import MODEL_NAMES
from clip2scene_ros.cli.main import main

TINY = ["--scenes", "1", "--seconds", "0.5", "--image-size", "50x28", "--columns", "60"]


def test_a_world_is_written_with_truth(tmp_path, capsys):
    out = tmp_path / "world"
    arguments = [
        "world",
        "--out",
        str(out),
        *TINY,
        "--keyframes-only",
        "--ground-truth",
        "--workers",
        "1",
    ]
    assert main(arguments) == 0
    assert f"world: {out} (1 keyframes)" in capsys.readouterr().out
    sample = NuScenesDataset(out)[0]
    assert [image.shape for image in read_class_images(out, sample)] == [(28, 50)] * 6


def test_options_reach_the_world(tmp_path):
    out = tmp_path / "world"
    errors = ["--rolling", "--camera-offset-ms", "30", "--calibration-error-deg", "1"]
    assert main(["world", "--out", str(out), *TINY, *errors, "--workers", "1"]) == 0
    assert list((out / "lidar_times").iterdir())


def test_a_world_is_laid_out_as_semantic_kitti(tmp_path, capsys):
    out = tmp_path / "kitti"
    arguments = ["world", "--layout", "semantickitti", "--out", str(out), "--scenes", "1"]
    arguments += ["--seconds", "0.5", "--image-size", "60x20", "--lidar-max-points", "2048"]
    assert main([*arguments, "--workers", "1"]) == 0
    assert f"world: {out} (5 keyframes)" in capsys.readouterr().out
    assert [len(SemanticKittiDataset(out, split)) for split in (["00"], None)] == [5, 5]


def test_sensors_reach_the_world(tmp_path):
    out = tmp_path / "world"
    sensors = ["--lidar", "mixed", "--placement", "mixed", "--cameras", "mixed"]
    sensors += ["--held-out-lidars", *(name for name in MODEL_NAMES if name != "RS-M1")]
    sensors += ["--lidar-max-points", "2100", "--keyframes-only", "--workers", "1"]
    assert main(["world", "--out", str(out), *TINY, *sensors]) == 0
    assert list(lidar_of_scenes(out).values()) == ["RS-M1"]


def test_varied_is_the_world_that_teaches_for_any_sensor(tmp_path, monkeypatch):
    written: list[WorldOptions] = []
    summary = writer.WorldSummary(tmp_path / "b", "v1.0-mini", 3, 9, 18, 1000)

    def write_world(out, options, progress, workers):
        written.append(options)
        return summary

    monkeypatch.setattr(writer, "write_world", write_world)
    arguments = ["world", "--out", str(tmp_path / "train"), "--varied", "--seed", "2"]
    arguments += ["--scenes", "200", "--seconds", "1.5", "--keyframes-only"]
    arguments += ["--lidar-max-points", "24000", "--held-out-lidars", *splits.HELD_OUT_LIDARS]
    assert main(arguments) == 0
    chosen = ["--lidar", "VLP-16", "--cameras", "nuscenes"]
    assert main(["world", "--out", str(tmp_path / "b"), "--varied", *chosen]) == 0
    assert written[0] == splits.VARIED_TRAIN
    varied = written[1]
    assert (varied.lidar, varied.cameras, varied.terrain) == ("VLP-16", "nuscenes", "varied")


def test_the_benchmark_is_three_data_sets(tmp_path, monkeypatch, capsys):
    written: dict[Path, WorldOptions] = {}
    summary = writer.WorldSummary(tmp_path / "b", "v1.0-mini", 3, 9, 18, 1000)

    def write_world(out, options, progress, workers):
        written[out] = options
        progress(1, 1)
        return summary

    monkeypatch.setattr(writer, "write_world", write_world)
    assert main(["world", "--out", str(tmp_path), "--benchmark"]) == 0
    assert [path.name for path in written] == ["train", "val", "test"]
    assert list(written.values()) == [splits.benchmark_options(split) for split in splits.SPLITS]


def test_a_sheet_is_a_picture(tmp_path):
    path = tmp_path / "sheet.png"
    assert main(["world", "--sheet", str(path), *TINY]) == 0
    assert np.asarray(Image.open(path)).std() > 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --out FOLDER for a data set or --sheet"),
        (["--out", "a", "--sheet", "b.png"], "give either --out"),
        (["--sheet", "b.png", "--lidar", "VLP-16"], "--sheet draws nuScenes' sensors"),
        (["--sheet", "b.png", "--benchmark"], "--benchmark writes data sets"),
        (["--out", "a", "--benchmark", "--seed", "3"], "leave out --seed"),
        (["--out", "a", "--benchmark", "--varied"], "leave out --varied"),
        (
            ["--out", "a", "--benchmark", "--scenes", "2", "--ground-truth"],
            "--scenes and --ground-truth",
        ),
        (["--out", "a", "--benchmark", "--layout", "semantickitti"], "leave out --benchmark"),
        (["--out", "a", "--layout", "semantickitti", "--varied"], "leave out --varied"),
        (
            ["--out", "a", "--layout", "semantickitti", "--keyframes-only", "--columns", "60"],
            "leave out --columns and --keyframes-only",
        ),
        (["--out", "a", "--layout", "semantickitti", "--scenes", "23"], "00 to 21"),
        (["--out", "a", "--layout", "scannet", "--seconds", "2"], "leave out --seconds"),
        (["--sheet", "a.png", "--layout", "scannet"], "leave out --sheet"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(arguments, message, capsys):
    assert main(["world", *arguments]) == 1
    assert message in capsys.readouterr().err
