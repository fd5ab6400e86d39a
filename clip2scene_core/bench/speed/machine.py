"""What the processor can do at the moment: matrix products, memory bandwidth, and its load."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch import Tensor

from clip2scene_core.bench.speed.clock import Quartiles, interleave, measure, quartiles_of

PRECISIONS: Final = {"fp32": torch.float32, "bf16": torch.bfloat16}
_PACKAGES: Final = ("torch", "numpy", "numba", "spconv", "torchsparse")


@dataclass(frozen=True)
class MachineResult:
    """The machine as it was when the bench began; other work on it makes all numbers smaller.

    Attributes:
        cores: Number of processors that this process may use.
        threads: Number of torch threads.
        load: Load averages of 1, 5 and 15 minutes; () where there are none.
        gemm_fp32: Matrix products, 10^9 multiplications and additions a second.
        gemm_bf16: The same in bfloat16.
        bandwidth: Copying memory, 10^9 bytes a second, read and written.
        versions: Packages with their versions; absent ones are missing.
    """

    cores: int
    threads: int
    load: tuple[float, ...]
    gemm_fp32: Quartiles
    gemm_bf16: Quartiles
    bandwidth: Quartiles
    versions: tuple[str, ...]


def measure_machine(is_quick: bool) -> MachineResult:
    """Measure for a second or so; a tenth of it if quick."""
    side, repeats = (256, 5) if is_quick else (1024, 15)
    copied = torch.zeros((16 if is_quick else 128) << 20, dtype=torch.uint8)
    target = torch.empty_like(copied)
    works: dict[str, Callable[[int], float]] = {
        name: partial(_gemm_speed, make_square(side, dtype)) for name, dtype in PRECISIONS.items()
    }
    works["copy"] = lambda number: (
        2e-6 * copied.numel() / measure(lambda: target.copy_(copied)).wall_ms
    )
    speeds = interleave(works, range(repeats + 2), 2)
    found = {name: quartiles_of(values) for name, values in speeds.items()}
    return MachineResult(
        num_cores(),
        torch.get_num_threads(),
        load_averages(),
        found["fp32"],
        found["bf16"],
        found["copy"],
        _versions(),
    )


def make_square(side: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Two random matrices for the measurement of a peak."""
    return torch.randn(side, side).to(dtype), torch.randn(side, side).to(dtype)


def _gemm_speed(matrices: tuple[Tensor, Tensor], number: int) -> float:
    """10^9 operations a second of one product; the number of the call does not matter."""
    one, other = matrices
    return 2e-6 * len(one) ** 3 / measure(lambda: one @ other).wall_ms


def num_cores() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_averages() -> tuple[float, ...]:
    """Load of 1, 5 and 15 minutes; () on a system without."""
    try:
        return os.getloadavg()
    except (AttributeError, OSError):
        return ()


def _versions() -> tuple[str, ...]:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)
