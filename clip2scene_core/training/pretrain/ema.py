"""Exponential moving average (EMA) of the student's weights, for self-training."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from clip2scene_core.config.losses import SwitchingConfig
from clip2scene_core.network.student import Student
from clip2scene_core.training.pretrain.data.batch import PretrainBatch


class EmaStudent:
    """Labels points in self-training: the student itself, or the average of its weights.

    Args:
        student: Student with its initial weights.
        config: Source of the labels, and decay of the average.

    Source: Mean teachers are better role models (NeurIPS 2017); the average is an option of ours.
    """

    # torch's AveragedModel is no substitute: its first update copies the student instead of
    # averaging, and it blends the batch counters of batch norm instead of copying them.

    def __init__(self, student: Student, config: SwitchingConfig) -> None:
        self._decay = config.ema_decay
        is_used = config.granularity != "none" and config.source == "ema"
        self._average = copy.deepcopy(student).requires_grad_(False) if is_used else None

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Modules that a training checkpoint must hold, by name."""
        return {} if self._average is None else {"average": self._average}

    def to(self, device: torch.device) -> None:
        """Move the average to a device."""
        if self._average is not None:
            self._average.to(device)

    @torch.no_grad()
    def update(self, student: Student) -> None:
        """Move the average towards the student. Call this after each step."""
        if self._average is None:
            return
        current = student.state_dict()
        for name, value in self._average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - self._decay)
            else:
                value.copy_(current[name])

    @torch.no_grad()
    def embed(self, batch: PretrainBatch, by_student: Tensor) -> Tensor:
        """Semantic embeddings (N, D) float of the points by the labeller, not normalized.

        Args:
            batch: N points.
            by_student: (N, D) float, those by the student itself.
        """
        if self._average is None:
            return by_student
        self._average.eval()
        return self._average.embed_semantics(batch.points, batch.batch_index)
