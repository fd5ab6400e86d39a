"""Exported students in a process of its own, which has torch and nothing of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clip2scene_core.checkpoint import Checkpoint
from clip2scene_core.inference.embedder import PointEmbedder
from clip2scene_core.preprocessing.network_input import preprocess

SCRIPT = """
import json, sys
import torch
from torch.export.pt2_archive._package import load_pt2
torch.set_grad_enabled(False)
archive, inputs, outputs, kind = sys.argv[1:]
loaded = load_pt2(archive)
if kind == "compiled":
    maps, network = (loaded.aoti_runners[name] for name in ("maps", "network"))
else:
    maps, network = (loaded.exported_programs[name].module() for name in ("maps", "network"))
results = []
for points, T_level_lidar, texts in torch.load(inputs):
    logits = network(*maps(points, T_level_lidar), texts)
    results.append(logits[0] if isinstance(logits, (list, tuple)) else logits)
torch.save(results, outputs)
lines = loaded.extra_files["texts.tsv"].splitlines()
print(json.dumps({
    "ours": [name for name in sys.modules if name.startswith("clip2scene")],
    "description": json.loads(loaded.extra_files["clip2scene.json"]),
    "texts": [line.split(chr(9)) for line in lines],
}))
"""


def run_in_fresh_process(
    archive: Path, inputs: Path, outputs: Path, kind: str = "exported"
) -> dict[str, Any]:
    """Run both graphs of an archive on inputs of torch.save; tell what the archive says.

    Args:
        archive: From `export_student`.
        inputs: Of torch.save: tuples of points, T_level_lidar and texts.
        outputs: Written: logits of each.
        kind: "exported", or "compiled" for the AOTInductor's libraries.
    """
    environment = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(archive), str(inputs), str(outputs), kind],
        env=environment,
        cwd=archive.parent,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


def cloud(num_points: int, seed: int = 0, size_m: tuple[float, ...] = (40.0, 40.0, 4.0)) -> Tensor:
    """Points anywhere in a box around the sensor."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(num_points, 4, generator=generator)
    points[:, :3] = (points[:, :3] - 0.5) * torch.tensor(size_m)
    return points


def check_same(archive: Path, checkpoint: Checkpoint, folder: Path, kind: str) -> dict[str, Any]:
    """Compare clouds of many sizes, with texts that the export never saw; tell what it says."""
    texts = checkpoint.vocabulary.embeddings
    new_texts = torch.nn.functional.normalize(torch.randn(5, texts.shape[1]))
    sweeps = [
        (cloud(1), texts),
        (cloud(20, size_m=(0.1, 0.1, 0.1)), new_texts),  # one voxel
        (cloud(900), new_texts[:1]),
        (cloud(2500, 1), texts),
        (cloud(6000, 2, (80.0, 80.0, 6.0)), new_texts),
    ]
    torch.save([(points, torch.eye(4), used) for points, used in sweeps], folder / "in.pt")
    said = run_in_fresh_process(archive, folder / "in.pt", folder / "out.pt", kind)
    assert said["ours"] == []
    embedder = PointEmbedder(checkpoint.student, torch.device("cpu"))
    temperature = checkpoint.config.losses.temperature
    for (points, used), logits in zip(sweeps, torch.load(folder / "out.pt"), strict=True):
        told = preprocess(points.numpy(), checkpoint.config.input).points
        expected = embedder.logits(told, used, temperature)
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
        assert torch.equal(logits.argmax(dim=1), expected.argmax(dim=1))
    return said
