"""An exported student says in a process without this package what it says here."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from exported_clouds import check_same
from random_student import random_student

from clip2scene_core.config.sections import VoxelsConfig
from clip2scene_core.export import programs
from clip2scene_core.export.archive import export_student
from clip2scene_core.export.programs import ExportError, export_programs


@pytest.mark.slow
def test_a_fresh_process_gets_the_same_labels(tmp_path):
    checkpoint = random_student()
    steps = []
    archive = tmp_path / "student.pt2"
    export_student(archive, checkpoint, checkpoint.vocabulary, progress=steps.append)
    assert steps == ["tracing", "writing"]
    assert str(Path(programs.__file__).parents[1]).encode() not in archive.read_bytes()
    said = check_same(archive, checkpoint, tmp_path, "exported")
    description = said["description"]
    assert description["network"]["voxel_size_m"] == 0.5
    assert description["logit_scale"] == 1 / checkpoint.config.losses.temperature
    assert [label["name"] for label in description["labels"]] == list(checkpoint.vocabulary.names)
    assert [spec["name"] for spec in description["tensors"]][:2] == ["features", "keys_1"]
    numbers = torch.tensor([[float(one) for one in line[3].split()] for line in said["texts"]])
    assert torch.equal(numbers, checkpoint.vocabulary.embeddings)
    assert [line[1] for line in said["texts"]] == list(checkpoint.vocabulary.names)


def test_voxels_of_the_released_codes_are_refused():
    checkpoint = random_student()
    network = replace(checkpoint.config.network, voxels=VoxelsConfig(points="voxels"))
    foreign = replace(checkpoint, config=replace(checkpoint.config, network=network))
    with pytest.raises(ExportError, match=r"network\.voxels\.points=voxels"):
        export_programs(foreign)


def test_an_archive_has_its_ending(tmp_path):
    checkpoint = random_student()
    with pytest.raises(ExportError, match=r"must end in \.pt2"):
        export_student(tmp_path / "student.bin", checkpoint, checkpoint.vocabulary)


def test_without_a_compiler_nothing_is_compiled(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    checkpoint = random_student()
    with pytest.raises(ExportError, match="leave --aot out"):
        export_student(tmp_path / "student.pt2", checkpoint, checkpoint.vocabulary, compiled=True)
    assert list(tmp_path.iterdir()) == []
