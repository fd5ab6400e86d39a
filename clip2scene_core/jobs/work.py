"""One process at work on jobs that others may be at work on, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clip2scene_core.atomic_write import atomic_folder
from clip2scene_core.jobs.folder import JobFolder
from clip2scene_core.jobs.record import MAX_DEATHS, Job, JobError, Record, begin

POLL_S: Final = 1.0
"""Seconds between two looks at jobs that other processes have claimed."""

Do = Callable[[Job, Path, Callable[[float], None]], Mapping[str, Any]]
"""Does a job: job, folder to make and a report of progress, 0 to 1, in; values of JSON out.

A `JobError` fails the job, everything else ends the process.
"""


@dataclass(frozen=True)
class JobEvent:
    """News of a job.

    Attributes:
        name: Name of the job.
        progress: How much of it is done, 0 to 1.
        record: How it ended; None while it runs.
        is_new: Whether this process ended it, not an earlier one or another.
    """

    name: str
    progress: float
    record: Record | None = None
    is_new: bool = True


def work_through(
    folder: JobFolder,
    jobs: Sequence[Job],
    make: Callable[[], Do],
    tell: Callable[[JobEvent], None],
    since: float,
) -> None:
    """Do what is to be done of jobs, until all of them are done or have failed.

    Jobs that others have claimed are waited for: if such a process dies, its job is done here. A
    job is not done again if its output is there, of the same source by the same settings; one that
    is out of date is replaced when the new one is complete.

    Args:
        folder: Where outputs go.
        jobs: The jobs of this process; other processes may have the same.
        make: Makes what does the jobs, when the first is to be done.
        tell: Called with what happens. Each job ends once.
        since: Seconds since 1970. Jobs that failed later are not tried again.

    Raises:
        NoLocksError: If the file system has no locks.
        OSError: If the folder cannot be written to.
        ValueError: If a record is damaged.
    """
    worker = _Worker(folder, make, tell, since)
    left = list(jobs)
    while left:
        taken = [job for job in left if not worker.end(job)]
        if len(taken) == len(left):
            time.sleep(POLL_S)
        left = taken


class _Worker:
    def __init__(
        self,
        folder: JobFolder,
        make: Callable[[], Do],
        tell: Callable[[JobEvent], None],
        since: float,
    ) -> None:
        self._folder, self._make, self._tell, self._since = folder, make, tell, since
        self._do: Do | None = None

    def end(self, job: Job) -> bool:
        """Do a job if need be; False if another process has it."""
        with self._folder.claim(job) as is_mine:
            if not is_mine:
                return False
            last = self._folder.read(job)
            if last is not None and (
                self._folder.holds(job, last) or self._has_just_failed(job, last)
            ):
                self._tell(JobEvent(job.name, 1.0, last, is_new=False))
                return True
            self._do = self._do or self._make()
            record = self._attempt(job, last, self._do)
            self._folder.write(job, record)
            self._folder.write_manifest()
        self._tell(JobEvent(job.name, 1.0, record))
        return True

    def _has_just_failed(self, job: Job, last: Record) -> bool:
        is_late = last.ended is not None and last.ended >= self._since
        return last.state == "failed" and last.is_of(job) and is_late

    def _attempt(self, job: Job, last: Record | None, do: Do) -> Record:
        output, running = self._folder.output(job), begin(job, last)
        owns_output = last is not None and last.owns_output
        if output.exists() and not owns_output:
            return running.as_failed(
                f"{output} exists and was not made by this command; remove it, or write elsewhere",
                owns_output,
            )
        if running.deaths >= MAX_DEATHS:
            return running.as_failed(
                f"{running.deaths} processes died while they did it, as when memory is short",
                owns_output,
            )
        self._folder.write(job, running)
        self._folder.write_manifest()
        self._tell(JobEvent(job.name, 0.0))
        try:
            with atomic_folder(output, replaces=True) as draft:
                result = do(job, draft, lambda progress: self._tell(JobEvent(job.name, progress)))
        except JobError as error:
            return running.as_failed(str(error), output.exists())
        except BaseException:
            # An interrupt is no death: the job is as it was before.
            self._folder.write(job, last)
            self._folder.write_manifest()
            raise
        return running.as_done(result)
