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
from clip2scene_core.training.loop import LossError, PartLoss, TakenStep, TrainingLoop
from clip2scene_core.training.terms import Term


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
        term = Term(loss, torch.tensor(float(len(batch))))
        return PartLoss(
            {"distance": term},
            {"distance": 1.0},
            {"vectors": len(batch), "part": part, "epoch": epoch},
        )

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


class Unequal(Run):
    """Two losses, each over its own vectors: one over those with a positive first number."""

    def compute_loss(self, batch: torch.Tensor, epoch: int, part: int) -> PartLoss:
        output = self.loop.module(batch)
        chosen = output[batch[:, 0] > 0]
        terms = {
            "all": Term(output.square().mean(), torch.tensor(float(len(output)))),
            "some": Term(
                (chosen - 1).square().sum() / max(1, 2 * len(chosen)),
                torch.tensor(float(len(chosen))),
            ),
        }
        return PartLoss(terms, {"all": 0.5, "some": 2.0}, {})


@pytest.mark.parametrize("accumulate", [2, 4, 8])
def test_parts_with_unequal_weights_add_up_to_the_batch(accumulate):
    options = {"epochs": 3, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.1}
    whole, in_parts = (Unequal(TrainingConfig(**options, accumulate=n)) for n in (1, accumulate))
    for run in (whole, in_parts):
        run.loop.train(run.compute_loss, run.finish_step, lambda taken: None)
    torch.testing.assert_close(in_parts.linear.weight, whole.linear.weight)
    torch.testing.assert_close(in_parts.linear.bias, whole.linear.bias)
    for one, other in zip(whole.steps, in_parts.steps, strict=True):
        assert one.losses == pytest.approx(other.losses)
    # By hand, on the weights of the beginning.
    linear = Unequal(TrainingConfig()).linear
    vectors = torch.stack([Vectors()[0, n] for n in range(8)])
    output = linear(vectors)
    chosen = output[vectors[:, 0] > 0]
    assert 0 < len(chosen) < 8
    assert whole.steps[0].losses["all"] == pytest.approx(output.square().mean().item())
    assert whole.steps[0].losses["some"] == pytest.approx((chosen - 1).square().mean().item())


@pytest.mark.parametrize(("batch_size", "accumulate"), [(16, 16), (16, 2), (12, 6), (16, 4)])
def test_a_data_set_smaller_than_a_batch_is_one_batch(batch_size, accumulate):
    run = train(TrainingConfig(epochs=2, batch_size=batch_size, accumulate=accumulate))
    assert [step.sums["vectors"] for step in run.steps] == [8, 8]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_state(tmp_path):
    class Poisoned(Run):
        def compute_loss(self, batch, epoch, part):
            found = super().compute_loss(batch, epoch, part)
            if self.loop.step < 2 or part == 0:
                return found
            term = found.terms["distance"]
            return found._replace(terms={"distance": Term(term.value * np.nan, term.weight)})

    path = tmp_path / "a.state.safetensors"
    training = TrainingConfig(epochs=2, batch_size=4, accumulate=2)
    run = Poisoned(training)
    named = r"step 3: the loss is nan with keyframe number \d, number \d, learning rate .* holds"
    with pytest.raises(LossError, match=named):
        run.loop.train(run.compute_loss, run.finish_step, lambda taken: None, path, save_every=1)
    assert all(bool(value.isfinite().all()) for value in run.linear.state_dict().values())
    assert [step.step for step in train(training, checkpoint=path).steps] == [3, 4]


def test_a_state_that_is_not_finite_is_not_written(tmp_path):
    path, training = tmp_path / "a.state.safetensors", TrainingConfig(epochs=2, batch_size=4)
    run = Run(training)

    def finish(taken):
        if taken.step == 3:
            run.linear.bias.data[0] = np.inf

    with pytest.raises(LossError, match=r"m\.bias is not finite"):
        run.loop.train(run.compute_loss, finish, lambda report: None, path, save_every=3)
    assert not path.exists()
