"""Several processes of one machine at work on the same jobs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Final

from clip2scene_core.jobs.folder import JobFolder
from clip2scene_core.jobs.record import Job
from clip2scene_core.jobs.work import Do, JobEvent, work_through
from clip2scene_core.worker import end_with_parent

_GRACE_S: Final = 0.5
_PATIENCE_S: Final = 10.0


def work_in_processes(
    count: int,
    folder: JobFolder,
    jobs: Sequence[Job],
    make: Callable[[], Do],
    tell: Callable[[JobEvent], None],
    since: float,
) -> None:
    """Let processes do jobs; see `work_through`.

    A process that is killed at a job is replaced, and its job is done by another.

    Args:
        count: Number of processes.
        folder: Where outputs go.
        jobs: What is to be done, each in any of the processes.
        make: Makes what does the jobs, in each process. It is pickled.
        tell: Called in this process. A job ends once for each process that finds it ended.
        since: See `work_through`.

    Raises:
        ValueError: If a process cannot begin, or ends by an error that is not that of a job.
    """
    crew = _Crew(folder, jobs, make, since)
    try:
        for _ in range(count):
            crew.start()
        while crew.members:
            for connection in wait(list(crew.members)):
                assert isinstance(connection, Connection)
                crew.listen(connection, tell)
    finally:
        crew.stop()


@dataclass
class _Member:
    process: SpawnProcess
    has_begun: bool = False


class _Crew:
    """The processes by the connections on which they tell what happens.

    Each has a connection of its own: a killed process takes the lock of a shared queue along.
    """

    def __init__(
        self, folder: JobFolder, jobs: Sequence[Job], make: Callable[[], Do], since: float
    ) -> None:
        self._arguments = (folder, tuple(jobs), make, since)
        self._context = multiprocessing.get_context("spawn")  # torch's threads survive no fork
        self.members: dict[Connection, _Member] = {}

    def start(self) -> None:
        mine, its = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(its, *self._arguments))
        process.start()
        its.close()  # the end of the process is then the end of the connection
        self.members[mine] = _Member(process)

    def listen(self, connection: Connection, tell: Callable[[JobEvent], None]) -> None:
        member = self.members[connection]
        try:
            news = connection.recv()
        except EOFError:
            del self.members[connection]
            connection.close()
            self._bury(member)
            return
        if isinstance(news, JobEvent):
            member.has_begun = True
            tell(news)
        else:
            raise ValueError(news)

    def _bury(self, member: _Member) -> None:
        member.process.join()
        code = member.process.exitcode
        if code == 0:
            return
        if code is not None and code < 0 and member.has_begun:
            self.start()  # the job counts its deaths, so this ends
            return
        why = "what it said stands above"
        if code is not None and code < 0:
            why = "it was killed before it began; if memory is short, take fewer processes"
        raise ValueError(f"a worker process ended with status {code}: {why}")

    def stop(self) -> None:
        for member in self.members.values():
            member.process.join(_GRACE_S)  # an interrupt has reached it already, or its work ends
            if member.process.is_alive() and member.process.pid is not None:
                os.kill(member.process.pid, signal.SIGINT)  # it leaves no draft behind
        for member in self.members.values():
            member.process.join(_PATIENCE_S)
            member.process.kill()


def _work(
    connection: Connection,
    folder: JobFolder,
    jobs: Sequence[Job],
    make: Callable[[], Do],
    since: float,
) -> None:
    end_with_parent()
    try:
        work_through(folder, jobs, make, connection.send, since)
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError, LookupError, ImportError) as error:
        connection.send(str(error))
        sys.exit(1)
