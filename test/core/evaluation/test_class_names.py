"""Evaluation with other words than those of the training."""

import json
from pathlib import Path

import numpy as np
import pytest
from checkout import CONFIGS
from random_student import save_random_student

from clip2scene_core.evaluation import NO_CLASS, class_of_label
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.prompts.prompt_set import load_prompt_set
from clip2scene_ros.cli.main import main

NAMES = [scene_class.name for scene_class in NUSCENES_CLASSES]


def texts_of(file: str) -> dict[str, tuple[str, ...]]:
    return dict(load_prompt_set(CONFIGS / file).labels())


def test_labels_count_as_the_class_of_their_name():
    table = class_of_label(["car", NO_CLASS, "barrier"])
    assert table[:3].tolist() == [NAMES.index("car"), IGNORE_LABEL, 0]
    assert (table[3:] == IGNORE_LABEL).all()
    with pytest.raises(
        ValueError, match=r"a label is called 'auto', .* name it 'no class' or one of"
    ):
        class_of_label(["auto"])


@pytest.mark.parametrize("file", sorted(path.name for path in CONFIGS.glob("prompts_*.yaml")))
def test_the_shipped_files_name_classes_and_no_prompt_twice(file):
    labels = texts_of(file)
    class_of_label(list(labels))
    texts = [text for texts in labels.values() for text in texts]
    assert len(set(texts)) == len(texts)


def test_the_shipped_files_hold_the_classes_of_their_data_sets():
    nuscenes = texts_of("prompts_nuscenes.yaml")
    assert nuscenes == {name: (name,) for name in NAMES}
    assert set(texts_of("prompts_synonyms.yaml")) == set(NAMES)
    kitti, cityscapes = texts_of("prompts_semantickitti.yaml"), texts_of("prompts_cityscapes.yaml")
    assert sum(len(texts) for texts in kitti.values()) == 19
    assert sum(len(texts) for texts in cityscapes.values()) == 19
    assert kitti["manmade"] == ("building", "fence", "pole", "traffic sign")
    assert cityscapes[NO_CLASS] == ("sky", "train")


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
