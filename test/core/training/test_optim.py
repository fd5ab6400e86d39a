import numpy as np
import pytest
import torch

from clip2scene_core.config.parser import override
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.training.optim import (
    learning_rate_factor,
    make_optimizer,
    one_cycle,
)


def test_the_learning_rate_rises_then_falls_to_zero():
    rates = [one_cycle(fraction) for fraction in (0, 0.05, 0.1, 0.55, 1.0)]
    np.testing.assert_allclose(rates, [0.1, 0.55, 1.0, 0.5, 0.0], atol=1e-12)


def test_a_cosine_by_epoch_stands_still_inside_an_epoch():
    training = override(
        PretrainConfig(),
        ["training.schedule=cosine", "training.epochs=4"],
    ).training
    rates = [learning_rate_factor(step, 3, training) for step in range(12)]
    half = 0.5**0.5
    wanted = [1.0, (1 + half) / 2, 0.5, (1 - half) / 2]
    np.testing.assert_allclose(rates, np.repeat(wanted, 3), atol=1e-12)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_the_fused_optimizer_takes_the_steps_of_torch_s_plain_one(name):
    training = override(PretrainConfig(), [f"training.optimizer={name}"]).training
    start = torch.randn(5, generator=torch.Generator().manual_seed(0))
    plain = {
        "adamw": lambda p: torch.optim.AdamW(
            p, lr=training.learning_rate, weight_decay=training.weight_decay, foreach=False
        ),
        "sgd": lambda p: torch.optim.SGD(
            p,
            lr=training.learning_rate,
            momentum=training.momentum,
            weight_decay=training.weight_decay,
            foreach=False,
        ),
    }[name]
    ends = []
    for make in (lambda p: make_optimizer([{"params": p}], training), plain):
        weight = torch.nn.Parameter(start.clone())
        optimizer = make([weight])
        for step in range(4):
            weight.grad = (step + 1) * weight.detach().sin()
            optimizer.step()
        ends.append(weight.detach())
    torch.testing.assert_close(*ends)
    assert not torch.equal(ends[0], start)
