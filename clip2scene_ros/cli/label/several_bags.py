"""Several bags through `segment`: a job each, in one process or many, on one machine or many."""

from __future__ import annotations

import argparse
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from clip2scene_ros.cli.jobs import (
    do_jobs,
    naming_failures,
    settings_of,
    source_state,
    stated_files,
    throttled,
)
from clip2scene_ros.cli.label.params_file import read_params_file
from clip2scene_ros.cli.label.sync_arguments import with_option_names
from clip2scene_ros.cli.recordings import find_recordings, name_of

if TYPE_CHECKING:
    from clip2scene_core.jobs.record import Job
    from clip2scene_core.jobs.work import Do
    from clip2scene_ros.bags.segment import ReplaySummary

_APART: Final = frozenset(
    (
        "command", "run", "debug", "bags", "out", "processes", "ray", "share", "threads", "device",
        "view", "rrd", "columns",
    )
)  # fmt: skip
"""Arguments that do not decide how the points of a bag are labelled."""


class _Labeller(Protocol):
    """What `segment.BagLabeller` does."""

    def load(self) -> object:
        """Load what labels, once."""

    def label(self, bag: Path, out: Path, progress: Callable[[int, int], None]) -> ReplaySummary:
        """Label a bag."""

    def notes_of(self, summary: ReplaySummary) -> list[str]:
        """What is odd about it."""


def is_for_several(arguments: argparse.Namespace) -> bool:
    """Whether the arguments of `segment` ask for a folder of labelled bags, and not for one bag.

    A folder whose only recording is one bare file is that recording.
    """
    asked = (arguments.processes, arguments.ray, arguments.share)
    if any(one is not None for one in asked) or len(arguments.bags) > 1:
        return True
    (path,) = arguments.bags
    found = find_recordings(path)
    return len(found) > 1 or any(bag.is_dir() and bag != path for bag in found)


def segment_several(arguments: argparse.Namespace, make: Callable[[], _Labeller]) -> None:
    """Label bags into a folder, each as `<out>/<name of the bag>/`.

    Args:
        arguments: Of `segment`.
        make: Makes what labels a bag; it is pickled for other processes.

    Raises:
        ValueError: If the arguments do not fit several bags, or a bag could not be labelled.
    """
    from clip2scene_core.jobs.folder import JobFolder
    from clip2scene_core.jobs.record import Job

    num_processes = 1 if arguments.processes is None else arguments.processes
    if num_processes < 1:
        raise ValueError(f"--processes must be 1 or more, got {num_processes}")
    if arguments.view or arguments.rrd is not None:
        raise ValueError("--view and --rrd show one bag; 'clip2scene view' shows a labelled one")
    settings = settings_of(arguments, _APART)
    if arguments.params_file is not None:
        values = read_params_file(arguments.params_file)
        named = {field.name: getattr(values, field.name) for field in fields(values)}
        settings["files of params_file"] = stated_files(named)
    jobs = tuple(
        Job(name, bag.resolve(), source_state(bag), settings)
        for name, bag in _named_bags(arguments).items()
    )
    cluster = None
    if arguments.ray is not None:
        from clip2scene_core.jobs.ray_cluster import RayCluster

        arguments.threads = arguments.threads or 1
        on_gpu = arguments.device.startswith("cuda")
        cluster = RayCluster(arguments.ray, arguments.threads, int(on_gpu))
    elif num_processes > 1 and not arguments.threads:
        arguments.threads = max(1, (os.cpu_count() or 1) // 2 // num_processes)
    said = do_jobs(
        JobFolder(arguments.out, jobs),
        arguments.share,
        num_processes,
        partial(_make_do, make, arguments),
        cluster,
    )
    print(said)


def _make_do(make: Callable[[], _Labeller], arguments: argparse.Namespace) -> Do:
    """Make what does a job, in the process that does it."""
    from clip2scene_core.allocator import keep_freed_memory

    keep_freed_memory()
    if arguments.debug:
        logging.basicConfig(level=logging.DEBUG)
    labeller = make()
    labeller.load()  # weights that cannot be used are not the fault of any bag

    def do(job: Job, draft: Path, tell: Callable[[float], None]) -> Mapping[str, Any]:
        with naming_failures(job):
            summary = labeller.label(job.source, draft, throttled(tell))
        return {
            "clouds": summary.num_clouds,
            "labelled": summary.num_labelled,
            "points": summary.num_points,
            "seconds": round(summary.seconds, 1),
            "left_out": {
                kind: f"{count} x {with_option_names(summary.reasons[kind], vars(arguments))}"
                for kind, count in summary.rejections.items()
            },
            "notes": labeller.notes_of(summary),
        }

    return do


def _named_bags(arguments: argparse.Namespace) -> dict[str, Path]:
    """The bags by the names of their outputs.

    Raises:
        ValueError: If there is none, two have one name, or an output would be where its input is.
    """
    bags: defaultdict[str, list[Path]] = defaultdict(list)
    for path in arguments.bags:
        found = find_recordings(path)
        if not found:
            raise ValueError(f"{path} is no recording (.mcap, .db3, .bag), nor a folder of some")
        for bag in found:
            bags[name_of(bag)].append(bag)
    for name, alike in bags.items():
        if len(alike) > 1:
            raise ValueError(
                f"{alike[0]} and {alike[1]} would both be {arguments.out / name}; rename one, or "
                f"label them with two --out"
            )
        if alike[0].parent.resolve() == arguments.out.resolve():
            raise ValueError(f"--out {arguments.out} holds the bags themselves; name another")
    return {name: bag for name, (bag,) in bags.items()}
