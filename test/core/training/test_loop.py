"""The shared training loop, on a linear module."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import TrainingConfig
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.loader import BatchLoader
from clip2scene_core.training.loop import PartLoss, TakenStep, TrainingLoop


class Vectors(Dataset):
    """Eight vectors (3,) float32; keys are (epoch, index)."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, key: tuple[int, int]) -> torch.Tensor:
        return torch.randn(3, generator=torch.Generator().manual_seed(key[1]))


@dataclass
class Run:
    """A linear module in the loop, and the steps that it took."""

    training: TrainingConfig
    steps: list[TakenStep] = field(default_factory=list)

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        fabric = make_fabric(PretrainConfig())
        self.linear = nn.Linear(3, 2)
        groups = [{"params": [self.linear.weight]}, {"params": [self.linear.bias], "lr": 0.5}]
        loader = BatchLoader(Vectors(), torch.stack, self.training, fabric, num_workers=0)
        self.loop = TrainingLoop(
            fabric, self.linear, groups, loader, self.training, {"m": self.linear}, self.training
        )

    def compute_loss(self, batch: torch.Tensor, epoch: int, part: int) -> PartLoss:
        loss = (self.loop.module(batch) - 1).square().mean()
        return PartLoss(loss, {"vectors": len(batch), "part": part, "epoch": epoch})

    def finish_step(self, taken: TakenStep) -> TakenStep:
        self.steps.append(taken)
        return taken


def train(training: TrainingConfig, report=lambda taken: None, **arguments) -> Run:
    run = Run(training)
    run.loop.train(run.compute_loss, run.finish_step, report, **arguments)
    return run


def test_parts_of_a_batch_add_up_to_the_batch():
    options = {"epochs": 2, "batch_size": 4, "optimizer": "sgd", "learning_rate": 0.1}
    whole = train(TrainingConfig(**options))
    in_parts = train(TrainingConfig(**options, accumulate=2))
    torch.testing.assert_close(in_parts.linear.weight, whole.linear.weight)
    assert [step.sums["vectors"] for step in whole.steps] == [4] * 4
    assert [step.sums["vectors"] for step in in_parts.steps] == [4] * 4
    assert [step.sums["part"] for step in in_parts.steps] == [1] * 4  # 0 + 1
    assert [step.sums["epoch"] for step in whole.steps] == [0, 0, 1, 1]


def test_every_parameter_group_has_its_own_peak():
    run = train(TrainingConfig(epochs=2, batch_size=8, schedule="cosine", learning_rate=0.1))
    rates = [step.learning_rates for step in run.steps]
    np.testing.assert_allclose(rates, [[0.1, 0.5], [0.05, 0.25]])


def test_gradients_are_clipped_after_the_last_part():
    options = {"epochs": 1, "batch_size": 8, "optimizer": "sgd", "learning_rate": 1.0}
    before = Run(TrainingConfig()).linear.state_dict()
    run = train(
        TrainingConfig(**options, accumulate=2, clip_norm=1e-3, weight_decay=0.0, schedule="cosine")
    )
    after = run.linear.state_dict()
    weight, bias = ((after[name] - before[name]).flatten() for name in ("weight", "bias"))
    gradient = torch.cat([weight / 1.0, bias / 0.5])  # by their learning rates
    assert float(gradient.norm()) == pytest.approx(1e-3, rel=1e-3)


def test_the_training_checkpoint_is_there_when_its_step_is_reported(tmp_path):
    path, there = tmp_path / "new" / "a.state.safetensors", []
    training = TrainingConfig(epochs=2, batch_size=4)
    train(training, lambda taken: there.append(path.exists()), checkpoint=path, save_every=3)
    assert there == [False, False, True, True]
    resumed = train(training, checkpoint=path)
    assert [step.step for step in resumed.steps] == [4]
    with pytest.raises(ValueError, match="another configuration"):
        train(TrainingConfig(epochs=2, batch_size=4, seed=1), checkpoint=path)


def test_the_last_step_writes_no_training_checkpoint(tmp_path):
    path = tmp_path / "a.state.safetensors"
    train(TrainingConfig(epochs=1, batch_size=4), checkpoint=path, save_every=2)
    assert not path.exists()
