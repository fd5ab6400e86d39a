"""The stages of a bench: each is computed once, and its result stays in a folder as JSON."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.bench.provenance import StageTime, current_commit
from clip2scene_core.files.damage import name_damage
from clip2scene_core.worker import end_with_parent


class BenchError(ValueError):
    """A bench that cannot go on; the message names the stage or the folder."""


@dataclass(frozen=True)
class BenchOptions:
    """How a bench runs.

    Attributes:
        work: Folder of the bench. An interrupted bench continues in it.
        is_quick: True for tiny scenes and trainings: every stage runs, and no number means
            anything.
        workers: Number of processes, each with one thread.
        device: Device of CLIP and of trainings, such as "cpu" or "cuda".
        command: Command line, for the report.
    """

    work: Path
    is_quick: bool
    workers: int
    device: str
    command: str


@dataclass(frozen=True)
class Stage:
    """One step of a bench.

    Attributes:
        name: File name of its result, without the ending.
        compute: Returns the result as values of JSON. It is pickled for other processes.
    """

    name: str
    compute: Callable[[], Any]


@dataclass(frozen=True)
class StageResult(StageTime):
    """Result of a stage, with its time and commit.

    Attributes:
        value: What `compute` returned.
    """

    value: Any


StageReport = Callable[[StageResult, int], None]
"""Called after each stage with its result and the number of all stages."""

SceneReport = Callable[[str, int, int], None]
"""Called after each rendered scene with (name of the split, scenes done, scenes)."""


class WorkFolder:
    """A folder that keeps the results of stages, so that an interrupted bench can continue.

    Args:
        root: The folder. It is created if it is not there.
        setup: Everything that decides the results. A folder belongs to one setup.

    Raises:
        BenchError: If the folder belongs to another setup.
    """

    def __init__(self, root: Path, setup: dict[str, Any]) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        wanted = json.dumps(setup, indent=1, sort_keys=True)
        path = root / "setup.json"
        if not path.exists():
            with atomic_write(path) as draft:
                draft.write_text(wanted)
        elif path.read_text() != wanted:
            raise BenchError(
                f"{root} belongs to a bench with another setup; choose another --work folder, or "
                f"remove it (see {path})"
            )

    def run(
        self, stages: Sequence[Stage], workers: int, report: Callable[[StageResult], None]
    ) -> dict[str, StageResult]:
        """Give the results of stages that do not need each other, computing those that are missing.

        Args:
            stages: Stages in the order of their results.
            workers: Number of processes, each with one thread; with 1 this process computes.
            report: Called with each result; kept results come first.

        Returns:
            The results by the names of their stages, in the order of the stages.

        Raises:
            BenchError: If a stage fails. The results of others are kept.
        """
        missing = []
        for stage in stages:
            if self._path(stage.name).exists():
                report(self._read(stage.name))
            else:
                missing.append(stage)
        if workers > 1 and len(missing) > 1:
            self._run_in_processes(missing, workers, report)
        else:
            for stage in missing:
                with _named(stage.name):
                    _compute(stage, self._path(stage.name))
                report(self._read(stage.name))
        return {stage.name: self._read(stage.name) for stage in stages}

    def run_phases(
        self, phases: Iterable[tuple[Sequence[Stage], int]], report: StageReport
    ) -> dict[str, StageResult]:
        """Run phases one after the other, each its stages with its number of workers; see `run`."""
        phases = tuple(phases)
        total = sum(len(stages) for stages, _ in phases)
        results: dict[str, StageResult] = {}
        for stages, workers in phases:
            results |= self.run(stages, workers, lambda result: report(result, total))
        return results

    def _run_in_processes(
        self, stages: Sequence[Stage], workers: int, report: Callable[[StageResult], None]
    ) -> None:
        # Torch's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, _begin_worker) as pool:
            running = {
                pool.submit(_compute, stage, self._path(stage.name)): stage.name for stage in stages
            }
            try:
                for future in as_completed(running):
                    with _named(running[future]):
                        future.result()
                    report(self._read(running[future]))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _path(self, name: str) -> Path:
        return self.root / "results" / f"{name}.json"

    def _read(self, name: str) -> StageResult:
        remedy = "; remove it to compute the stage again"
        with name_damage(self._path(name), "result of a stage", BenchError, remedy):
            return StageResult(**json.loads(self._path(name).read_text()))


@contextmanager
def name_missing_value(work: Path) -> Iterator[None]:
    """Say what to do if a kept result lacks a value, because other code computed it.

    Args:
        work: Folder of the bench.

    Raises:
        BenchError: In place of a KeyError.
    """
    try:
        yield
    except KeyError as error:
        raise BenchError(
            f"a kept stage lacks {error}: other code computed it; remove the stage's file from "
            f"{work / 'results'} and run again"
        ) from error


def _begin_worker() -> None:
    torch.set_num_threads(1)
    end_with_parent()


def _compute(stage: Stage, path: Path) -> None:
    started = time.monotonic()
    value = stage.compute()
    result = {
        "name": stage.name,
        "seconds": round(time.monotonic() - started, 1),
        "commit": current_commit(),
        "value": value,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        draft.write_text(json.dumps(result))


@contextmanager
def _named(stage: str) -> Iterator[None]:
    """Name the stage of an error."""
    try:
        yield
    except BrokenProcessPool as error:
        raise BenchError(
            f"stage {stage}, or one beside it: its process died, as when memory is short; run "
            f"again with fewer workers"
        ) from error
    except (ValueError, OSError, LookupError, ImportError) as error:
        raise BenchError(f"stage {stage}: {error}") from error
