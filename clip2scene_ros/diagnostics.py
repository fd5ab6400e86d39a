"""What the node knows about its own health, and how it says so on /diagnostics and in the log."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from clip2scene_ros.assembly import Rejection, RejectionKind

OK: Final = DiagnosticStatus.OK
WARN: Final = DiagnosticStatus.WARN
ERROR: Final = DiagnosticStatus.ERROR

_LOG_AGAIN_S: Final = 10.0
_RECENT_S: Final = 2.0


@dataclass(frozen=True)
class Item:
    """One line of /diagnostics.

    Attributes:
        name: For example "lidar"; published as "clip2scene: lidar".
        level: OK, WARN or ERROR of DiagnosticStatus.
        message: What is wrong and where, for the person who can fix it.
        values: Numbers and names behind it.
    """

    name: str
    level: bytes
    message: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class _LastReason:
    text: str
    at_s: float


class SweepRecord:
    """Counts what happened to the sweeps; written by the worker, read by the reporter."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rejected: Counter[RejectionKind] = Counter()
        self._reasons: dict[tuple[RejectionKind, str], _LastReason] = {}
        self._failure: _LastReason | None = None
        self.num_labelled = 0
        self.num_failed = 0
        self.inference_ms = 0.0
        self.latency_ms = 0.0
        self.last_labelled_s = time.monotonic()

    def add_labelled(self, inference_s: float, latency_s: float) -> None:
        """Count a published sweep: seconds in the engine, seconds from its stamp to publication."""
        with self._lock:
            self.num_labelled += 1
            self.inference_ms = 1000 * inference_s
            self.latency_ms = 1000 * latency_s
            self.last_labelled_s = time.monotonic()
            self._failure = None

    def add_rejections(self, rejections: Iterable[Rejection], cameras: Iterable[str] = ()) -> None:
        """Count what was left out; reasons that name one of the cameras are kept for each."""
        with self._lock:
            for rejection in rejections:
                self._rejected[rejection.kind] += 1
                named = [c for c in cameras if f": {c}: " in rejection.reason] or [""]
                last = _LastReason(rejection.reason, time.monotonic())
                self._reasons[rejection.kind, named[0]] = last

    def add_failure(self, text: str) -> bool:
        """Count an exception; True if it is another one than the last time."""
        with self._lock:
            self.num_failed += 1
            is_new = self._failure is None or self._failure.text != text
            self._failure = _LastReason(text, time.monotonic())
            return is_new

    def failure(self) -> str | None:
        """The exception since which no sweep was labelled."""
        with self._lock:
            return self._failure.text if self._failure else None

    def count(self, kind: RejectionKind) -> int:
        """How often something was left out for this reason."""
        with self._lock:
            return self._rejected[kind]

    def recent_reason(
        self, kinds: Iterable[RejectionKind], camera: str = "", within_s: float = _RECENT_S
    ) -> str | None:
        """The newest reason of these kinds, unless it is an old one."""
        with self._lock:
            reasons = [self._reasons[k, camera] for k in kinds if (k, camera) in self._reasons]
        newest = max(reasons, key=lambda reason: reason.at_s, default=None)
        if newest is None or time.monotonic() - newest.at_s > within_s:
            return None
        return newest.text


class DiagnosticsReporter:
    """Publishes items on /diagnostics and logs the bad ones, each at most every ten seconds.

    Args:
        node: Owns the publisher; its name goes in front of each item's.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._logged: dict[str, tuple[bytes, float]] = {}

    def report(self, items: Iterable[Item]) -> None:
        """Publish and log."""
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        for item in items:
            self._log(item)
            array.status.append(
                DiagnosticStatus(
                    level=item.level,
                    name=f"{self._node.get_name()}: {item.name}",
                    message=item.message,
                    hardware_id=self._node.get_fully_qualified_name(),
                    values=[KeyValue(key=k, value=_text(v)) for k, v in item.values.items()],
                )
            )
        self._publisher.publish(array)

    def _log(self, item: Item) -> None:
        level, at_s = self._logged.get(item.name, (OK, 0.0))
        now_s = time.monotonic()
        if item.level == OK:
            if level != OK:
                self._node.get_logger().info(f"{item.name}: works again")
                self._logged[item.name] = (OK, now_s)
        elif item.level != level or now_s - at_s > _LOG_AGAIN_S:
            self._logged[item.name] = (item.level, now_s)
            # Two calls, not one function in a variable: rclpy ties a call site to one severity.
            if item.level == ERROR:
                self._node.get_logger().error(f"{item.name}: {item.message}")
            else:
                self._node.get_logger().warning(f"{item.name}: {item.message}")


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
