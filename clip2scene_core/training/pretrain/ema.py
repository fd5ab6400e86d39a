"""A moving average of the student, steadier than the student of the moment."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from clip2scene_core.config.sections import SwitchingConfig
from clip2scene_core.network.student import Student
from clip2scene_core.training.pretrain.data.batch import PretrainBatch
from clip2scene_core.training.pretrain.distiller import Embedded


class EmaStudent:
    """Whoever labels in self-training: the student itself, or the average of its weights.

    Args:
        student: At the start.
        config: Whose labels are wanted, and how slowly the average moves.

    Source: Mean teachers are better role models (NeurIPS 2017); the average is an option of ours.
    """

    def __init__(self, student: Student, config: SwitchingConfig) -> None:
        self._decay = config.ema_decay
        has_subscribers = config.granularity != "none" and config.source == "ema"
        self._average = copy.deepcopy(student).requires_grad_(False) if has_subscribers else None

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What a state must keep."""
        return {} if self._average is None else {"average": self._average}

    def to(self, device: torch.device) -> None:
        """Move the average."""
        if self._average is not None:
            self._average.to(device)

    @torch.no_grad()
    def update(self, student: Student) -> None:
        """Move the average towards the student, after a step."""
        if self._average is None:
            return
        own = student.state_dict()
        for name, value in self._average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(own[name], 1 - self._decay)
            else:
                value.copy_(own[name])

    @torch.no_grad()
    def embed(self, batch: PretrainBatch, embedded: Embedded) -> Tensor:
        """Semantic embeddings (N, D) of the labeller, not normalized."""
        if self._average is None:
            return embedded.semantic
        self._average.eval()
        return self._average.embed_semantics(batch.points, batch.batch_index)
