"""Two processes over gloo train as one process does on the same batches."""

import subprocess
import sys

import torch
import train_separable

from clip2scene_core.checkpoint import load_checkpoint


def test_two_processes_train_as_one_does(tmp_path):
    here, launched = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    train_separable.train(here, 1)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    script = ["--nproc-per-node=2", train_separable.__file__, str(launched), "2"]
    finished = subprocess.run([*launcher, *script], capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert finished.stdout.splitlines().count("in a group of processes: False") == 2
    one, two = load_checkpoint(here), load_checkpoint(launched)
    assert len(one.record["losses"]) == 4
    for first, second in zip(one.record["losses"], two.record["losses"], strict=True):
        assert abs(first - second) < 1e-3
    others = two.student.state_dict()
    for name, value in one.student.state_dict().items():
        torch.testing.assert_close(others[name], value, rtol=1e-3, atol=1e-3)
