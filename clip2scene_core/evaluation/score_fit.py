"""Fit the calibration of a student's scores to points with true labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from clip2scene_core.prompts.scoring import ScoreCalibration

_LIMITS: Final = (1e-3, 1e2)
_START: Final = 0.1


def fit_calibration(cosines: Tensor, true_labels: Tensor) -> ScoreCalibration:
    """Fit what makes scores come true, by the likelihood of the true labels.

    First the temperature, with all labels named. Then the cosine of "none of these words", for half
    of the questions with all labels named and half with one left out, each label in turn; of its
    points "none of these words" is the true answer then.

    Source of the temperature: Guo et al., On Calibration of Modern Neural Networks (ICML 2017).

    Args:
        cosines: (N, C) float, of each point with each label.
        true_labels: (N,) int64 in [0, C).

    Returns:
        The calibration.

    Raises:
        ValueError: If there are less than two labels among the points, or no temperature between
            0.001 and 100 fits best, as where every point or none but chance is right.
    """
    present = torch.unique(true_labels)
    if cosines.ndim != 2 or len(cosines) != len(true_labels) or len(present) < 2:
        raise ValueError(
            f"a calibration needs (N, C) cosines and (N,) labels of two kinds or more, got "
            f"{tuple(cosines.shape)} and {len(present)} kinds in {tuple(true_labels.shape)}"
        )
    cosines = cosines.double()
    # The losses are convex in 1 / temperature, and in the logit of nothing.
    sharpness = _minimize(
        lambda sharpness: torch.nn.functional.cross_entropy(sharpness * cosines, true_labels),
        1 / _START,
    )
    is_always_right = bool((cosines.argmax(dim=1) == true_labels).all())
    if is_always_right or not 1 / _LIMITS[1] < sharpness < 1 / _LIMITS[0]:
        raise ValueError(
            f"no temperature makes these scores come true (1 over it came to {sharpness:g}); take "
            f"scenes on which the student is right more often than by chance, and not always"
        )
    logits = sharpness * cosines
    nothing = _minimize(lambda logit: _loss_with_nothing(logits, logit, true_labels, present), 0.0)
    return ScoreCalibration(1 / sharpness, nothing / sharpness)


def _loss_with_nothing(
    logits: Tensor, nothing: Tensor, true_labels: Tensor, left: Tensor
) -> Tensor:
    total = torch.logaddexp(torch.logsumexp(logits, dim=1), nothing)  # (N,)
    true_logits = logits.gather(1, true_labels[:, None])[:, 0]
    named = (total - true_logits).mean()
    with_one_left_out = torch.zeros_like(named)
    for label in left:
        share = torch.exp(logits[:, label] - total).clamp(max=1 - 1e-12)
        rest = total + torch.log1p(-share)
        answer = torch.where(true_labels == label, nothing, true_logits)
        with_one_left_out = with_one_left_out + (rest - answer).mean()
    return (named + with_one_left_out / len(left)) / 2


def _minimize(loss_of: Callable[[Tensor], Tensor], start: float) -> float:
    """Find the minimum of a convex function of one number."""
    value = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([value], max_iter=100, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(value)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(step)  # type: ignore[no-untyped-call]
    return float(value.detach())
