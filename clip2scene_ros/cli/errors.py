"""What is said of an error, of a command or of a job."""

from __future__ import annotations

from typing import Final

_MAX_LINE: Final = 2000


def describe(error: Exception) -> str:
    """Say an error in one line that no name or text of a file can forge or prolong."""
    # Readers turn what a file provokes into ValueError; LookupError is for names that are not
    # there, but its two most common kinds are what a mistake in the code raises.
    is_ours = isinstance(error, (ValueError, OSError, LookupError, ImportError))
    if type(error) in (KeyError, IndexError) or not (is_ours or isinstance(error, MemoryError)):
        text = (
            f"this is a bug: {type(error).__name__}: {error}; please report it with what "
            f"'clip2scene --debug' and the same words print"
        )
    elif isinstance(error, MemoryError):
        text = f"error: not enough memory {error}".rstrip()
    else:
        text = f"error: {error}"
    line = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    return line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}..."
