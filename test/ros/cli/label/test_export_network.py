"""`clip2scene export STUDENT`: which of its two inputs is meant, and what is refused."""

import json

import pytest
import torch
from random_student import save_random_student

from clip2scene_ros.cli.label.export_network import names_network
from clip2scene_ros.cli.main import main


def test_networks_are_told_from_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert names_network(tmp_path / "student.safetensors")
    assert names_network(type(tmp_path)("large"))
    assert not names_network(tmp_path / "labelled")
    (tmp_path / "small").mkdir()  # a bag that happens to be called so
    assert not names_network(type(tmp_path)("small"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["small", "--out", "x.pt"], "written as .pt2 or .onnx"),
        (["small", "--out", "x.onnx", "--aot"], "--aot compiles a .pt2"),
        (["small", "--out", "x.pt2", "--format", "npz"], "--format is for labels"),
        (["small", "--out", "x.pt2", "--sort-by", "doubt"], "--sort-by is for labels"),
        (["small", "--out", "x.pt2", "--prompts", "xyzzy"], "xyzzy"),
        (["none.safetensors", "--out", "x.pt2"], "no such checkpoint"),
        (["labelled", "--out", "x.pt2"], "are for networks, and labelled is none"),
        (["labelled", "--out", "x", "--format", "npz", "--aot"], "are for networks"),
        (["labelled", "--out", "x"], "name the --format"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, monkeypatch, capsys, words, reason):
    monkeypatch.chdir(tmp_path)
    assert main(["export", *words]) == 1
    assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_student_is_written_with_the_words_that_were_named(tmp_path, capsys):
    from torch.export.pt2_archive._package import load_pt2

    weights, out = save_random_student(tmp_path), tmp_path / "out/student.pt2"
    assert main(["export", str(weights), "--out", str(out), "--prompts", "car", "lawn"]) == 0
    assert "2 texts" in capsys.readouterr().out
    archive = load_pt2(out)
    labels = json.loads(archive.extra_files["clip2scene.json"])["labels"]
    assert [label["name"] for label in labels] == ["car", "lawn"]
    assert set(archive.exported_programs) == {"maps", "network"}
    maps = archive.exported_programs["maps"].module()
    points = torch.tensor([[4.0, 1.0, -1.0, 0.5], [40.0, 1.0, -1.0, 0.5]])
    assert maps(points, torch.eye(4))[0].shape == (2, 1)
    assert main(["export", str(weights), "--out", str(out)]) == 1
    assert "exists" in capsys.readouterr().err
