"""Votes of a trained student, beside those of the cameras."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.preprocessing.network_input import preprocess
from clip2scene_core.training.pretrained import Pretrained


class StudentVotes:
    """Says what a trained student takes points for.

    The mistakes that a teacher makes on one picture differ from those on the next. A student has
    learned what many pictures say of a shape, and so corrects them; far away, where it sees few
    points, the cameras correct it.

    Args:
        voter: The student, taught by the CLIP of the texts.
        text: (C, D) float32 embeddings of the C texts of all classes, unit length.
        logit_scale: Inverse temperature of the teacher.
        weight: How much the student's logits count, of which the teacher's count 1.
        device: Where it runs.

    Raises:
        ValueError: If `voter` has no heads.

    Attributes:
        identity: Tells votes of this student and weight from others.
    """

    def __init__(
        self,
        voter: Pretrained,
        text: Tensor,
        logit_scale: float,
        weight: float,
        device: torch.device,
    ) -> None:
        if voter.student is None:
            raise ValueError(
                f"consensus.student_weight is {weight}, but {voter.name} has no heads in the space "
                f"of this CLIP, so it cannot vote; set it to 0"
            )
        self.identity = f"{voter.sha256} {weight}"
        config = voter.student.config
        self._student, self._input = voter.student.student.to(device).eval(), config.input
        self._text = text.to(device) * (weight / config.losses.temperature / logit_scale)

    @torch.no_grad()
    def of(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vote on the points of a sweep.

        Args:
            points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity in [0, 1].

        Returns:
            (N, C) float32, to be added to the cosines between the teacher's pixels and the texts.
        """
        if not len(points):
            return np.zeros((0, len(self._text)), dtype=np.float32)
        told = torch.from_numpy(preprocess(points, self._input).points).to(self._text.device)
        sweep = torch.zeros(len(told), dtype=torch.int64, device=told.device)
        embeddings = F.normalize(self._student.embed_semantics(told, sweep), dim=1)
        votes: NDArray[np.float32] = (embeddings @ self._text.T).cpu().numpy()
        return votes
