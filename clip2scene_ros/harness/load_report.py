"""The outcome of a load: lost messages, age of the labels, memory and processor time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MEBI = float(1 << 20)


@dataclass(frozen=True)
class Traffic:
    """Messages on one topic.

    Attributes:
        sent: Messages that were published.
        received: Messages that the node reports as received.
        hz: Messages per second that were sent.
    """

    sent: int
    received: int
    hz: float


@dataclass(frozen=True)
class LoadRun:
    """The outcome of one load.

    Attributes:
        seconds: Time in which messages were sent.
        traffic: Messages by topic; the topic of the clouds is the first.
        labelled: Sweeps that the node reports as labelled.
        dropped: Sweeps that the node reports as dropped, by reason.
        answered: Labelled clouds that came back.
        ages_ms: Milliseconds from publishing a cloud to receiving its labels, for each answer.
        reported_ages_ms: Age of the labels at publication, from ~/debug/pipeline_latency_ms.
        memory: (seconds since the start, resident bytes of the node).
        cpu_s: Processor time of the node in `seconds`.
        voxels: Voxels of the node's map in the end.
    """

    seconds: float
    traffic: Mapping[str, Traffic]
    labelled: int
    dropped: Mapping[str, int]
    answered: int
    ages_ms: Sequence[float]
    reported_ages_ms: Sequence[float]
    memory: Sequence[tuple[float, int]]
    cpu_s: float
    voxels: int

    def losses(self) -> list[str]:
        """List what is missing, a line each; [] if every message is accounted for."""
        lines = [
            f"{topic}: {traffic.sent} sent, {traffic.received} received"
            for topic, traffic in self.traffic.items()
            if traffic.sent != traffic.received
        ]
        received = self.clouds.received
        accounted = self.labelled + sum(self.dropped.values())
        if accounted != received:
            lines.append(
                f"{received} clouds received, but {self.labelled} labelled and "
                f"{accounted - self.labelled} dropped"
            )
        return lines

    @property
    def clouds(self) -> Traffic:
        """Messages on the topic of the clouds."""
        return next(iter(self.traffic.values()))

    def growth_mb_per_min(self) -> float:
        """Slope of the node's memory in the second half, in MiB per minute, by least squares."""
        samples = [sample for sample in self.memory if sample[0] >= self.seconds / 2]
        if len(samples) < 2:
            return float("nan")
        times_s, sizes = np.array(samples, dtype=np.float64).T
        return float(np.polyfit(times_s / 60, sizes / MEBI, 1)[0])

    def lines(self) -> list[str]:
        """Write the outcome for people, line by line."""
        lines = [f"{'topic':38}{'sent':>8}{'received':>10}{'a second':>10}"]
        for topic, traffic in self.traffic.items():
            lines.append(f"{topic:38}{traffic.sent:8}{traffic.received:10}{traffic.hz:10.1f}")
        reasons = ", ".join(f"{count} {why}" for why, count in self.dropped.items() if count)
        lines += [
            f"sweeps: {self.labelled} labelled, {sum(self.dropped.values())} dropped on purpose"
            f"{f' ({reasons})' if reasons else ''}, {self.answered} came back; "
            f"{self.labelled / self.seconds:.1f} a second",
            f"sending to receiving labels: {_spread(self.ages_ms)} ms",
            f"age of the labels as the node reports it: {_spread(self.reported_ages_ms)} ms",
            f"node: {100 * self.cpu_s / self.seconds:.0f} % of a processor, {self.voxels} voxels; "
            f"{self._memory()}",
        ]
        return lines

    def _memory(self) -> str:
        if not self.memory:
            return "memory not measured"
        sizes = [size / MEBI for _, size in self.memory]
        half = [size for at_s, size in self.memory if at_s >= self.seconds / 2]
        middle = half[0] / MEBI if half else sizes[-1]
        return (
            f"memory {sizes[0]:.0f} MiB at the start, {middle:.0f} half-way, {sizes[-1]:.0f} at "
            f"the end, {self.growth_mb_per_min():+.2f} MiB a minute over the second half"
        )


def _spread(values_ms: Sequence[float]) -> str:
    if not values_ms:
        return "no"
    median, p95 = np.percentile(values_ms, [50, 95])
    return f"{median:.0f} (95 %: {p95:.0f}, longest {max(values_ms):.0f})"
