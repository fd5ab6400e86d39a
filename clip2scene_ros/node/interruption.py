"""SIGINT and SIGTERM end the node at any moment: soon, with status 0, without a traceback.

The executable imports this module before all others, because those take seconds.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_PATIENCE_S: Final = 1.0
_EXECUTABLE: Final = "segment_node"


class Interruption:
    """Handles SIGINT and SIGTERM from its construction on.

    Until the node spins, a signal ends the process at once: nothing is open that would have to be
    closed, and an exception would leave a traceback from within whatever is imported or loaded.
    After that it asks the node to end. Work that cannot be stopped, such as a large cloud or a CLIP
    that reads prompts, is given up after a second; files of ours appear whole or not at all.

    Attributes:
        has_come: Whether a signal came.
    """

    def __init__(self) -> None:
        self.has_come = False
        self._ends_at_once = True
        for number in _SIGNALS:
            signal.signal(number, self._come)

    def let_node_end(self) -> None:
        """Do not end at once any more: the caller watches `has_come`, and calls `leave`."""
        self._ends_at_once = False

    def leave(self, status: int) -> int:
        """End the process if a signal came, with status 0, or if it is the executable.

        Python would wait for threads that still work, and their libraries may abort when it is
        gone; and while it ends, a signal kills.

        Args:
            status: Exit status without a signal.

        Returns:
            The same status, for a program that goes on.
        """
        if self.has_come or self is EARLY:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0 if self.has_come else status)
        return status

    def _come(self, _number: int, _frame: object) -> None:
        if self._ends_at_once:
            _end()
        # A second signal must not disturb the shutdown that the first one began.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self.has_come = True
        deadline = threading.Timer(_PATIENCE_S, _end)
        deadline.daemon = True
        deadline.start()


def _end() -> None:
    os._exit(0)


def is_executable() -> bool:
    """Say whether this process is the executable of the node, and no other program."""
    is_first = Path(sys.argv[0] if sys.argv else "").stem == _EXECUTABLE
    return is_first and threading.current_thread() is threading.main_thread()


EARLY: Final = Interruption() if is_executable() else None
"""What handles signals while the executable imports; None in every other program."""
