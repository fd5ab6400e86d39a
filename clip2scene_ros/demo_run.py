"""What the demo is asked to do, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PromptChange:
    """New words on the way.

    Attributes:
        after_s: Seconds after the first sweep.
        prompts: The new words.
    """

    after_s: float
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class DemoRun:
    """How fast it went.

    Attributes:
        num_labelled: Sweeps that came back labelled.
        sweeps_per_second: Over wall time from the first to the last message.
        latency_median_ms: From handing a cloud over to having its labels.
        latency_p95_ms: The same, 95th percentile.
    """

    num_labelled: int
    sweeps_per_second: float
    latency_median_ms: float
    latency_p95_ms: float
