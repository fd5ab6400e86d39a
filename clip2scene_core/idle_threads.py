"""How long threads of OpenMP wait for work before they sleep."""

from __future__ import annotations

import os
import sys
from typing import Final

# Rounds of waiting before a thread sleeps. GNU's own number makes it wait for milliseconds.
_SPINS: Final = "4000"


def let_idle_threads_sleep() -> bool:
    """Let torch's idle threads sleep soon; only programs call this, once, before all else.

    After each piece of work that torch shares, its threads keep their processors busy in case more
    comes. The convolutions of small networks have threads of their own (`sparse.threads`), which
    want these processors meanwhile, and so do the middleware and other programs.

    Returns:
        Whether the setting can count: GNU's OpenMP reads it when torch is imported, so not
        afterwards. What the environment says already stays.
    """
    if "torch" in sys.modules:
        return False
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    return True
