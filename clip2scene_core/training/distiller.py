"""The module that pre-training moves, as a batch passes through it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from clip2scene_core.network.student import Student


class Embedded(NamedTuple):
    """A batch in CLIP's space.

    Attributes:
        semantic: (N, D) of every point, for the semantic loss; not normalised.
    """

    semantic: Tensor


class Distiller(nn.Module):
    """A student as the losses see it.

    Args:
        student: Trained. Its spatial head belongs to the second loss; without it, decay alone would
            move its weights, so it rests.
    """

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student
        student.spatial_head.requires_grad_(False)

    def forward(self, points: Tensor, batch_index: Tensor) -> Embedded:
        """Embed a batch: points (N, 4) float32 and batch_index (N,) int64, see `Student`."""
        return Embedded(self.student.embed_semantics(points, batch_index))
