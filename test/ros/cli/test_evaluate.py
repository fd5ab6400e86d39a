"""`clip2scene evaluate`: what it prints and writes, and that it opens no label of a training."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from random_student import save_random_student
from separable_clouds import NAMES, make_config

from clip2scene_core.checkpoint import FinetunedCheckpoint, save_finetuned
from clip2scene_core.datasets import DatasetError, NuScenesDataset
from clip2scene_core.labels import IGNORE_LABEL, nuscenes_label_map
from clip2scene_core.training.finetune.run import make_classifier
from clip2scene_core.world.dataset.writer import WorldOptions, write_world
from clip2scene_ros.cli.main import main

CONFIG = """
network: {width: 0.125, voxel_size_m: 1.0}
teacher: {clip: small}
training: {epochs: 1, batch_size: 1}
"""
# The raw labels of the hand-written data set count up: 0 to 31, then 0 to 15.
HAS_CLASS = nuscenes_label_map()[np.arange(48) % 32] != IGNORE_LABEL


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


def test_the_command_writes_what_it_measured(tiny_nuscenes, tmp_path, capsys):
    student, out = save_random_student(tmp_path), tmp_path / "report"
    arguments = ["evaluate", str(tiny_nuscenes), "--weights", str(student)]
    options = ["--modes", "lidar", "camera", "--range-edges", "12", "--report", str(out)]
    assert main([*arguments, *options]) == 0
    printed = capsys.readouterr().out
    written = json.loads((out / "evaluation.json").read_text())
    assert set(written["modes"]) == {"lidar", "camera"}
    assert written["classes"] == list(NAMES)
    assert written["scenes"] == {"scene-a": "scene-0001"}
    lidar, camera = written["modes"]["lidar"], written["modes"]["camera"]
    assert len(lidar["ranges"]) == 2
    assert lidar["all"]["points"] == camera["all"]["points"]
    assert sum(lidar["calibration"]["points"]) == 2 * HAS_CLASS.sum()
    assert 0 < sum(camera["calibration"]["points"]) < 2 * HAS_CLASS.sum()
    assert camera["out_of_view"]["mean_iou"] == 0.0
    row = next(line for line in printed.splitlines() if line.startswith("mean at 12 m and more"))
    assert row.split()[-2:] == [
        f"{100 * mode['ranges'][1]['mean_iou']:.1f}" for mode in (lidar, camera)
    ]
    pictures = {path.name: np.asarray(Image.open(path)) for path in out.glob("*.png")}
    charts = {"iou_by_class.png", "iou_by_part.png", "calibration.png"}
    matrices = {"confusion_lidar.png", "confusion_camera.png"}
    assert set(pictures) >= charts | matrices | {"keyframe_worst.png"}
    assert all(len(np.unique(pixels.reshape(-1, 3), axis=0)) > 5 for pixels in pictures.values())
    assert all(str(out / name) in printed for name in pictures)


def test_scenes_may_have_sensors_at_other_heights(world, tmp_path):
    """A student that levels clouds has the same numbers wherever the sensor of a scene sits."""

    def score(out: Path) -> list[float]:
        arguments = ["evaluate", str(world), "--weights", "small", "--modes", "lidar"]
        assert main([*arguments, "--report", str(out)]) == 0
        (report,) = json.loads((out / "evaluation.json").read_text())["modes"].values()
        return [report["all"]["accuracy"], report["all"]["mean_iou"]]

    before = score(tmp_path / "before")
    assert before[0] > 0.5
    first = NuScenesDataset(world).scenes[0].name
    for record in NuScenesDataset(world).scene_records(first):
        if record.modality == "lidar":
            points = np.fromfile(record.path, "<f4").reshape(-1, 5)
            points[:, 2] += 1.0
            points.tofile(record.path)
    accuracy, mean_iou = score(tmp_path / "after")
    assert accuracy == pytest.approx(before[0], abs=0.01)
    assert mean_iou == pytest.approx(before[1], abs=0.02)  # some classes have few points here


def evaluate(tiny_nuscenes: Path, tmp_path: Path, content: str, *options: str) -> dict:
    """Evaluate a random student with a prompt file; what the JSON says."""
    prompts, out = tmp_path / "prompts.yaml", tmp_path / "report"
    prompts.write_text(content)
    weights = save_random_student(tmp_path)
    arguments = ["evaluate", str(tiny_nuscenes), "--weights", str(weights), "--report", str(out)]
    assert main([*arguments, "--prompts", str(prompts), *options]) == 0
    return json.loads((out / "evaluation.json").read_text())


def test_points_get_only_classes_that_have_a_prompt(tiny_nuscenes, tmp_path, capsys):
    content = "vegetation: [tree, bush]\nno class: sky\ncar: suv\n"
    written = evaluate(tiny_nuscenes, tmp_path, content, "--modes", "lidar", "untrained", "fused")
    assert written["prompts"] == {"vegetation": "tree | bush", "no class": "sky", "car": "suv"}
    assert "no prompt for barrier, bicycle, bus, construction vehicle" in capsys.readouterr().out
    allowed = [NAMES.index("vegetation"), NAMES.index("car"), len(NAMES)]
    for mode in ("lidar", "untrained", "fused"):
        counts = np.array(written["modes"][mode]["all"]["confusion"])
        assert counts[:, allowed].sum() == counts.sum() > 0


def test_how_prompts_are_grouped_reaches_the_scores_and_is_written(tiny_nuscenes, tmp_path):
    content = "car: [car, sedan, suv]\ndriveable surface: [road, street]\nterrain: grass\n"
    scores = {}
    for group in ("logsumexp", "max"):
        written = evaluate(tiny_nuscenes, tmp_path, content, "--modes", "lidar", "--group", group)
        assert written["group"] == group
        scores[group] = written["modes"]["lidar"]["calibration"]["mean_score"]
    assert scores["max"] != scores["logsumexp"]


def test_bad_prompt_files_are_one_line(tiny_nuscenes, tmp_path, capsys):
    weights = save_random_student(tmp_path)
    prompts = tmp_path / "prompts.yaml"
    arguments = ["evaluate", str(tiny_nuscenes), "--weights", str(weights), "--modes", "lidar"]
    for content, message in (
        ("auto: car", "a label is called 'auto'"),
        ("car: giraffe", "giraffe"),
        ("car: 3", "must be a name with a prompt"),
    ):
        prompts.write_text(content)
        assert main([*arguments, "--prompts", str(prompts)]) == 1
        assert message in capsys.readouterr().err
    assert main([*arguments, "--prompts", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml" in capsys.readouterr().err
    assert main([*arguments, "--group", "max"]) == 1
    assert "give --prompts" in capsys.readouterr().err


def test_evaluation_scores_a_fine_tuned_network(tmp_path, tiny_nuscenes, capsys):
    classifier = make_classifier(make_config(), None).eval()
    torch.nn.init.zeros_(classifier.head.weight)
    with torch.no_grad():
        classifier.head.bias.copy_(torch.arange(16) == 6)  # pedestrians everywhere
    path, report = tmp_path / "f.safetensors", tmp_path / "report"
    save_finetuned(path, FinetunedCheckpoint(classifier, NAMES, make_config(), (), {}))
    command = ["evaluate", str(tiny_nuscenes), "--weights", str(path)]
    assert main([*command, "--report", str(report)]) == 0
    # The union of pedestrians and of what is called so is every point with a class.
    ground_truth = np.concatenate([sample.keyframe.labels for sample in labelled(tiny_nuscenes)])
    share = (ground_truth == 6).sum() / (ground_truth != IGNORE_LABEL).sum()
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("pedestrian"))
    assert f"{100 * share:.1f}" in line
    (written,) = report.glob("*.json")
    assert yaml.safe_load(written.read_text())
    for options in (["--modes", "camera"], ["--prompts", "config/prompts_nuscenes.yaml"]):
        assert main([*command, *options]) == 1
        assert "is fine-tuned: it labels in mode lidar" in capsys.readouterr().err
    seen = FinetunedCheckpoint(classifier, NAMES, make_config(), ("scene-a",), {})
    save_finetuned(path, seen)
    assert main(command) == 1
    assert "was trained on 1 of these scenes" in capsys.readouterr().err


def labelled(root: Path) -> NuScenesDataset:
    return NuScenesDataset(root, with_labels=True, with_images=False)
