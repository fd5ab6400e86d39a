"""One sparse convolution, forward and backward, beside dense products of the same work."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch

from clip2scene_core.bench.speed.clock import (
    Duration,
    Quartiles,
    interleave,
    measure,
    paired_ratios,
    quartiles_of,
)
from clip2scene_core.bench.speed.machine import PRECISIONS, load_averages, make_square
from clip2scene_core.bench.speed.peers import PEERS, LeftOut, spconv_layer, why_left_out, why_wrong
from clip2scene_core.bench.speed.sweeps import SweepSource
from clip2scene_core.sample import Sweep
from clip2scene_core.sparse.conv import sparse_convolution
from clip2scene_core.sparse.kernel_map import NUM_NEIGHBORS
from clip2scene_core.sparse.tensor import VoxelLevel
from clip2scene_core.sparse.voxelize import voxelize

DIRECTIONS: Final = ("forward", "backward")
_Work = Callable[[int], Duration]


@dataclass(frozen=True)
class OpsPlan:
    """What is convolved.

    Attributes:
        voxel_sizes_m: Edges of voxels, metres; smaller ones give more voxels.
        channels: Numbers of features, in and out.
        num_sweeps: Number of sweeps that count.
        warm_up: Number of sweeps before them.
        peak_side: Side of the square matrices that show the peak.
    """

    voxel_sizes_m: tuple[float, ...] = (0.1, 0.05)
    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    num_sweeps: int = 7
    warm_up: int = 2
    peak_side: int = 1024


@dataclass(frozen=True)
class OpCost:
    """Cost of one submanifold 3x3x3 convolution.

    Attributes:
        what: "forward", "backward" (both gradients), or the forward pass of a peer with its
            precision, such as "spconv fp32".
        precision: Of ours, "fp32" or "bf16".
        channels: C, features in and out.
        voxels: Number of voxels, median.
        pairs: Number of pairs of input and output voxels, median; each costs C * C products.
        wall_ms: By the clock, milliseconds.
        cpu_ms: Of the processor, milliseconds.
        dense_ratio: Processor's time over that of a dense product with as many multiplications.
        peak_share: Share of the operations a second that a product of large square matrices
            reached between the same calls, by the processor's time.
        forward_ratio: Processor's time over our forward pass on the same sweep.
    """

    what: str
    precision: str
    channels: int
    voxels: int
    pairs: int
    wall_ms: Quartiles
    cpu_ms: Quartiles
    dense_ratio: Quartiles
    peak_share: float
    forward_ratio: Quartiles


@dataclass(frozen=True)
class OpsResult:
    """All convolutions.

    Attributes:
        source: Where the sweeps come from.
        num_sweeps: Number of different sweeps of each cost.
        load: Load averages afterwards.
        costs: One for each precision, number of voxels, number of channels and direction.
        left_out: Peers that were not measured.
    """

    source: str
    num_sweeps: int
    load: tuple[float, ...]
    costs: tuple[OpCost, ...]
    left_out: tuple[LeftOut, ...]


def measure_ops(source: SweepSource, plan: OpsPlan) -> OpsResult:
    """Convolve the voxels of different sweeps; kernel maps are built before."""
    sweeps = source.read(plan.warm_up + plan.num_sweeps)
    reasons = {peer: why_left_out(peer, torch.get_num_threads()) for peer in PEERS}
    costs: list[OpCost] = []
    for size_m in plan.voxel_sizes_m:
        levels = [_level_of(sweep, size_m) for sweep in sweeps]
        for channels in plan.channels:
            for precision in PRECISIONS:
                case = _Case(levels, channels, precision, plan, reasons)
                costs += case.measure(plan.warm_up)
    left_out = tuple(LeftOut(peer, reason) for peer, reason in reasons.items() if reason)
    return OpsResult(source.describe(), plan.num_sweeps, load_averages(), tuple(costs), left_out)


class _Case:
    """One number of channels in one precision on the voxels of all sweeps.

    Args:
        levels: Voxels of the sweeps.
        channels: C.
        precision: "fp32" or "bf16".
        plan: Gives the size of the peak's matrices.
        reasons: Why each peer is left out; a peer that is found wrong is noted here.
    """

    def __init__(
        self,
        levels: Sequence[VoxelLevel],
        channels: int,
        precision: str,
        plan: OpsPlan,
        reasons: dict[str, str],
    ) -> None:
        self._levels, self._channels, self._precision = levels, channels, precision
        dtype = PRECISIONS[precision]
        weight = torch.randn(NUM_NEIGHBORS, channels, channels) / math.sqrt(27 * channels)
        self._weight = weight.to(dtype)
        self._features = [torch.randn(len(level), channels).to(dtype) for level in levels]
        self._pairs = [len(level.neighbors.input_index) for level in levels]
        # One shape for all: oneDNN compiles code for each new one.
        self._dense = torch.randn(max(self._pairs), channels).to(dtype)
        self._square = make_square(plan.peak_side, dtype)
        self._peers = self._right_peers(reasons)

    def measure(self, warm_up: int) -> list[OpCost]:
        """Time everything on each sweep before the next one."""
        works: dict[str, _Work] = {
            "forward": self._forward,
            "backward": self._backward,
            "dense": lambda number: measure(lambda: self._dense @ self._weight[0]),
            "peak": lambda number: measure(lambda: self._square[0] @ self._square[1]),
            **self._peers,
        }
        found = interleave(works, range(len(self._levels)), warm_up)
        pairs = self._pairs[warm_up:]
        peak_ms = _median([one.cpu_ms for one in found["peak"]])
        peak = len(self._square[0]) ** 3 / peak_ms
        dense = [
            one.cpu_ms * count / len(self._dense)
            for one, count in zip(found["dense"], pairs, strict=True)
        ]
        forward = [one.cpu_ms for one in found["forward"]]
        costs = []
        for what in (*DIRECTIONS, *self._peers):
            num_products = 2 if what == "backward" else 1
            cpu = [one.cpu_ms for one in found[what]]
            same_work = [num_products * ms for ms in dense]
            speeds = [
                num_products * count * self._channels**2 / max(ms, 1e-9)
                for count, ms in zip(pairs, cpu, strict=True)
            ]
            costs.append(
                OpCost(
                    what,
                    self._precision,
                    self._channels,
                    round(_median([len(level) for level in self._levels[warm_up:]])),
                    round(_median(pairs)),
                    quartiles_of([one.wall_ms for one in found[what]]),
                    quartiles_of(cpu),
                    paired_ratios(cpu, same_work),
                    _median(speeds) / peak,
                    paired_ratios(cpu, forward),
                )
            )
        return costs

    def _forward(self, number: int) -> Duration:
        features, neighbors = self._features[number], self._levels[number].neighbors
        with torch.inference_mode():
            return measure(lambda: sparse_convolution(features, self._weight, neighbors))

    def _backward(self, number: int) -> Duration:
        features = self._features[number].detach().requires_grad_()
        weight = self._weight.detach().requires_grad_()
        output = sparse_convolution(features, weight, self._levels[number].neighbors)
        gradient = torch.ones_like(output)
        return measure(lambda: torch.autograd.grad(output, (features, weight), gradient))

    def _right_peers(self, reasons: dict[str, str]) -> dict[str, _Work]:
        """Peers that are installed and compute what we compute."""
        if reasons["spconv"]:
            return {}
        weight, features = self._weight.float(), [rows.float() for rows in self._features]
        layers = [spconv_layer(level, weight) for level in self._levels]
        ours = sparse_convolution(features[0], weight, self._levels[0].neighbors)
        with torch.inference_mode():
            reasons["spconv"] = why_wrong(layers[0], features[0], ours)
        if reasons["spconv"]:
            return {}

        @torch.inference_mode()
        def convolve(number: int) -> Duration:
            return measure(lambda: layers[number](features[number]))

        return {"spconv fp32": convolve}


def _level_of(sweep: Sweep, size_m: float) -> VoxelLevel:
    """Voxels of a sweep, with all that a convolution looks up."""
    points = torch.from_numpy(sweep.points[:, :3].copy())
    level = voxelize(points, torch.zeros(len(points), dtype=torch.int64), size_m).level
    level.neighbors.build()
    return level


def _median(values: Sequence[float]) -> float:
    return quartiles_of(values).median
