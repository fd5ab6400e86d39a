"""Losses of the parts of a batch, and their weighted sum over parts and processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clip2scene_core.training.fabric import Fabric, reduce_over_processes


@dataclass(frozen=True)
class Term:
    """One loss of a part of a batch.

    Attributes:
        value: () float, a weighted mean, over this process's share of the part.
        weight: () float, the sum of the weights in this mean. It weighs the parts and the processes
            that share a batch, so that they add up to the loss of the whole batch.
    """

    value: Tensor
    weight: Tensor

    @property
    def sum(self) -> Tensor:
        """() float with a gradient: the weighted sum that the value is the mean of."""
        return self.value * self.weight


def total_weights(parts: Iterable[Mapping[str, Term]], fabric: Fabric) -> dict[str, Tensor]:
    """Add up the weights of each loss, by name, over parts and processes; 1 where they are 0."""
    totals: dict[str, Tensor] = {}
    for terms in parts:
        for name, term in terms.items():
            totals[name] = totals.get(name, torch.zeros_like(term.weight)) + term.weight.detach()
    totals = {name: reduce_over_processes(fabric, value, "sum") for name, value in totals.items()}
    return {name: torch.where(value > 0, value, 1) for name, value in totals.items()}


def detach(term: Term) -> Term:
    """Keep a term without what leads to its gradient."""
    return Term(term.value.detach(), term.weight.detach())


def sum_losses(
    parts: Iterable[Mapping[str, Term]], totals: Mapping[str, Tensor], fabric: Fabric
) -> dict[str, float]:
    """Losses of the whole batch by name, over all parts and processes.

    Args:
        parts: Losses of each part by name.
        totals: From `total_weights`.
        fabric: Processes that share the batch.
    """
    sums: dict[str, Tensor] = {}
    for terms in parts:
        for name, term in terms.items():
            share = term.sum.detach() / totals[name]
            sums[name] = sums[name] + share if name in sums else share
    return {name: float(reduce_over_processes(fabric, s, "sum")) for name, s in sums.items()}


def add_up(
    terms: Mapping[str, Term],
    factors: Mapping[str, float],
    totals: Mapping[str, Tensor],
    num_processes: int,
) -> Tensor:
    """Weigh and add this process's share of the losses of a batch that is in one part.

    Args:
        terms: Losses by name.
        factors: Factor of each loss.
        totals: From `total_weights`.
        num_processes: The gradient is averaged over so many processes, but shares must be summed.

    Returns:
        () float with a gradient.
    """
    shares = [factors[name] * (term.sum / totals[name]) for name, term in terms.items()]
    return torch.stack(shares).sum() * num_processes


class TermGradients:
    """Gradients of the parts of a batch, each loss apart, until the weights of all are known.

    Each loss is divided by its own weights, and those of a part are known only after its forward
    pass. So a part costs one backward pass for each loss.

    Args:
        parameters: What is trained.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._parameters = [p for p in parameters if p.requires_grad]
        self._gradients: dict[str, list[Tensor | None]] = {}

    def add(self, terms: Mapping[str, Term], fabric: Fabric) -> None:
        """Go backward through the losses of a part; gradients of parameters are None after it."""
        sums = {name: term.sum for name, term in terms.items()}
        with_gradient = [name for name, value in sums.items() if value.requires_grad]
        for name in with_gradient:
            fabric.backward(sums[name], retain_graph=name != with_gradient[-1])
            earlier = self._gradients.get(name, [None] * len(self._parameters))
            self._gradients[name] = [
                _add(before, parameter.grad)
                for before, parameter in zip(earlier, self._parameters, strict=True)
            ]
            for parameter in self._parameters:
                parameter.grad = None

    def apply(
        self, factors: Mapping[str, float], totals: Mapping[str, Tensor], fabric: Fabric
    ) -> None:
        """Give the parameters the gradient of the whole batch, over all processes.

        Args:
            factors: Factor of each loss.
            totals: From `total_weights`.
            fabric: Processes that share the batch.
        """
        for number, parameter in enumerate(self._parameters):
            whole: Tensor | None = None
            for name, gradients in self._gradients.items():
                gradient = gradients[number]
                if gradient is not None:
                    whole = _add(whole, factors[name] / totals[name] * gradient)
            if fabric.world_size > 1:
                whole = torch.zeros_like(parameter) if whole is None else whole
                whole = reduce_over_processes(fabric, whole, "sum")
            parameter.grad = whole


def _add(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other
