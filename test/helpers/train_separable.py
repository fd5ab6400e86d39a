"""Train a student on separable samples, in this process or under torch's launcher."""

from __future__ import annotations

import atexit
import sys
from pathlib import Path

import torch.distributed as dist
from separable_samples import TEXT, SeparableSamples, make_config

from clip2scene_core.checkpoint import Checkpoint, save_checkpoint
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.trainer import StudentTrainer


def train(out: Path, num_processes: int) -> None:
    """Write the student's checkpoint; its record holds the losses."""
    config = make_config(
        "unused", "training.epochs=2", "training.batch_size=4", "training.optimizer=sgd",
        "training.learning_rate=0.005",
    )  # fmt: skip
    fabric = make_fabric(config, num_processes=num_processes)
    fabric.launch()
    trainer = StudentTrainer(SeparableSamples(8), TEXT, config, fabric)
    losses: list[float] = []
    trainer.train(lambda step: losses.append(step.losses["total"]))
    if fabric.is_global_zero:
        vocabulary = make_vocabulary(config.prompts, TEXT, config.classes)
        student = trainer.student.eval()
        save_checkpoint(out, Checkpoint(student, vocabulary, config, (), {"losses": losses}))


def say_left_processes() -> None:
    sys.stdout.write(f"in a group of processes: {dist.is_initialized()}\n")


if __name__ == "__main__":
    atexit.register(say_left_processes)  # what is registered later runs earlier
    train(Path(sys.argv[1]), int(sys.argv[2]))
