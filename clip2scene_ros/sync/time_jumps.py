"""Notices when the stamps of a topic run backwards: a bag that starts again, a clock set back."""

from __future__ import annotations

from typing import Final

from clip2scene_ros.messages.decode import NANOSECONDS

_TIME_JUMP_NS: Final = NANOSECONDS // 2


class TimeJumpDetector:
    """Follows the newest stamp of each source.

    Topics overtake each other on their way. When a bag starts again, one topic is back at its
    beginning while another one's queue still holds the end: taken for new, that end would make the
    beginning a second jump, and what the first one brought would be forgotten. So, after a jump,
    half a second of what the others send on from before it is left over.
    """

    def __init__(self) -> None:
        self._newest_ns: dict[str, int] = {}
        self._before_jump_ns: dict[str, int] = {}  # of sources that may not have jumped yet
        self._jumped_first = ""
        self.num_jumps = 0

    def is_left_over(self, source: str, at_ns: int) -> bool:
        """Say whether a message was sent before the jump that was noticed already.

        Args:
            source: Names a topic or a transform.
            at_ns: The message's stamp.
        """
        before_ns = self._before_jump_ns.get(source)
        if before_ns is None:
            return False
        is_from_before = 0 <= at_ns - before_ns < _TIME_JUMP_NS
        if source == self._jumped_first:
            if is_from_before:  # one wrong stamp was no jump: the others never left
                self._before_jump_ns.clear()
            return False
        if not is_from_before:
            del self._before_jump_ns[source]
        return is_from_before

    def jump_ns(self, source: str, at_ns: int) -> int:
        """Take a stamp that is not left over; nanoseconds that it jumped back by, 0 for none."""
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
