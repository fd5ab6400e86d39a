"""What an examination finds: one thing, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Level(str, Enum):
    """How bad a finding is: as it should be, worth knowing, or in the way."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        level: How bad it is.
        subject: What it is about in a word or two, for example "files" or "camera cam_front".
        text: What was found, one line.
        remedy: What to do, one line; "" where nothing need be done.

    Raises:
        ValueError: If a note or a problem does not say what to do.
    """

    level: Level
    subject: str
    text: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.level is not Level.OK and not self.remedy:
            raise ValueError(f"a finding must say what to do, got {self.text!r} without")

    def format_line(self) -> str:
        """One line for people, two with a remedy."""
        line = f"{self.level.value:7}  {self.subject}: {self.text}"
        return f"{line}\n{'':9}-> {self.remedy}" if self.remedy else line


def ok(subject: str, text: str) -> Finding:
    """Something that is as it should be."""
    return Finding(Level.OK, subject, text)


def note(subject: str, text: str, remedy: str) -> Finding:
    """Something worth knowing."""
    return Finding(Level.NOTE, subject, text, remedy)


def problem(subject: str, text: str, remedy: str) -> Finding:
    """Something that stands in the way."""
    return Finding(Level.PROBLEM, subject, text, remedy)


def problems_of(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that stand in the way."""
    return tuple(finding for finding in findings if finding.level is Level.PROBLEM)


def some(names: Iterable[object], shown: int = 3) -> str:
    """Name the first few of many."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - shown} more" if len(listed) > shown else ""
    return ", ".join(listed[:shown]) + more
