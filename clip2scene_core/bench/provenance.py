"""How a result was computed: command, date, machine, commit, and the digests of its files."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from clip2scene_core import __version__
from clip2scene_core.labels import NUSCENES_CLASSES


@dataclass(frozen=True)
class StageTime:
    """How long one stage took.

    Attributes:
        name: Name of the stage.
        seconds: Duration in seconds.
        commit: Commit of the code that computed it.
    """

    name: str
    seconds: float
    commit: str


@dataclass(frozen=True)
class Provenance:
    """How a result was computed.

    Attributes:
        command: Command line that computes it again, without the folders of this machine.
        date: End of the run, ISO 8601, UTC.
        machine: Processor, number of cores, versions of Python and torch.
        is_quick: True for a tiny run, whose numbers mean nothing.
        classes: Names of the 16 classes.
        stages: Duration and commit of each stage, in the order of the run.
    """

    command: str
    date: str
    machine: str
    is_quick: bool
    classes: tuple[str, ...]
    stages: tuple[StageTime, ...]

    def commits(self) -> str:
        """List the commits of all stages, sorted."""
        return ", ".join(sorted({stage.commit for stage in self.stages}))

    def total_seconds(self) -> float:
        """Add up the durations of all stages, in seconds."""
        return sum(stage.seconds for stage in self.stages)

    def format_lines(self) -> list[str]:
        """Write command, commits, date and machine as items of a Markdown list."""
        return [
            f"- command: `{self.command}`",
            f"- commit: {self.commits()}; finished: {self.date}; machine: {self.machine}",
        ]


def describe_run(command: str, is_quick: bool, stages: Iterable[StageTime]) -> dict[str, Any]:
    """Give the fields of a `Provenance` for a run that ends now on this machine."""
    return {
        "command": command,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "is_quick": is_quick,
        "classes": tuple(one.name for one in NUSCENES_CLASSES),
        "stages": tuple(StageTime(stage.name, stage.seconds, stage.commit) for stage in stages),
    }


def current_commit() -> str:
    """Give the commit of this code, with "-dirty" if files differ from it.

    Outside of a checkout it is the version.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return f"version {__version__}"
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        answer = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return f"version {__version__}"
    return answer.stdout.strip()


def describe_machine() -> str:
    """Name the processor, the number of cores, and the versions of Python and torch."""
    return (
        f"{_processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"torch {torch.__version__}"
    )


def digest_of(path: Path) -> str:
    """SHA-256 of a file as hexadecimal text."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
