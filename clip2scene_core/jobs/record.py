"""What a job is, and what its record says of it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

MAX_DEATHS: Final = 2
"""A job is given up when so many processes died while they did it."""


class JobError(ValueError):
    """A job that failed; the message is one line. Other jobs go on."""


@dataclass(frozen=True)
class Job:
    """A piece of work that makes one folder.

    Attributes:
        name: Name of the folder that it makes.
        source: What the work is done on: a file or a folder.
        source_state: Tells the source from a changed one.
        settings: Everything else that decides the result, as values of JSON: lists, no tuples.
    """

    name: str
    source: Path
    source_state: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """What happened to a job last.

    Attributes:
        state: Of the job. It was "running" when its process died, if nobody has its claim.
        source: Path of the source.
        source_state: See `Job`.
        settings: See `Job`.
        host: Machine of the process.
        pid: Number of the process.
        began: Seconds since 1970.
        ended: Seconds since 1970; None while it runs.
        deaths: Processes that died in a row while they did it.
        owns_output: Whether a folder of its name was made by these jobs, and not by somebody else.
        reason: Why it failed, one line; "" otherwise.
        result: What the work said of itself, as values of JSON.
    """

    state: Literal["running", "done", "failed"]
    source: str
    source_state: str
    settings: Mapping[str, Any]
    host: str
    pid: int
    began: float
    ended: float | None = None
    deaths: int = 0
    owns_output: bool = True
    reason: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)

    def is_of(self, job: Job) -> bool:
        """Whether it is of this job: the same source, unchanged, with the same settings."""
        return self.source_state == job.source_state and self.settings == job.settings

    def as_failed(self, reason: str, owns_output: bool) -> Record:
        """This job, failed now."""
        return replace(
            self, state="failed", ended=time.time(), reason=reason, owns_output=owns_output
        )

    def as_done(self, result: Mapping[str, Any]) -> Record:
        """This job, done now."""
        return replace(self, state="done", ended=time.time(), deaths=0, result=result)

    def to_json(self) -> dict[str, Any]:
        """The record as values of JSON."""
        return asdict(self)


def begin(job: Job, last: Record | None) -> Record:
    """Make the record of a job that this process has claimed.

    Args:
        job: What is about to be done.
        last: Its record so far.
    """
    has_died = last is not None and last.state == "running" and last.is_of(job)
    return Record(
        "running",
        str(job.source),
        job.source_state,
        job.settings,
        socket.gethostname(),
        os.getpid(),
        time.time(),
        deaths=last.deaths + 1 if last is not None and has_died else 0,
    )


def digest(settings: Mapping[str, Any]) -> str:
    """Name settings by their content, 12 hexadecimal digits."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
