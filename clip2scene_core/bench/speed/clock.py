"""Time calls side by side: every input goes to every variant, in turns that rotate."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

_Input = TypeVar("_Input")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Quartiles:
    """A quarter of the values lies below `low`, half below `median`, three quarters below `high`.

    Attributes:
        low: First quartile.
        median: Median.
        high: Third quartile.
    """

    low: float
    median: float
    high: float

    def format(self, digits: int = 1) -> str:
        """Write the median, and the quartiles in brackets."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"


@dataclass(frozen=True)
class Duration:
    """How long one call took.

    Attributes:
        wall_ms: By the clock, milliseconds.
        cpu_ms: Of all threads of this process, milliseconds. Other programs on the machine lengthen
            it far less.
    """

    wall_ms: float
    cpu_ms: float


def quartiles_of(values: Sequence[float]) -> Quartiles:
    """Give the quartiles of one value or more, interpolated."""
    return Quartiles(*(float(value) for value in np.percentile(values, (25, 50, 75))))


def paired_ratios(values: Sequence[float], others: Sequence[float]) -> Quartiles:
    """Give the quartiles of value by other value of the same input."""
    return quartiles_of([one / max(other, 1e-9) for one, other in zip(values, others, strict=True)])


def measure(work: Callable[[], object]) -> Duration:
    """Call once and time it."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Duration(1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu))


def interleave(
    variants: Mapping[str, Callable[[_Input], _Answer]], inputs: Sequence[_Input], warm_up: int
) -> dict[str, list[_Answer]]:
    """Give each input to each variant before the next input comes.

    What else the machine does meanwhile strikes all variants alike. The first of an input is the
    next one each time, since it finds other data in the caches than the others.

    Args:
        variants: What is compared, by name.
        inputs: All different.
        warm_up: Answers to the first inputs are dropped.

    Returns:
        Answers of each variant in the order of the inputs.
    """
    names = list(variants)
    answers: dict[str, list[_Answer]] = {name: [] for name in names}
    for number, one in enumerate(inputs):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            answer = variants[name](one)
            if number >= warm_up:
                answers[name].append(answer)
    return answers
