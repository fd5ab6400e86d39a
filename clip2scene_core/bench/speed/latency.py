"""How long each stage of labelling a sweep takes, in the shipped way and in others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from clip2scene_core.bench.speed.clock import (
    Duration,
    Quartiles,
    interleave,
    paired_ratios,
    quartiles_of,
)
from clip2scene_core.bench.speed.labelling import STAGES
from clip2scene_core.bench.speed.machine import load_averages
from clip2scene_core.bench.speed.sweeps import SweepSource
from clip2scene_core.bench.speed.variants import AS_SHIPPED, VARIANTS, Answer, running

ALL_STAGES = "all"


@dataclass(frozen=True)
class StageCost:
    """Time of one stage over all sweeps.

    Attributes:
        stage: One of STAGES, or "all".
        wall_ms: By the clock, milliseconds.
        cpu_ms: Of the processor, milliseconds.
        wall_ratio: By the clock, this variant over the shipped way, sweep by sweep.
        cpu_ratio: The same of the processor's time.
    """

    stage: str
    wall_ms: Quartiles
    cpu_ms: Quartiles
    wall_ratio: Quartiles
    cpu_ratio: Quartiles


@dataclass(frozen=True)
class VariantCost:
    """Times of one way to label.

    Attributes:
        variant: Name of the variant.
        stages: Cost of each stage, then of all.
        peak_mib: Most memory that its process had resident, MiB; NaN if it had none of its own.
    """

    variant: str
    stages: tuple[StageCost, ...]
    peak_mib: float

    def cost_of(self, stage: str) -> StageCost:
        """Find a stage by its name."""
        return next(cost for cost in self.stages if cost.stage == stage)


@dataclass(frozen=True)
class LatencyResult:
    """Labelling with one student.

    Attributes:
        student: Name or file of the student.
        source: Where the sweeps come from.
        num_sweeps: Number of different sweeps, without those that warm up.
        points: Points of a sweep.
        voxels: Voxels of a sweep.
        load: Load averages afterwards.
        variants: The shipped way first.
    """

    student: str
    source: str
    num_sweeps: int
    points: Quartiles
    voxels: Quartiles
    load: tuple[float, ...]
    variants: tuple[VariantCost, ...]


def measure_latency(
    weights: str, source: SweepSource, num_sweeps: int, warm_up: int
) -> LatencyResult:
    """Label each sweep in every way before the next one.

    Args:
        weights: The student, see `load_checkpoint`.
        source: Gives the sweeps.
        num_sweeps: Number of sweeps that count.
        warm_up: Number of sweeps before them.

    Raises:
        BenchError: If a process fails or there are too few sweeps.
    """
    sweeps = source.read(warm_up + num_sweeps)
    with running(weights, VARIANTS, torch.get_num_threads()) as processes:
        answers = interleave(processes, sweeps, warm_up)
    shipped = _durations(answers[AS_SHIPPED])
    return LatencyResult(
        Path(weights).name,
        source.describe(),
        num_sweeps,
        quartiles_of([len(sweep.points) for sweep in sweeps[warm_up:]]),
        quartiles_of([answer.num_voxels for answer in answers[AS_SHIPPED]]),
        load_averages(),
        tuple(
            VariantCost(
                name, costs_of(_durations(told), shipped), max(one.peak_mib for one in told)
            )
            for name, told in answers.items()
        ),
    )


def _durations(answers: list[Answer]) -> dict[str, list[Duration]]:
    return by_stage([answer.times for answer in answers], STAGES)


def by_stage(
    times: Sequence[Mapping[str, Duration]], stages: Sequence[str]
) -> dict[str, list[Duration]]:
    """Turn the times of each input into durations of each stage, and of all together."""
    found = {stage: [one[stage] for one in times] for stage in stages}
    found[ALL_STAGES] = [
        Duration(sum(one.wall_ms for one in parts), sum(one.cpu_ms for one in parts))
        for parts in zip(*found.values(), strict=True)
    ]
    return found


def costs_of(
    own: Mapping[str, list[Duration]], shipped: Mapping[str, list[Duration]]
) -> tuple[StageCost, ...]:
    """Compare a variant with the shipped way, stage by stage; both from `by_stage`."""
    costs = []
    for stage, durations in own.items():
        walls, cpus = [one.wall_ms for one in durations], [one.cpu_ms for one in durations]
        costs.append(
            StageCost(
                stage,
                quartiles_of(walls),
                quartiles_of(cpus),
                paired_ratios(walls, [one.wall_ms for one in shipped[stage]]),
                paired_ratios(cpus, [one.cpu_ms for one in shipped[stage]]),
            )
        )
    return tuple(costs)
