"""Processes that label the same sweeps, each in another way.

A process for each variant: what the allocator keeps, whether compiled loops are imported and what
oneDNN has in its cache cannot be undone within one.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

import torch

from clip2scene_core.allocator import keep_freed_memory
from clip2scene_core.bench.speed.clock import Duration
from clip2scene_core.bench.speed.labelling import StagedLabeller
from clip2scene_core.bench.stages import BenchError
from clip2scene_core.sample import Sweep
from clip2scene_core.worker import end_with_parent

_TILES: Final = ("clip2scene_core.sparse.compiled_conv",)
_COMPILED: Final = (*_TILES, "clip2scene_core.sparse.compiled", "clip2scene_core.mapping.compiled")


@dataclass(frozen=True)
class Variant:
    """One way to label.

    Attributes:
        name: In reports.
        refused: Modules that are not imported, as if numba or scipy were not there.
        is_folded: Whether norms are folded into weights.
        keeps_memory: Whether the allocator keeps freed memory.
        precision: "fp32" or "bf16".
        per_voxel: Whether the mean of the points in a voxel stands for each of them.
    """

    name: str
    refused: tuple[str, ...] = ()
    is_folded: bool = True
    keeps_memory: bool = True
    precision: str = "fp32"
    per_voxel: bool = True


AS_SHIPPED: Final = "as shipped"
VARIANTS: Final = (
    Variant(AS_SHIPPED),
    Variant("each point", per_voxel=False),
    Variant("torch products", refused=_TILES),
    Variant("torch operations", refused=_COMPILED),
    Variant("norms not folded", is_folded=False),
    Variant("allocator off", keeps_memory=False),
    Variant("bf16", precision="bf16"),
)


@dataclass(frozen=True)
class Answer:
    """What a process says of one sweep.

    Attributes:
        times: By the names of the stages.
        num_voxels: Number of voxels.
        peak_mib: Most memory that the process ever had resident, MiB.
    """

    times: dict[str, Duration]
    num_voxels: int
    peak_mib: float


class VariantProcess:
    """A process that labels sweeps in one way.

    Args:
        connection: To the process.
        name: Of the variant, for errors.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    def __call__(self, sweep: Sweep) -> Answer:
        """Label one sweep and wait for the answer.

        Raises:
            BenchError: If the process failed or died.
        """
        try:
            with suppress(BrokenPipeError):  # it may have said why before it ended
                self._connection.send(sweep)
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise BenchError(
                f"variant {self._name}: its process died, as when memory is short"
            ) from error
        if not isinstance(answer, Answer):
            raise BenchError(f"variant {self._name}: {answer}")
        return answer


@contextmanager
def running(
    weights: str, variants: tuple[Variant, ...], threads: int
) -> Iterator[dict[str, VariantProcess]]:
    """Start a process for each variant; they end with the context.

    Args:
        weights: The student, see `load_checkpoint`.
        variants: What is compared.
        threads: Number of torch threads of each process; one works at a time.
    """
    # Torch's threads do not survive a fork of this process; a fresh server has none.
    has_server = "forkserver" in multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if has_server else "spawn")
    if has_server:
        context.set_forkserver_preload(["clip2scene_core.bench.speed.variants"])
    with ExitStack() as stack:
        found = {}
        for variant in variants:
            here, there = context.Pipe()
            arguments = (there, weights, variant, threads)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            there.close()
            stack.callback(process.join)
            stack.callback(here.close)
            found[variant.name] = VariantProcess(here, variant.name)
        yield found


def _serve(connection: Connection, weights: str, variant: Variant, threads: int) -> None:
    """Label what comes through the connection until it is closed."""
    end_with_parent()
    torch.set_num_threads(threads)
    try:
        if variant.keeps_memory:
            keep_freed_memory()
        for module in variant.refused:
            sys.modules[module] = None  # type: ignore[assignment]  # refuses the import
        labeller = StagedLabeller(weights, variant.is_folded, variant.precision, variant.per_voxel)
        while True:
            times = labeller.label(connection.recv())
            connection.send(Answer(times, labeller.num_voxels, _peak_mib()))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        connection.send(f"{error}")


def _peak_mib() -> float:
    """Most memory that this process ever had resident, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / (1 << 20)
