"""Compiled graphs, in Python and in the C++ example of the docs."""

import shutil
import subprocess

import pytest
import torch
from checkout import DOCS
from exported_clouds import check_same, cloud
from random_student import random_student

from clip2scene_core.export.archive import export_student
from clip2scene_core.inference.embedder import PointEmbedder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ to compile with"),
]


@pytest.fixture(scope="module")
def checkpoint():
    return random_student()


@pytest.fixture(scope="module")
def archive(checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("compiled") / "student.pt2"
    export_student(path, checkpoint, checkpoint.vocabulary, compiled=True)
    return path


def test_compiled_graphs_give_the_same_labels(archive, checkpoint, tmp_path):
    check_same(archive, checkpoint, tmp_path, "compiled")


def test_the_example_in_cpp_counts_the_same_labels(archive, checkpoint, tmp_path):
    torch_folder = torch.__path__[0]
    program = tmp_path / "label_sweep"
    command = [
        *("g++", "-std=c++20", DOCS / "cpp/label_sweep.cpp", "-o", program),
        *(f"-I{torch_folder}/include", f"-L{torch_folder}/lib", f"-Wl,-rpath,{torch_folder}/lib"),
        *("-ltorch", "-ltorch_cpu", "-lc10"),
    ]
    compiled = subprocess.run(command, capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr[-3000:]
    points = cloud(3000)
    points[:, :2] += 2 * points[:, :2].sign()  # beyond the robot's circle
    (tmp_path / "sweep.bin").write_bytes(points.numpy().tobytes())
    told = subprocess.run(
        [program, archive, tmp_path / "sweep.bin", "0.0"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    temperature = checkpoint.config.losses.temperature
    embedder = PointEmbedder(checkpoint.student, torch.device("cpu"))
    logits = embedder.logits(points.numpy(), checkpoint.vocabulary.embeddings, temperature)
    counts = logits.argmax(dim=1).bincount(minlength=len(checkpoint.vocabulary)).tolist()
    lines = [line.split("\t") for line in told.splitlines()]
    assert lines == [
        [str(count), name] for count, name in zip(counts, checkpoint.vocabulary.names, strict=True)
    ]
