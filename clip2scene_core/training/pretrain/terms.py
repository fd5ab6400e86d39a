"""Losses of a batch, and their weighted sum over the processes that share the batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clip2scene_core.training.fabric import Fabric, reduce_over_processes


@dataclass(frozen=True)
class Term:
    """One loss of a batch.

    Attributes:
        value: () float, a weighted mean, over this process's part of the batch.
        weight: () float, the sum of the weights in this mean. It weighs the processes that share a
            batch, so that they add up to the loss of the whole batch.
    """

    value: Tensor
    weight: Tensor


def add_up(
    terms: Mapping[str, Term], weights: Mapping[str, float], fabric: Fabric, num_parts: int
) -> tuple[Tensor, dict[str, float]]:
    """Weigh and add this process's share of each loss.

    Args:
        terms: Losses by name.
        weights: Factor of each loss.
        fabric: Processes that share the batch.
        num_parts: Number of parts of a step.

    Returns:
        The sum () float with a gradient, and this part's contribution to the losses of the whole
        batch, by name.
    """
    total = torch.zeros((), device=fabric.device)
    values = {}
    for name, term in terms.items():
        weight = reduce_over_processes(fabric, term.weight, "sum")
        share = term.value * term.weight / torch.where(weight > 0, weight, 1)
        values[name] = float(reduce_over_processes(fabric, share, "sum")) / num_parts
        # Fabric averages gradients over the processes, but the shares must be summed.
        total = total + weights[name] * share * fabric.world_size
    return total, values
