import numpy as np

from clip2scene_core.config.parser import override
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.training.optim import learning_rate_factor, one_cycle


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
