"""Commands that do a job a recording: shares, progress, what makes a job another, and the end."""

from __future__ import annotations

import argparse
import hashlib
import logging
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tqdm import tqdm

from clip2scene_core import __version__
from clip2scene_ros.cli.errors import describe

if TYPE_CHECKING:
    from clip2scene_core.jobs.folder import JobFolder
    from clip2scene_core.jobs.ray_cluster import RayCluster
    from clip2scene_core.jobs.record import Job
    from clip2scene_core.jobs.work import Do, JobEvent

_BLOCK_BYTES: Final = 1 << 24
_CAMERA_IN_URL: Final = re.compile(r"\$?\{\w+\}")
_NUM_NAMED: Final = 3
_LEAST_PROGRESS: Final = 0.01

_LOGGER: Final = logging.getLogger(__name__)


def add_share_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --share."""
    parser.add_argument(
        "--share",
        type=share,
        metavar="I/N",
        help="do share I of N, counted from 0, where N processes run this command, such as "
        "--share $SLURM_ARRAY_TASK_ID/16; without it processes take what is free",
    )


def share(text: str) -> tuple[int, int]:
    """Read what is typed after --share.

    Raises:
        ArgumentTypeError: If it is no share.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"must be I/N, such as 0/16, got '{text}'")
    part, parts = int(match[1]), int(match[2])
    if not part < parts:
        raise argparse.ArgumentTypeError(
            f"must be from 0/{parts} to {parts - 1}/{parts}, got '{text}'; shares count from 0"
        )
    return part, parts


def do_jobs(
    folder: JobFolder,
    part: tuple[int, int] | None,
    num_processes: int,
    make: Callable[[], Do],
    cluster: RayCluster | None = None,
) -> str:
    """Do jobs, or a share of them, with progress; failures are told as they happen.

    Args:
        folder: With all jobs.
        part: Of `add_share_argument`.
        num_processes: On this machine, or on the cluster; with 1 on this machine this process does
            the work.
        make: See `work_through`; it is pickled for other processes.
        cluster: Whose processes do the work; None: those of this machine.

    Returns:
        How many are done, one line.

    Raises:
        ValueError: If jobs failed, or no job can be done.
        OSError: See `work_through`.
    """
    from clip2scene_core.jobs.processes import work_in_processes
    from clip2scene_core.jobs.work import work_through

    since = time.time()
    folder.make()
    index, parts = part or (0, 1)
    jobs = folder.jobs[index::parts]
    with tqdm(
        desc="recordings",
        total=len(jobs),
        bar_format="{desc}: {n:.1f} of {total} [{elapsed}<{remaining}]",
    ) as bar:
        progress = _Progress(bar)
        count = min(num_processes, len(jobs))
        if cluster is not None:
            from clip2scene_core.jobs.ray_cluster import work_on_ray

            work_on_ray(cluster, count, folder, jobs, make, progress.show, since)
        elif count > 1:
            work_in_processes(count, folder, jobs, make, progress.show, since)
        else:
            work_through(folder, jobs, make, progress.show, since)
    records = {job.name: folder.read(job) for job in jobs}
    failed = {name: one.reason for name, one in records.items() if one and one.state != "done"}
    num_others = len(folder.jobs) - len(jobs)
    said = (
        f"{len(jobs) - len(failed)} of {len(jobs)} recordings are done, {progress.num_new} of them "
        f"now{f'; {num_others} are in other shares' if num_others else ''}: {folder.manifest}"
    )
    if not failed:
        return said
    named = "; ".join(f"{name}: {failed[name]}" for name in list(failed)[:_NUM_NAMED])
    more = f"; and {len(failed) - _NUM_NAMED} more" if len(failed) > _NUM_NAMED else ""
    if len(jobs) == 1:
        raise ValueError(failed[jobs[0].name])
    raise ValueError(
        f"{said}; {len(failed)} failed, and the same command tries them again: {named}{more}"
    )


@contextmanager
def naming_failures(job: Job) -> Iterator[None]:
    """Fail a job by what is raised, whatever it is: its recording stops no other.

    Raises:
        JobError: In its place; `--debug` shows where it came from.
    """
    from clip2scene_core.jobs.record import JobError

    try:
        yield
    except Exception as error:
        _LOGGER.debug("%s", job.source, exc_info=True)
        raise JobError(describe(error).removeprefix("error: ")) from error


def throttled(tell: Callable[[float], None]) -> Callable[[int, int], None]:
    """Tell of progress in steps of a percent; it may begin again."""
    told = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal told
        share = done / max(1, total)
        if not told <= share < told + _LEAST_PROGRESS:
            told = share
            tell(share)

    return progress


class _Progress:
    """Shows what happens on a bar that counts jobs, and parts of those that run."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._running: dict[str, float] = {}
        self._ended: set[str] = set()
        self.num_new = 0

    def show(self, event: JobEvent) -> None:
        """Show news of a job; its end counts once, whoever tells it."""
        if event.record is None:
            self._running[event.name] = event.progress
        elif event.name not in self._ended or event.is_new:
            self._ended.add(event.name)
            self._running.pop(event.name, None)
            if event.is_new:
                self.num_new += event.record.state == "done"
                why = f": {event.record.reason}" if event.record.reason else ""
                self._bar.write(f"{event.name}: {event.record.state}{why}", sys.stderr)
        shown = len(self._ended) + sum(self._running.values())
        self._bar.update(min(self._bar.total, shown) - self._bar.n)


def settings_of(arguments: argparse.Namespace, apart: Collection[str]) -> dict[str, Any]:
    """Name all that decides a result: arguments, and the content of files that they name.

    Args:
        arguments: Of the command.
        apart: Arguments that do not decide it.

    Returns:
        Values of JSON.

    Raises:
        OSError: If a file cannot be read.
    """
    from clip2scene_core.checkpoint import SHIPPED

    settings: dict[str, Any] = {}
    for name, value in vars(arguments).items():
        if name in apart:
            continue
        if isinstance(value, str) and value in SHIPPED:
            settings[name] = f"{value} of clip2scene {__version__}"
        else:
            settings[name] = _stated(value)
    return settings


def source_state(source: Path) -> str:
    """Tell a recording from a changed one: by names, sizes and times of its files."""
    stats = [(file.name, file.stat()) for file in files_of(source)]
    states = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(repr(states).encode()).hexdigest()[:16]


def files_of(source: Path) -> Sequence[Path]:
    """The files of a recording: itself, or what lies in its folder."""
    return [source] if source.is_file() else sorted(source.iterdir())


def stated_files(values: Mapping[str, Any]) -> dict[str, str]:
    """Name the content of the files among values, such as those of a parameter file."""
    stated = {name: _stated(value) for name, value in values.items() if isinstance(value, str)}
    return {name: value for name, value in stated.items() if value != values[name]}


def _stated(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [str(one) if isinstance(one, Path) else one for one in value]
    if not isinstance(value, (str, Path)):
        return value
    text = str(value)
    # A CLIP is ARCHITECTURE:FILE, calibration file:///PATH with {camera} in it.
    for named in (text, text.partition(":")[2], text.partition("://")[2]):
        files = _files(named)
        if files:
            return " ".join(f"sha256:{_digest(file)}" for file in files)
    return text


def _files(text: str) -> Sequence[Path]:
    path = Path(text)
    if not text or path.is_file():
        return [path] if text else []
    pattern = _CAMERA_IN_URL.sub("*", path.name)
    if pattern == path.name or not path.parent.is_dir():
        return []
    return sorted(file for file in path.parent.glob(pattern) if file.is_file())


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()[:16]
