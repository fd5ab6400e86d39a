"""Optimizers and schedules of the learning rate."""

from __future__ import annotations

import math
from typing import Any

import torch

from clip2scene_core.config.sections import TrainingConfig


def make_optimizer(
    parameters: list[dict[str, Any]], training: TrainingConfig
) -> torch.optim.Optimizer:
    """Make the optimizer that the config names.

    Args:
        parameters: Parameter groups, as torch's optimizers take them.
        training: Optimizer, with the learning rate of groups that have none of their own.
    """
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=training.learning_rate,
            momentum=training.momentum,
            dampening=training.dampening,
            weight_decay=training.weight_decay,
            fused=True,
        )
    return torch.optim.AdamW(
        parameters, lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
    )


def learning_rate_factor(step: int, steps_per_epoch: int, training: TrainingConfig) -> float:
    """The learning rate of a step, counted from 0, as a share of its peak.

    "one_cycle" changes with every step, see `one_cycle`. "cosine" falls from 1 to 0 along a cosine
    and changes with every epoch.
    """
    if training.schedule == "cosine":
        fraction = step // steps_per_epoch / training.epochs
        return 0.5 * (1 + math.cos(math.pi * fraction))
    return one_cycle(step / (steps_per_epoch * training.epochs))


def one_cycle(fraction: float) -> float:
    """Rise from 0.1 to 1 over the first tenth of all steps, then fall to 0 along a cosine."""
    if fraction < 0.1:
        return 0.1 + 9 * fraction
    return 0.5 * (1 + math.cos(math.pi * (fraction - 0.1) / 0.9))
