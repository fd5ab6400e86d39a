"""Lets messages in by their stamps: single wrong stamps are left out, jumps of time are noticed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from clip2scene_ros.messages.decode import NANOSECONDS
from clip2scene_ros.sync.time_jumps import TimeJumpDetector

_LEAP_NS: Final = NANOSECONDS
_BACK_NS: Final = NANOSECONDS // 2
_APART_NS: Final = 5 * NANOSECONDS
"""Sources differ by less: transforms are dated ahead by a second or two."""
_MAX_AHEAD: Final = 10
"""So many stamps in a row that leapt ahead are a clock that was set, and not a fault."""


class StampGate:
    """Doubts a message whose stamp leaps alone until it is clear whether the stamp is wrong.

    A stamp is doubtful if it leaps away from the last one of its source, a topic or an edge of /tf,
    while neither the clock nor another source does. If the source goes on as before, the stamp was
    wrong, as those of a LiDAR are that takes another clock for a moment. If the next stamps follow
    it, or others leap with it, time did leap or jump, as where a bag starts again.

    Args:
        on_jump: Called with the source and by how many nanoseconds time jumped back, before the
            message is taken.
        on_wrong: Called with the source and the stamp of a wrong message, and whether it was taken.
    """

    def __init__(
        self, on_jump: Callable[[str, int], None], on_wrong: Callable[[str, int, bool], None]
    ) -> None:
        self._on_jump = on_jump
        self._on_wrong = on_wrong
        self._jumps = TimeJumpDetector()
        self._trusted: dict[str, Doubted] = {}
        self._doubted: defaultdict[str, list[Doubted]] = defaultdict(list)

    @property
    def num_jumps(self) -> int:
        """Number of jumps back so far."""
        return self._jumps.num_jumps

    def admit(self, message: Doubted, waits: bool = True) -> bool:
        """Take a message, wait with it, or leave it out.

        Args:
            message: With its stamp.
            waits: A doubtful message from the future is taken once it is trusted; False takes it at
                once, where it can be given back.

        Returns:
            False if it was sent before a jump that is already known.
        """
        if self._jumps.is_left_over(message.source, message.at_ns):
            return False
        last = self._trusted.get(message.source)
        if last is not None and message.at_ns < last.at_ns - _BACK_NS:
            self._admit_from_behind(message, last)
        elif self._is_far_ahead(message, last):
            self._admit_from_ahead(message, waits)
        else:
            for earlier in self._doubted.pop(message.source, ()):
                # The source goes on here: it neither went back nor has it come as far as that.
                was_behind = last is not None and earlier.at_ns < last.at_ns - _BACK_NS
                if was_behind or earlier.at_ns > message.at_ns + _LEAP_NS:
                    self._on_wrong(earlier.source, earlier.at_ns, earlier.is_taken)
                else:
                    self._trust(earlier)
            self._trust(message)
        return True

    def flush(self) -> None:
        """Leave out what was not taken: no more messages will come."""
        doubted, self._doubted = self._doubted, defaultdict(list)
        for message in _all(doubted):
            if not message.is_taken:
                self._on_wrong(message.source, message.at_ns, False)

    def clear(self) -> None:
        """Forget all stamps and what waits."""
        self._jumps.clear()
        self._trusted.clear()
        self._doubted.clear()

    def _admit_from_behind(self, message: Doubted, last: Doubted) -> None:
        doubted = _all(self._doubted)
        alike = [other for other in doubted if _is_near(other, message)]
        has_clock_gone_back = message.now_ns < last.now_ns - _BACK_NS
        if not alike and not has_clock_gone_back:
            self._doubted[message.source].append(message)
            return
        self._doubted.clear()
        for other in doubted:
            if other not in alike:
                self._on_wrong(other.source, other.at_ns, other.is_taken)
        for other in (*alike, message):
            self._trust(other)

    def _admit_from_ahead(self, message: Doubted, waits: bool) -> None:
        if not waits:
            message.take()
            message = replace(message, is_taken=True)
        doubted = self._doubted[message.source]
        doubted.append(message)
        has_poses = any(known.is_pose for known in self._trusted.values())
        others = [
            other
            for other in _all(self._doubted)
            # Sensors may share a wrong clock, but not with the poses.
            if (other.is_pose != message.is_pose if has_poses else other.source != message.source)
            and _is_near(other, message)
        ]
        if others:
            for source in {message.source, *(other.source for other in others)}:
                for earlier in self._doubted.pop(source):
                    self._trust(earlier)
        elif len(doubted) >= _MAX_AHEAD:
            for earlier in self._doubted.pop(message.source):
                self._trust(earlier)

    def _is_far_ahead(self, message: Doubted, last: Doubted | None) -> bool:
        others = [k.at_ns for name, k in self._trusted.items() if name != message.source]
        if last is None:
            return bool(others) and message.at_ns - max(others) > _APART_NS
        if any(at_ns >= message.at_ns - _LEAP_NS for at_ns in others):
            return False
        elapsed_ns = max(message.now_ns - last.now_ns, 0)
        return message.at_ns - last.at_ns - elapsed_ns > _LEAP_NS

    def _trust(self, message: Doubted) -> None:
        back_ns = self._jumps.jump_ns(message.source, message.at_ns)
        last = self._trusted.get(message.source)
        if back_ns:
            self._trusted.clear()
            self._on_jump(message.source, back_ns)
        elif last is not None and last.at_ns > message.at_ns:
            self._trusted[message.source] = replace(last, now_ns=message.now_ns)
        if back_ns or last is None or last.at_ns <= message.at_ns:
            self._trusted[message.source] = replace(message, take=_nothing)
        if not message.is_taken:
            message.take()


@dataclass(frozen=True)
class Doubted:
    """A message on its way through the gate.

    Attributes:
        source: Name of a topic or an edge of /tf.
        at_ns: Its stamp, in nanoseconds.
        now_ns: Time when it came, in nanoseconds.
        take: Takes it, now or later.
        is_pose: It is a pose, and not a sensor's message.
        is_taken: It was taken before it was trusted.
    """

    source: str
    at_ns: int
    now_ns: int
    take: Callable[[], None]
    is_pose: bool = False
    is_taken: bool = False


def _is_near(one: Doubted, other: Doubted) -> bool:
    return abs(one.at_ns - other.at_ns) <= _APART_NS


def _all(doubted: Mapping[str, list[Doubted]]) -> list[Doubted]:
    return [message for messages in doubted.values() for message in messages]


def _nothing() -> None:
    """Stands for what took a message: its memory is not kept."""
