from dataclasses import replace
from pathlib import Path

import pytest

from clip2scene_core.bench.runs import given_runs, groups_of, trained_runs
from clip2scene_core.bench.training_stages import quick_config, student_stages, teacher_stages
from clip2scene_core.bench.world.plan import (
    measuring_stages,
    supervised_stages,
)
from clip2scene_core.checkpoint import Checkpoint, save_checkpoint
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import TrainingConfig
from clip2scene_core.corruptions.corruption import Corruption


def save(path: Path, checkpoint: Checkpoint, seed: int = 0, epochs: int = 20) -> Path:
    training = TrainingConfig(seed=seed, epochs=epochs)
    config = replace(checkpoint.config, training=training)
    save_checkpoint(path, replace(checkpoint, config=config))
    return path


def test_each_configuration_is_trained_with_each_seed():
    configs = {"a": PretrainConfig(), "b": quick_config(PretrainConfig())}
    runs = trained_runs(configs, 2, Path("work"))
    assert [run.name for run in runs] == ["a-0", "a-1", "b-0", "b-1"]
    assert [run.config.training.seed for run in runs] == [0, 1, 0, 1]
    assert runs[3].config.training.epochs == 1
    assert runs[1].weights == Path("work/students/a-1.safetensors")
    assert [list(map(str, groups_of(runs)))] == [["a", "b"]]


def test_given_students_of_one_configuration_are_its_seeds(tmp_path, tiny_checkpoint):
    paths = [
        save(tmp_path / "one-0.safetensors", tiny_checkpoint, seed=0),
        save(tmp_path / "other.safetensors", tiny_checkpoint, seed=0, epochs=7),
        save(tmp_path / "one-5.safetensors", tiny_checkpoint, seed=5),
    ]
    runs = given_runs(paths)
    assert [run.name for run in runs] == ["one-0", "one-5", "other-0"]
    assert [run.weights for run in runs] == [paths[0], paths[2], paths[1]]
    assert all(run.is_given for run in runs)
    assert next(stage.name for stage in student_stages(tmp_path, runs)) == "student-one-0"
    assert teacher_stages(tmp_path, runs) == []  # they were taught before
    assert supervised_stages(tmp_path, runs) == []
    assert not [s for s in measuring_stages(tmp_path, runs, []) if "supervised" in s.name]


def test_students_that_cannot_be_told_apart_are_refused(tmp_path, tiny_checkpoint):
    first = save(tmp_path / "one-0.safetensors", tiny_checkpoint)
    again = save(tmp_path / "one-1.safetensors", tiny_checkpoint)
    other = save(tmp_path / "one-2.safetensors", tiny_checkpoint, seed=2, epochs=7)
    with pytest.raises(ValueError, match="differ in nothing but weights"):
        given_runs([first, again])
    with pytest.raises(ValueError, match="2 configurations are called one, one"):
        given_runs([first, other])


def test_stages_have_names_of_their_own(tmp_path):
    runs = trained_runs({"a": PretrainConfig(), "b": PretrainConfig()}, 2, tmp_path)
    corruptions = [Corruption("fog", 1), Corruption("fog", 3)]
    stages = [
        *teacher_stages(tmp_path, runs),
        *supervised_stages(tmp_path, runs),
        *student_stages(tmp_path, runs),
        *measuring_stages(tmp_path, runs, corruptions),
    ]
    names = [stage.name for stage in stages]
    assert len(set(names)) == len(names)
    assert {"student-b-1", "score-a", "corrupted-b-none", "corrupted-b-fog-3"} <= set(names)
    assert [name for name in names if name.startswith("supervised")] == [
        "supervised-a",
        "supervised-b",
    ]
