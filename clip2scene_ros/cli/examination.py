"""Recordings examined for a command: `doctor`, or `pretrain` before it begins."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from clip2scene_ros.cli.recordings import find_recordings, recording_options, track_of

if TYPE_CHECKING:
    from clip2scene_core.doctor.finding import Finding
    from clip2scene_ros.bags.doctor.recording import RecordingExamination

NUM_KEYFRAMES = 24
"""Keyframes that are looked at whole."""


def add_doctor_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --no-doctor."""
    parser.add_argument(
        "--no-doctor",
        action="store_true",
        help="do not examine recordings first, see 'clip2scene doctor'; or go on in spite of it",
    )


def examine_recording(
    arguments: argparse.Namespace,
    bag: Path,
    num_keyframes: int = NUM_KEYFRAMES,
    teacher: str | None = None,
    cache: Path = Path("."),
    device: str = "cpu",
) -> RecordingExamination:
    """Examine one recording, with progress.

    Args:
        arguments: Those of `add_recording_arguments`.
        bag: The recording.
        num_keyframes: How many keyframes are looked at whole.
        teacher: See `RecordingExamination.run`.
        cache: See there.
        device: See there.

    Raises:
        ValueError: If an argument or the teacher cannot be used.
    """
    from clip2scene_ros.bags.doctor.recording import RecordingExamination, unreadable
    from clip2scene_ros.bags.io import BagError

    with tqdm(desc="examined", unit="message") as bar:
        progress = showing(bar)
        try:
            options = recording_options(arguments, bag)
            track = track_of(arguments, bag, options, progress)
        except BagError as error:
            examination = RecordingExamination(bag)
            examination.findings.append(unreadable(error))
            return examination
        examination = RecordingExamination(bag, options, track, num_keyframes)
        examination.run(teacher, cache, device, progress)
    return examination


def examine_first(arguments: argparse.Namespace) -> None:
    """Examine the recordings of a training before they are read; data sets are left out.

    Notes and problems go to stderr. A picture of the first recording's projection is left beside
    the checkpoint.

    Args:
        arguments: Those of `add_recording_arguments` and `add_doctor_argument`, with a list of data
            sets and the checkpoint.

    Raises:
        ValueError: If there is a problem.
    """
    from clip2scene_core.doctor.finding import Level, problems_of

    if arguments.no_doctor or not _is_first_process(arguments):
        return
    bags = [bag for path in arguments.dataset for bag in find_recordings(path)]
    num_problems = 0
    for number, bag in enumerate(bags):
        examination = examine_recording(arguments, bag)
        worth_saying = [one for one in examination.findings if one.level is not Level.OK]
        print(f"{bag}: examined, {len(worth_saying)} things to note", file=sys.stderr)
        print_findings(worth_saying, sys.stderr)
        num_problems += len(problems_of(worth_saying))
        if number == 0 and arguments.out is not None:
            path = arguments.out.with_suffix(".projection.jpg")
            if examination.keyframes.save_picture(path):
                print(f"picture of the projection: {path}", file=sys.stderr)
    if num_problems:
        raise ValueError(
            f"the recordings have {num_problems} problems, which stand above with what to do; "
            f"--no-doctor trains in spite of them"
        )


def _is_first_process(arguments: argparse.Namespace) -> bool:
    """Whether this is the first of the processes that were, or will be, started for a training."""
    if arguments.share is not None and arguments.share[0] != 0:
        return False
    if arguments.processes * arguments.nodes == 1:
        return True
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))


def was_launched() -> bool:
    """Whether torchrun or SLURM has started this process, and others beside it."""
    return "RANK" in os.environ or int(os.environ.get("SLURM_NTASKS", "1")) > 1


def print_findings(findings: Iterable[Finding], file: Any = None) -> None:
    """Print findings for people, a line each, two with a remedy."""
    for finding in findings:
        lines = finding.format_line().splitlines()
        print(
            "\n".join("".join(c if c.isprintable() else " " for c in x) for x in lines), file=file
        )


def showing(bar: Any) -> Any:
    """Make the callback that shows a progress on a bar, which may begin again."""

    def progress(done: int, total: int) -> None:
        if done < bar.n:
            bar.reset(total)
        bar.total = total
        bar.update(done - bar.n)

    return progress
