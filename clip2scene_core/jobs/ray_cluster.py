"""Processes of a Ray cluster at work on the same jobs, on as many machines as it has."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clip2scene_core.jobs.folder import JobFolder
from clip2scene_core.jobs.record import MAX_DEATHS, Job
from clip2scene_core.jobs.work import Do, JobEvent, work_through

LOCAL: Final = "local"
"""Address of a cluster of this machine alone, which begins and ends with the work."""

_LOOK_S: Final = 0.5
_PATIENCE_S: Final = 10.0
_KNOCK_S: Final = 5.0


@dataclass(frozen=True)
class RayCluster:
    """Where processes run, and what each of them asks of its machine.

    Attributes:
        address: LOCAL, "auto" for the cluster that this machine belongs to, or HOST:PORT.
        num_cpus: Processors of a process; Ray places no more processes than it has room for.
        num_gpus: GPUs of a process.
    """

    address: str
    num_cpus: int = 1
    num_gpus: int = 0


def work_on_ray(
    cluster: RayCluster,
    count: int,
    folder: JobFolder,
    jobs: Sequence[Job],
    make: Callable[[], Do],
    tell: Callable[[JobEvent], None],
    since: float,
) -> None:
    """Let processes of a Ray cluster do jobs; see `work_through`.

    Sources and folder must be at the same paths on all machines, and this package installed there.
    A process that is killed, or whose machine is lost, is replaced.

    Args:
        cluster: Where to.
        count: Number of processes.
        folder: See `work_in_processes`.
        jobs: See `work_in_processes`.
        make: See `work_in_processes`.
        tell: See `work_in_processes`.
        since: See `work_through`.

    Raises:
        ImportError: If Ray is not installed.
        ValueError: If there is no such cluster, or a process ends by an error that is not that of a
            job.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError(
            "a Ray cluster needs the package ray: pip install -c constraints.txt '.[ray]'"
        ) from error

    # Ray would report how it is used to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    is_local = cluster.address == LOCAL
    only_local = {"include_dashboard": False} if is_local else {}
    try:
        _knock(cluster.address)
        ray.init(address=cluster.address, logging_level="warning", **only_local)
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"no Ray cluster at {cluster.address!r} ({str(error).splitlines()[0]}); 'ray start "
            f"--head' makes one, and {LOCAL!r} is this machine alone"
        ) from error
    tasks: list[Any] = []
    try:
        # The board costs no processor: one of the cluster's would be lost to it otherwise.
        board = ray.remote(num_cpus=0)(_Board).remote()
        work = ray.remote(
            num_cpus=cluster.num_cpus,
            num_gpus=cluster.num_gpus,
            max_retries=MAX_DEATHS * len(jobs),
        )(_work)
        tasks = [work.remote(board, folder, tuple(jobs), make, since) for _ in range(count)]
        while tasks:
            ended, tasks = ray.wait(tasks, timeout=_LOOK_S)
            for event in ray.get(board.take.remote()):
                tell(event)
            for said in ray.get(ended):
                if said:
                    raise ValueError(said)
    except ray.exceptions.RayError as error:
        raise ValueError(f"a process of the Ray cluster was lost: {error}") from error
    finally:
        for task in tasks:
            ray.cancel(task)  # an interrupt there: it leaves no draft behind
        if tasks:
            ray.wait(tasks, num_returns=len(tasks), timeout=_PATIENCE_S)
        ray.shutdown()


def _knock(address: str) -> None:
    """Connect to HOST:PORT, since Ray tries for minutes.

    Raises:
        OSError: If nobody answers.
        ValueError: If the port is no number.
    """
    host, _, port = address.rpartition(":")
    if host and "/" not in host:
        socket.create_connection((host, int(port)), _KNOCK_S).close()


class _Board:
    """Keeps what processes tell until it is read."""

    def __init__(self) -> None:
        self._events: list[JobEvent] = []

    def tell(self, event: JobEvent) -> None:
        self._events.append(event)

    def take(self) -> list[JobEvent]:
        taken, self._events = self._events, []
        return taken


def _work(
    board: Any, folder: JobFolder, jobs: Sequence[Job], make: Callable[[], Do], since: float
) -> str:
    """Do jobs in a process of the cluster; what ended it is returned, "" if the jobs did."""
    import ray

    def tell(event: JobEvent) -> None:
        told = board.tell.remote(event)
        if event.record is not None:
            ray.get(told)  # the end of the process must not overtake it

    try:
        work_through(folder, jobs, make, tell, since)
    except (ValueError, OSError, LookupError, ImportError) as error:
        return str(error) or type(error).__name__
    return ""
