"""No label of a training scene is ever opened: neither by the training nor by the evaluation."""

import json
from pathlib import Path

import pytest

from clip2scene_core.datasets import DatasetError, NuScenesDataset
from clip2scene_core.world.dataset.writer import WorldOptions, write_world
from clip2scene_ros.cli.main import main

CONFIG = """
network: {width: 0.125, voxel_size_m: 1.0}
teacher: {clip: small}
training: {epochs: 1, batch_size: 1}
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Two scenes of one keyframe; the file scene-N.txt beside it names the N-th."""
    options = WorldOptions(
        num_scenes=2, seed=3, seconds=0.5, image_size=(32, 56), lidar_columns=90,
        is_every_frame=False,
    )  # fmt: skip
    write_world(tmp_path / "world", options)
    for number, scene in enumerate(NuScenesDataset(tmp_path / "world").scenes):
        (tmp_path / f"scene-{number}.txt").write_text(scene.name)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path / "world"


def make_labels_unreadable(world: Path, scene: str) -> None:
    """Put folders in the place of a scene's label files: not even root can read them."""
    version = next(world.glob("v1.0-*"))
    token = {row["name"]: row["token"] for row in _table(version, "scene")}[scene]
    samples = {row["token"] for row in _table(version, "sample") if row["scene_token"] == token}
    readings = {
        row["token"] for row in _table(version, "sample_data") if row["sample_token"] in samples
    }
    files = [row for row in _table(version, "lidarseg") if row["sample_data_token"] in readings]
    assert files
    for row in files:
        (world / row["filename"]).unlink()
        (world / row["filename"]).mkdir()


def _table(version: Path, name: str) -> list[dict[str, str]]:
    return json.loads((version / f"{name}.json").read_text())


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_training_labels_may_be_unreadable_from_training_to_evaluation(world, tmp_path, capsys):
    trained_on, held_out = tmp_path / "scene-0.txt", tmp_path / "scene-1.txt"
    student = tmp_path / "student.safetensors"
    make_labels_unreadable(world, trained_on.read_text())
    with pytest.raises((OSError, DatasetError)):
        NuScenesDataset(world, scenes=[trained_on.read_text()], with_labels=True)[0]

    # The training does without the table of all labels, too; the evaluation needs its own rows.
    table = next(world.glob("v1.0-*")) / "lidarseg.json"
    aside = table.rename(tmp_path / "lidarseg.json")
    table.mkdir()
    config = ("--config", tmp_path / "config.yaml")
    assert run("pretrain", world, "--scenes", trained_on, *config, "--out", student) == 0
    table.rmdir()
    aside.rename(table)
    report = tmp_path / "report"
    options = ("--weights", student, "--modes", "lidar", "--report", report)
    assert run("evaluate", world, "--scenes", held_out, *options) == 0
    written = json.loads((report / "evaluation.json").read_text())
    assert list(written["scenes"].values()) == [held_out.read_text()]
    assert sum(written["modes"]["lidar"]["all"]["points"].values()) > 0

    # All scenes: refused for the one that was trained on, and not because its labels can't be read.
    capsys.readouterr()
    assert run("evaluate", world, *options) == 1
    error = capsys.readouterr().err
    assert f"trained on 1 of these scenes, for example {trained_on.read_text()}" in error
