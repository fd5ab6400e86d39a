"""Detects stamps that run backwards: a bag that starts again, or a clock that is set back."""

from __future__ import annotations

from typing import Final

from clip2scene_ros.messages.decode import NANOSECONDS

_TIME_JUMP_NS: Final = NANOSECONDS // 2


class TimeJumpDetector:
    """Follows the newest stamp of each source: a topic, or an edge of /tf.

    Topics overtake each other on their way. When a bag starts again, one topic is back at its
    beginning while the queue of another still holds messages from the end. If these counted as new,
    the beginning would be a second jump, and what came after the first one would be forgotten. So
    after a jump, messages of other sources are left over if they follow their last stamp before the
    jump by less than half a second.

    Attributes:
        num_jumps: Number of jumps so far.
    """

    def __init__(self) -> None:
        self._newest_ns: dict[str, int] = {}
        self._before_jump_ns: dict[str, int] = {}  # of sources that may not have jumped yet
        self._jumped_first = ""
        self.num_jumps = 0

    def is_left_over(self, source: str, at_ns: int) -> bool:
        """Say whether a message was sent before a jump that is already known.

        Args:
            source: Name of a topic or an edge.
            at_ns: Stamp of the message, in nanoseconds.
        """
        before_ns = self._before_jump_ns.get(source)
        if before_ns is None:
            return False
        is_from_before = 0 <= at_ns - before_ns < _TIME_JUMP_NS
        if source == self._jumped_first:
            if is_from_before:  # it was one wrong stamp and no jump: the others go on
                self._before_jump_ns.clear()
            return False
        if not is_from_before:
            del self._before_jump_ns[source]
        return is_from_before

    def jump_ns(self, source: str, at_ns: int) -> int:
        """Take a stamp that is not left over, and say by how much time jumped back.

        Args:
            source: Name of a topic or an edge.
            at_ns: Stamp of the message, in nanoseconds.

        Returns:
            Nanoseconds; 0 if time did not jump.
        """
        newest_ns = self._newest_ns.get(source, at_ns)
        back_ns = newest_ns - at_ns
        if back_ns <= _TIME_JUMP_NS:
            self._newest_ns[source] = max(at_ns, newest_ns)
            return 0
        self._before_jump_ns, self._newest_ns = self._newest_ns, {source: at_ns}
        self._jumped_first = source
        self.num_jumps += 1
        return back_ns

    def clear(self) -> None:
        """Forget the stamps; the number of jumps stays."""
        self._newest_ns.clear()
        self._before_jump_ns.clear()
