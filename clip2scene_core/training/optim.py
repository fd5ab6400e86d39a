"""Optimisers and learning rates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from clip2scene_core.config.sections import TrainingConfig


def make_optimizer(
    parameters: Iterable[nn.Parameter] | list[dict[str, Any]], training: TrainingConfig
) -> torch.optim.Optimizer:
    """Make the optimizer that the config names; the learning rate is set before every step.

    Args:
        parameters: What is trained, or torch's groups of it.
        training: Names the optimizer.
    """
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=training.learning_rate,
            momentum=training.momentum,
            dampening=training.dampening,
            weight_decay=training.weight_decay,
        )
    return torch.optim.AdamW(
        parameters, lr=training.learning_rate, weight_decay=training.weight_decay
    )


def learning_rate(step: int, steps_per_epoch: int, training: TrainingConfig) -> float:
    """The learning rate of a step, counted from 0.

    "one_cycle" rises over the first tenth of all steps, then falls along a cosine to 0, step by
    step; "cosine" falls from the peak to 0, epoch by epoch.
    """
    if training.schedule == "cosine":
        fraction = step // steps_per_epoch / training.epochs
        return training.learning_rate * 0.5 * (1 + math.cos(math.pi * fraction))
    return one_cycle(step / (steps_per_epoch * training.epochs), training.learning_rate)


def one_cycle(fraction: float, peak: float) -> float:
    """Learning rate after a fraction of all steps: up over the first tenth, then a cosine to 0."""
    if fraction < 0.1:
        return peak * (0.1 + 9 * fraction)
    return peak * 0.5 * (1 + math.cos(math.pi * (fraction - 0.1) / 0.9))
