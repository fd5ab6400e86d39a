"""Counts of what happened to the sweeps, since the start and over the last ten seconds."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_ros.node.outputs.timing import SweepTiming
from clip2scene_ros.sync.sweeps import Rejection, RejectionKind

if TYPE_CHECKING:
    from clip2scene_core.inference.labelled_cloud import LabelledCloud
    from clip2scene_ros.labelling import SensorFacts

WINDOW_S: Final = 10.0
"""Period of rates, ratios and times: long enough for several sweeps of a slow segmenter."""

_RECENT_S: Final = 2.0
_MAX_EVENTS: Final = 5000


@dataclass(frozen=True)
class LabelledFacts:
    """Times and counts of one labelled sweep.

    Attributes:
        timing: Times of the stages.
        num_points: Number of points.
        num_not_finite: Points with a coordinate that is NaN or infinite.
        num_unlabelled: Points without a label, for any reason.
        cameras: Names of the cameras whose views were used.
        sensor: How the LiDAR sits, and what is odd about the sweep.
    """

    timing: SweepTiming
    num_points: int
    num_not_finite: int
    num_unlabelled: int
    cameras: tuple[str, ...]
    sensor: SensorFacts


@dataclass(frozen=True)
class Recent:
    """What happened to the sweeps within the last seconds.

    Attributes:
        seconds: Length of the period; less than WINDOW_S soon after the start.
        labelled: Labelled sweeps, oldest first.
        rejected: Number of rejections by kind.
        num_unwatched: Sweeps that were not labelled because no topic had subscribers.
    """

    seconds: float
    labelled: tuple[LabelledFacts, ...]
    rejected: Counter[RejectionKind]
    num_unwatched: int


@dataclass(frozen=True)
class _Reason:
    text: str
    at_s: float


class SweepRecord:
    """Counts what happened to the sweeps; the worker writes it, the diagnostics read it.

    Attributes:
        num_labelled: Sweeps that were labelled.
        num_failed: Sweeps that ended in an exception.
        num_failed_in_a_row: Exceptions since the last labelled sweep.
        has_given_up: The worker labels nothing more.
        is_paused: The worker is paused by ~/set_enabled.
        num_maps: Maps that were published.
        num_voxels: Voxels of the last map.
        map_ms: Milliseconds that the last map took.
        last_labelled_s: Time of the last labelled sweep or of the start, in seconds by a steady
            clock.
        last_located_s: The same of the last labelled sweep that had a pose.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begin_s = time.monotonic()
        self._events: deque[tuple[float, LabelledFacts | RejectionKind | None]] = deque(
            maxlen=_MAX_EVENTS
        )
        self._rejected: Counter[tuple[RejectionKind, str]] = Counter()
        self._reasons: dict[tuple[RejectionKind, str], _Reason] = {}
        self._failure: _Reason | None = None
        self.num_labelled = 0
        self.num_failed = 0
        self.num_failed_in_a_row = 0
        self.has_given_up = False
        self.is_paused = False
        self.num_maps = 0
        self.num_voxels = 0
        self.map_ms = 0.0
        self.last_labelled_s = self._begin_s
        self.last_located_s = self._begin_s
        self._last_used_s: dict[str, float] = {}  # by camera

    def add_labelled(
        self,
        cloud: LabelledCloud,
        cameras: Iterable[str],
        timing: SweepTiming,
        sensor: SensorFacts,
        is_located: bool = True,
    ) -> None:
        """Count a labelled sweep that was published.

        Args:
            cloud: N labelled points.
            cameras: Names of the cameras whose views were used.
            timing: Times of the stages.
            sensor: What the sweep says of its sensor.
            is_located: The sweep had a pose.
        """
        facts = LabelledFacts(
            timing,
            len(cloud.points),
            int((~np.isfinite(cloud.points[:, :3]).all(axis=1)).sum()),
            int((cloud.labels == IGNORE_LABEL).sum()),
            tuple(cameras),
            sensor,
        )
        with self._lock:
            self.num_labelled += 1
            self.num_failed_in_a_row = 0
            self.last_labelled_s = time.monotonic()
            if is_located:
                self.last_located_s = self.last_labelled_s
            self._last_used_s |= dict.fromkeys(facts.cameras, self.last_labelled_s)
            self._failure = None
            self._events.append((self.last_labelled_s, facts))

    def add_unwatched(self) -> None:
        """Count a sweep that was not labelled because no topic had subscribers."""
        with self._lock:
            self._events.append((time.monotonic(), None))

    def add_map(self, num_voxels: int, seconds: float) -> None:
        """Count a published map.

        Args:
            num_voxels: Number of its voxels.
            seconds: Time that it took.
        """
        with self._lock:
            self.num_maps += 1
            self.num_voxels = num_voxels
            self.map_ms = 1000 * seconds

    def add_rejections(self, rejections: Iterable[Rejection]) -> None:
        """Count rejections, and keep the newest reason of each kind and camera."""
        with self._lock:
            for rejection in rejections:
                source = rejection.kind, rejection.camera
                self._rejected[source] += 1
                now_s = time.monotonic()
                self._reasons[source] = _Reason(rejection.reason, now_s)
                self._events.append((now_s, rejection.kind))

    def add_failure(self, text: str) -> bool:
        """Count an exception; returns whether its text differs from the last one."""
        with self._lock:
            self.num_failed += 1
            self.num_failed_in_a_row += 1
            is_new = self._failure is None or self._failure.text != text
            self._failure = _Reason(text, time.monotonic())
            return is_new

    def failure(self) -> str | None:
        """Text of the last exception; None if a sweep was labelled since."""
        with self._lock:
            return self._failure.text if self._failure else None

    def count(self, kind: RejectionKind, camera: str = "") -> int:
        """Number of rejections of this kind and camera since the start."""
        with self._lock:
            return self._rejected[kind, camera]

    def recent(self) -> Recent:
        """What happened within the last WINDOW_S seconds."""
        now_s = time.monotonic()
        with self._lock:
            while self._events and self._events[0][0] < now_s - WINDOW_S:
                self._events.popleft()
            events = [event for _, event in self._events]
        return Recent(
            max(min(WINDOW_S, now_s - self._begin_s), 1e-3),
            tuple(event for event in events if isinstance(event, LabelledFacts)),
            Counter(event for event in events if isinstance(event, RejectionKind)),
            events.count(None),
        )

    def last_used_s(self, camera: str) -> float:
        """Time of the last labelled sweep that used a camera or of the start."""
        with self._lock:
            return self._last_used_s.get(camera, self._begin_s)

    def standing_reason(
        self, kinds: Iterable[RejectionKind], mended_s: float, camera: str = ""
    ) -> str | None:
        """Newest reason of these kinds, if it is recent or nothing has gone well since.

        Args:
            kinds: What is asked for.
            mended_s: Time of the last thing that could not have gone well with such a fault.
            camera: Name of the camera; "" for what is no camera's.
        """
        with self._lock:
            reasons = [self._reasons[k, camera] for k in kinds if (k, camera) in self._reasons]
        newest = max(reasons, key=lambda reason: reason.at_s, default=None)
        if newest is not None and newest.at_s > mended_s:
            return newest.text
        return self.recent_reason(kinds, camera)

    def recent_reason(self, kinds: Iterable[RejectionKind], camera: str = "") -> str | None:
        """Newest reason of these kinds; None if it is older than two seconds."""
        with self._lock:
            reasons = [self._reasons[k, camera] for k in kinds if (k, camera) in self._reasons]
        newest = max(reasons, key=lambda reason: reason.at_s, default=None)
        if newest is None or time.monotonic() - newest.at_s > _RECENT_S:
            return None
        return newest.text
