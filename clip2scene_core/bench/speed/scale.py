"""How cost grows with points, voxels, channels, prompts, new ones, sweeps, and sweeps at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice, permutations
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.bench.speed.clock import (
    Duration,
    Quartiles,
    interleave,
    measure,
    quartiles_of,
)
from clip2scene_core.bench.speed.machine import load_averages
from clip2scene_core.bench.speed.sweeps import SweepSource
from clip2scene_core.checkpoint import Checkpoint, load_checkpoint
from clip2scene_core.inference.online import load_online_segmenter
from clip2scene_core.inference.pipeline import SweepPipeline
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.network.folding import fold_norms
from clip2scene_core.network.student import find_voxels, run_network
from clip2scene_core.sample import Sweep
from clip2scene_core.sparse.conv import sparse_convolution
from clip2scene_core.sparse.kernel_map import NUM_NEIGHBORS
from clip2scene_core.sparse.voxelize import voxelize

_TILE_M = 250.0
"""Between clouds side by side: farther than any of them reaches twice."""
_FAR_M = 1e5
AT_ONCE: Final = "sweeps at once"
_DRIVE: Final = 8
"""Sweeps that are labelled in one call, where several are at once."""

Prepare = Callable[[int, int], tuple[float, Callable[[], object]]]
"""Takes a size and the number of the call. Gives the true size, and what is timed."""


@dataclass(frozen=True)
class ScalePlan:
    """Sizes, each from small to large.

    Attributes:
        points: Points of a cloud.
        voxels_mm: Edges of voxels, millimetres, from large to small.
        channels: Features of a convolution.
        prompts: Texts that points are compared with.
        new_prompts: Prompts that CLIP reads for the first time.
        sweeps: Sweeps in one batch.
        at_once: Sweeps of a drive that are labelled side by side.
        repeats: Calls of each size that count.
        warm_up: Calls before them.
        pool: Number of different sweeps that clouds are made of.
    """

    points: tuple[int, ...] = (10_000, 30_000, 100_000, 300_000, 1_000_000)
    voxels_mm: tuple[int, ...] = (400, 200, 100, 50)
    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    prompts: tuple[int, ...] = (1, 10, 100, 1000)
    new_prompts: tuple[int, ...] = (1, 4, 16, 64)
    sweeps: tuple[int, ...] = (1, 2, 4, 8)
    at_once: tuple[int, ...] = (1, 2, 4)
    repeats: int = 5
    warm_up: int = 1
    pool: int = 45


@dataclass(frozen=True)
class Growth:
    """Cost by size.

    Attributes:
        quantity: What grows, for example "points".
        work: What is timed, in words.
        sizes: Sizes.
        wall_ms: By the clock, milliseconds.
        cpu_ms: Of the processor, milliseconds.
        exponent: Slope of a line through the logarithms of sizes and processor's times: 1 is
            linear. Small sizes pull it down, where cost does not depend on size.
        last_exponent: The same of the two largest sizes alone.
    """

    quantity: str
    work: str
    sizes: tuple[float, ...]
    wall_ms: tuple[Quartiles, ...]
    cpu_ms: tuple[Quartiles, ...]
    exponent: float
    last_exponent: float


@dataclass(frozen=True)
class ScaleResult:
    """All growths.

    Attributes:
        source: Where the sweeps come from.
        student: Name of the student.
        load: Load averages afterwards.
        growths: One for each quantity.
    """

    source: str
    student: str
    load: tuple[float, ...]
    growths: tuple[Growth, ...]


def measure_scale(source: SweepSource, weights: str, plan: ScalePlan) -> ScaleResult:
    """Measure how cost grows; no call repeats an input of another one."""
    pool = source.read(plan.pool)
    checkpoint = load_checkpoint(weights)
    student = fold_norms(checkpoint.student)

    def in_batch(count: int, number: int) -> tuple[float, Callable[[], object]]:
        chosen = [pool[(7 * number + k) % len(pool)].points for k in range(count)]
        points = torch.from_numpy(np.concatenate(chosen))
        batch_index = torch.arange(count).repeat_interleave(torch.tensor([*map(len, chosen)]))
        return count, lambda: student.point_features(points, batch_index)

    def in_voxels(edge_mm: int, number: int) -> tuple[float, Callable[[], object]]:
        config = replace(student.config, voxel_size_m=edge_mm / 1000)
        points = torch.from_numpy(pool[number % len(pool)].points)
        batch_index = torch.zeros(len(points), dtype=torch.int64)
        size = len(find_voxels(config, points, batch_index).level)
        return size, lambda: run_network(student.network, config, points, batch_index)

    works: tuple[tuple[str, str, Sequence[int], Prepare], ...] = (
        ("points", "labels of a cloud", plan.points, _in_points(checkpoint, pool)),
        ("voxels", "network of a sweep, smaller voxels", plan.voxels_mm, in_voxels),
        ("channels", "one 3x3x3 convolution of a sweep", plan.channels, partial(_channels, pool)),
        ("prompts", "comparison of a sweep's points", plan.prompts, _in_prompts(checkpoint, pool)),
        ("new prompts", "embedding in 85 sentences", plan.new_prompts, _in_new_prompts(checkpoint)),
        ("sweeps", "network of a batch", plan.sweeps, in_batch),
        (
            AT_ONCE,
            f"{_DRIVE} sweeps of a drive, with a map",
            plan.at_once,
            _in_drives(weights, pool),
        ),
    )
    growths = [
        _grow(quantity, work, sizes, prepare, plan) for quantity, work, sizes, prepare in works
    ]
    return ScaleResult(source.describe(), weights, load_averages(), tuple(growths))


def cloud_of(pool: Sequence[Sweep], size: int, number: int) -> NDArray[np.float32]:
    """Make a cloud as dense as a sweep: a sector of one, or several side by side and a sector.

    Args:
        pool: Sweeps.
        size: Number of points.
        number: Other numbers begin with other sweeps and azimuths.

    Returns:
        (size, 4) float32.
    """
    parts: list[NDArray[np.float32]] = []
    missing, tile = size, 0
    while missing > 0:
        points = pool[(7 * number + tile) % len(pool)].points[:, :4]
        azimuth = np.arctan2(points[:, 1], points[:, 0]) + 0.7 * number
        part = points[np.argsort(azimuth % (2 * np.pi))[:missing]].copy()
        part[:, 0] += _TILE_M * (tile % 6)
        part[:, 1] += _TILE_M * (tile // 6)
        parts.append(part)
        missing, tile = missing - len(part), tile + 1
    return np.concatenate(parts)


def fit_exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Slope of the line through the logarithms, by least squares."""
    slope, _ = np.polyfit(np.log(sizes), np.log(np.maximum(costs, 1e-9)), 1)
    return float(slope)


def _in_points(checkpoint: Checkpoint, pool: Sequence[Sweep]) -> Prepare:
    segmenter = Segmenter(checkpoint, min_range_m=0.0, ego_radius_m=0.0, max_range_m=_FAR_M)

    def prepare(size: int, number: int) -> tuple[float, Callable[[], object]]:
        points = cloud_of(pool, size, number)
        return size, lambda: segmenter.segment(points)

    return prepare


def _in_prompts(checkpoint: Checkpoint, pool: Sequence[Sweep]) -> Prepare:
    segmenter = Segmenter(checkpoint)
    size_of_text = checkpoint.vocabulary.embeddings.shape[1]

    def prepare(count: int, number: int) -> tuple[float, Callable[[], object]]:
        num_points = len(pool[number % len(pool)].points)
        points = F.normalize(torch.randn(num_points, size_of_text), dim=1)
        texts = F.normalize(torch.randn(count, size_of_text), dim=1)
        return count, lambda: segmenter.compare(points, texts).max(dim=1)

    return prepare


def _in_new_prompts(checkpoint: Checkpoint) -> Prepare:
    segmenter = Segmenter(checkpoint)
    words = sorted({word for name in checkpoint.vocabulary.names for word in name.split()})
    # All calls together ask for no prompt twice, and every CLIP can read the words of training.
    prompts = map(" ".join, chain(permutations(words, 2), permutations(words, 3)))
    segmenter.set_prompts([next(prompts)])  # loads the CLIP

    def prepare(count: int, number: int) -> tuple[float, Callable[[], object]]:
        fresh = [*islice(prompts, count)]
        return count, lambda: segmenter.set_prompts(fresh)

    return prepare


def _in_drives(weights: str, pool: Sequence[Sweep]) -> Prepare:
    segmenter = load_online_segmenter(weights)

    def prepare(count: int, number: int) -> tuple[float, Callable[[], object]]:
        sequence = [pool[(_DRIVE * number + k) % len(pool)] for k in range(_DRIVE)]
        segmenter.reset()

        def label() -> None:
            pipeline = SweepPipeline(segmenter, count)
            for _ in pipeline.segment_all((sweep, ()) for sweep in sequence):
                pass
            pipeline.close()
            segmenter.map()  # waits until the map has them all

        return count, label

    return prepare


def _channels(
    pool: Sequence[Sweep], channels: int, number: int
) -> tuple[float, Callable[[], Tensor]]:
    points = torch.from_numpy(pool[number % len(pool)].points[:, :3].copy())
    level = voxelize(points, torch.zeros(len(points), dtype=torch.int64), 0.1).level
    level.neighbors.build()
    features = torch.randn(len(level), channels)
    weight = torch.randn(NUM_NEIGHBORS, channels, channels)
    return channels, lambda: sparse_convolution(features, weight, level.neighbors)


def _grow(
    quantity: str, work: str, sizes: Sequence[int], prepare: Prepare, plan: ScalePlan
) -> Growth:
    def at_size(size: int) -> Callable[[int], tuple[float, Duration]]:
        @torch.inference_mode()
        def call(number: int) -> tuple[float, Duration]:
            true_size, timed = prepare(size, number)
            return true_size, measure(timed)

        return call

    calls = {str(size): at_size(size) for size in sizes}
    found = interleave(calls, range(plan.warm_up + plan.repeats), plan.warm_up)
    true_sizes = tuple(
        quartiles_of([size for size, _ in answers]).median for answers in found.values()
    )
    walls = tuple(quartiles_of([one.wall_ms for _, one in told]) for told in found.values())
    cpus = tuple(quartiles_of([one.cpu_ms for _, one in told]) for told in found.values())
    medians = [one.median for one in cpus]
    return Growth(
        quantity,
        work,
        true_sizes,
        walls,
        cpus,
        fit_exponent(true_sizes, medians),
        fit_exponent(true_sizes[-2:], medians[-2:]),
    )
