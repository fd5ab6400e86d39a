"""Jobs that write what they are told, fail, or kill their process; for tests that spawn."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

from clip2scene_core.jobs.record import Job, JobError


def make_jobs(root: Path, names: str, **settings) -> tuple[Job, ...]:
    """A job for each letter, whose source is a file with that letter."""
    jobs = []
    for name in names:
        source = root / f"{name}.txt"
        if not source.exists():
            source.write_text(name)
        jobs.append(Job(name, source, source.read_text(), settings))
    return tuple(jobs)


def copy_source(job, draft, tell):
    draft.mkdir()
    (draft / "copy.txt").write_text(job.source.read_text())
    tell(0.5)
    return {"letters": len(job.source.read_text())}


def make_copying():
    return copy_source


def fail_at(names, job, draft, tell):
    if job.name in names:
        draft.mkdir()
        (draft / "half.txt").write_text("half")
        raise JobError(f"{job.name} cannot be read")
    return copy_source(job, draft, tell)


def make_failing(names):
    return partial(fail_at, names)


def die_at(name, tombs, times, job, draft, tell):
    """Kill this process at a job, as often as said; each death leaves a file."""
    if job.name == name and len(list(tombs.iterdir())) < times:
        (tombs / str(os.getpid())).touch()
        draft.mkdir()
        os.kill(os.getpid(), signal.SIGKILL)
    return copy_source(job, draft, tell)


def make_dying(name, tombs, times):
    return partial(die_at, name, tombs, times)


def make_nothing():
    raise ValueError("the weights are damaged")
