"""Publish the node's diagnostics on /diagnostics, and log the bad ones."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from clip2scene_ros.messages.quoting import one_line

OK: Final = DiagnosticStatus.OK
WARN: Final = DiagnosticStatus.WARN
ERROR: Final = DiagnosticStatus.ERROR

_LOG_AGAIN_S: Final = 10.0
_PATIENCE_S: Final = 10.0
_STEADY_S: Final = 3.0
"""What works for so long works again; what comes and goes is one fault, and is told as one."""

_MAX_VALUE_CHARS: Final = 10_000


@dataclass(frozen=True)
class Item:
    """One status of /diagnostics.

    Attributes:
        name: For example "lidar"; published as "clip2scene: lidar".
        level: OK, WARN or ERROR of DiagnosticStatus.
        message: What is wrong and where, for the person who can fix it.
        values: Numbers and names by key.
        is_waited_for: It has not worked since the node was activated. The log reports it as a fault
            only after ten seconds, because nodes need time to start and to find each other.
        is_proven: It was seen to work. Without that the log tells of no end of a fault: nothing
            speaks for it, nothing against it.
        is_said_once: The log repeats it only when the message is another one.
    """

    name: str
    level: bytes
    message: str
    values: Mapping[str, object] = field(default_factory=dict)
    is_waited_for: bool = False
    is_proven: bool = True
    is_said_once: bool = False


class DiagnosticsReporter:
    """Publishes items on /diagnostics and logs the bad ones, each at most every ten seconds.

    /diagnostics shows the present state; the log shows its changes.

    Args:
        node: Owns the publisher; its name stands before the name of each item.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._logged: dict[str, tuple[bytes, float, str]] = {}
        self._waiting_since_s: dict[str, float] = {}
        self._working_since_s: dict[str, float] = {}

    def begin(self) -> None:
        """Wait for everything anew, after an activation; faults that were told stay told."""
        self._waiting_since_s.clear()
        self._working_since_s.clear()

    def report(self, items: Iterable[Item]) -> None:
        """Publish items and log the bad ones."""
        items = list(items)
        for item in items:
            self._log(replace(item, message=one_line(item.message)))
        self.publish(items)

    def publish(self, items: Iterable[Item]) -> None:
        """Publish items that the caller logs itself."""
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        for item in items:
            array.status.append(
                DiagnosticStatus(
                    level=item.level,
                    name=f"{self._node.get_name()}: {item.name}",
                    message=one_line(item.message),
                    hardware_id=self._node.get_fully_qualified_name(),
                    values=[KeyValue(key=k, value=_text(v)) for k, v in item.values.items()],
                )
            )
        self._publisher.publish(array)

    def _log(self, item: Item) -> None:
        now_s = time.monotonic()
        if item.level == OK:
            self._log_repair(item, now_s)
            return
        self._working_since_s.pop(item.name, None)
        if item.is_waited_for:
            if item.name not in self._waiting_since_s:
                self._waiting_since_s[item.name] = now_s
                self._node.get_logger().info(f"{item.name}: waiting: {item.message}")
            if now_s - self._waiting_since_s[item.name] < _PATIENCE_S:
                return
        level, at_s, message = self._logged.get(item.name, (OK, 0.0, ""))
        is_due = now_s - at_s > _LOG_AGAIN_S
        if item.is_said_once:
            is_due = is_due and item.message != message
        # Only what gets worse is told at once: between WARN and ERROR a fault may come and go.
        if level < item.level or is_due:
            self._logged[item.name] = (item.level, now_s, item.message)
            # Two calls, not one function in a variable: rclpy ties a call site to one severity.
            if item.level == ERROR:
                self._node.get_logger().error(f"{item.name}: {item.message}")
            else:
                self._node.get_logger().warning(f"{item.name}: {item.message}")

    def _log_repair(self, item: Item, now_s: float) -> None:
        """Tell that a fault is over, once it has been for a while and was seen to be."""
        if item.is_waited_for or not item.is_proven:
            self._working_since_s.pop(item.name, None)
            return
        since_s = self._working_since_s.setdefault(item.name, now_s)
        level, _, _ = self._logged.get(item.name, (OK, 0.0, ""))
        if level != OK and now_s - since_s >= _STEADY_S:
            self._node.get_logger().info(f"{item.name}: works again")
            self._logged[item.name] = (OK, now_s, item.message)


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else one_line(str(value), _MAX_VALUE_CHARS)
