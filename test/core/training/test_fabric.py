"""Two processes over gloo train as one process does on the same batches."""

import subprocess
import sys
from pathlib import Path

import torch
from checkout import HELPERS

from clip2scene_core.checkpoint import load_checkpoint

_RUN = """
import sys
from pathlib import Path

sys.path.insert(0, {tests!r})
from separable_samples import TEXT, SeparableSamples, make_config

from clip2scene_core.checkpoint import Checkpoint, save_checkpoint
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.trainer import StudentTrainer
from clip2scene_core.prompts.vocabulary import make_vocabulary

config = make_config(
    "unused", "training.epochs=2", "training.batch_size=4", "training.optimizer=sgd",
    "training.learning_rate=0.005",
)
fabric = make_fabric(config, num_processes={processes})
fabric.launch()
trainer = StudentTrainer(SeparableSamples(8), TEXT, config, fabric)
losses = []
trainer.train(lambda step: losses.append(step.losses["total"]))
if fabric.is_global_zero:
    vocabulary = make_vocabulary(config.prompts, TEXT, config.classes)
    student = trainer.student.eval()
    save_checkpoint(Path({out!r}), Checkpoint(student, vocabulary, config, (), {{"l": losses}}))
"""


def train(tmp_path: Path, processes: int) -> Path:
    out = tmp_path / f"{processes}.safetensors"
    script = tmp_path / f"train_{processes}.py"
    tests = str(HELPERS)
    script.write_text(_RUN.format(tests=tests, processes=processes, out=str(out)))
    launcher = [] if processes == 1 else ["-m", "torch.distributed.run", "--standalone"]
    if processes > 1:
        launcher.append(f"--nproc-per-node={processes}")
    command = [sys.executable, *launcher, str(script)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return out


def test_two_processes_train_as_one_does(tmp_path):
    one = load_checkpoint(train(tmp_path, 1))
    two = load_checkpoint(train(tmp_path, 2))
    assert len(one.record["l"]) == 4
    for first, second in zip(one.record["l"], two.record["l"], strict=True):
        assert abs(first - second) < 1e-3
    others = two.student.state_dict()
    for name, value in one.student.state_dict().items():
        torch.testing.assert_close(others[name], value, rtol=1e-3, atol=1e-3)
