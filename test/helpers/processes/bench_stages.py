"""What stages compute in tests; worker processes import it by name."""

from __future__ import annotations

import os
import time


def note(path, value):
    """Compute, and leave a trace of it."""
    with path.open("a") as file:
        file.write(f"{value}\n")
    return {"value": value}


def fail():
    raise ValueError("the sky fell")


def wait_for_ever(trace):
    unfinished = trace.with_suffix(".unfinished")
    unfinished.write_text(str(os.getpid()))
    unfinished.replace(trace)
    time.sleep(600)
