"""One step of training a student, stage by stage, in several ways; without data and teacher."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.bench.speed.clock import Duration, interleave, measure
from clip2scene_core.bench.speed.labelling import build_maps
from clip2scene_core.bench.speed.latency import VariantCost, by_stage, costs_of
from clip2scene_core.bench.speed.machine import load_averages
from clip2scene_core.bench.speed.sweeps import SweepSource
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.network.student import Student, find_voxels, run_on_voxels
from clip2scene_core.sample import Sweep
from clip2scene_core.sparse.voxelize import Voxels

TRAIN_STAGES: Final = ("voxels and maps", "forward", "backward", "optimizer")
WAYS: Final = ("fp32", "optimizer not fused", "bf16")
"""What is compared; the first one is what the others are compared with."""


@dataclass(frozen=True)
class TrainResult:
    """Steps of training one student.

    Attributes:
        student: Name of the student.
        source: Where the sweeps come from.
        sweeps_per_step: Sweeps in one batch.
        num_steps: Number of different batches, without those that warm up.
        load: Load averages afterwards.
        variants: One for each of WAYS.
    """

    student: str
    source: str
    sweeps_per_step: int
    num_steps: int
    load: tuple[float, ...]
    variants: tuple[VariantCost, ...]


def measure_train(
    source: SweepSource, weights: str, num_steps: int, sweeps_per_step: int, warm_up: int
) -> TrainResult:
    """Train copies of one student on the same batches; each batch has other sweeps."""
    sweeps = source.read((warm_up + num_steps) * sweeps_per_step)
    batches = [
        sweeps[first : first + sweeps_per_step] for first in range(0, len(sweeps), sweeps_per_step)
    ]
    student = load_checkpoint(weights).student
    steps: dict[str, Callable[[Sequence[Sweep]], dict[str, Duration]]] = {}
    for way in WAYS:
        learner = Learner(student, way != "optimizer not fused", way == "bf16")
        steps[way] = partial(_step, learner)
    times = {
        way: by_stage(told, TRAIN_STAGES)
        for way, told in interleave(steps, batches, warm_up).items()
    }
    return TrainResult(
        weights,
        source.describe(),
        sweeps_per_step,
        num_steps,
        load_averages(),
        tuple(
            VariantCost(way, costs_of(own_times, times[WAYS[0]]), math.nan)
            for way, own_times in times.items()
        ),
    )


class Learner:
    """A copy of a student that learns random targets.

    The loss is one minus the cosine, as dear as those of the method.

    Args:
        student: Is left as it is.
        is_fused: Whether the optimizer is, as in every training.
        is_rounded: Whether it computes in bfloat16 where that is safe.
    """

    def __init__(self, student: Student, is_fused: bool = True, is_rounded: bool = False) -> None:
        self._student = copy.deepcopy(student).train().requires_grad_(True)
        self._optimizer = torch.optim.AdamW(self._student.parameters(), lr=1e-4, fused=is_fused)
        self._is_rounded = is_rounded

    def step(self, points: Tensor, batch_index: Tensor) -> dict[str, Duration]:
        """Take one step with N points, (N, 4), of clouds (N,); give the time of each stage."""
        student = self._student
        targets = F.normalize(torch.randn(len(points), student.semantic_head.out_features), dim=1)
        located: list[Voxels] = []
        losses: list[Tensor] = []

        def locate() -> None:
            located.append(find_voxels(student.config, points, batch_index))
            build_maps(located[0])

        def forward() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=self._is_rounded):
                features = run_on_voxels(student.network, student.config, points, located[0])
                embeddings = student.semantic_head(features)
            losses.append(1 - F.cosine_similarity(embeddings.float(), targets).mean())

        def update() -> None:
            self._optimizer.step()

        works = (locate, forward, lambda: torch.autograd.backward(losses), update)
        times = {stage: measure(work) for stage, work in zip(TRAIN_STAGES, works, strict=True)}
        self._optimizer.zero_grad()
        return times


def _step(learner: Learner, batch: Sequence[Sweep]) -> dict[str, Duration]:
    points = torch.cat([torch.from_numpy(sweep.points) for sweep in batch])
    lengths = torch.tensor([len(sweep.points) for sweep in batch])
    return learner.step(points, torch.arange(len(batch)).repeat_interleave(lengths))
