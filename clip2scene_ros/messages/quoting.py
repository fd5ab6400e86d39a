"""Show texts that others sent: on one line, without control characters, and short.

Frame ids, field names, encodings and prompts come from any peer. A line break in one would forge
a line of the log, an escape sequence would steer the reader's terminal.
"""

from __future__ import annotations

import re
from typing import Final

_ORDINARY: Final = re.compile(r"[\w/.~+-]+")
_MAX_CHARS: Final = 80
_MAX_LINE_CHARS: Final = 1000


def quoted(text: str, is_name: bool = True, max_chars: int = _MAX_CHARS) -> str:
    r"""Show a name or a text of a message.

    Args:
        text: What came.
        is_name: An ordinary name stays without quotes.
        max_chars: Longer texts are cut, and their length is said.

    Returns:
        An ordinary name as it is; every other text between quotes, with \n, \x1b and the like for
        what cannot be printed.

    Example:
        >>> quoted("base_link"), quoted("a\n[ERROR] b"), quoted("x" * 100, max_chars=3)
        ('base_link', "'a\\n[ERROR] b'", "'xxx...' (100 characters)")
    """
    if len(text) > max_chars:
        return f"{_escaped(text[:max_chars] + '...')} ({len(text)} characters)"
    is_ordinary = is_name and text.isprintable() and _ORDINARY.fullmatch(text) is not None
    return text if is_ordinary else _escaped(text)


def one_line(text: str, max_chars: int = _MAX_LINE_CHARS) -> str:
    """Make one printable line of a whole message, which may hold texts of others.

    Args:
        text: Line breaks in it become spaces, and what else cannot be printed is escaped.
        max_chars: Longer texts are cut.
    """
    cut = text[: 4 * max_chars]
    line = "".join(
        character if character.isprintable() else _escaped(character)[1:-1]
        for character in " ".join(cut.split())
    )
    if len(line) > max_chars or len(cut) < len(text):
        return f"{line[:max_chars]}... ({len(text)} characters)"
    return line


def _escaped(text: str) -> str:
    # A lone surrogate, which UTF-8 cannot hold, would fail in the middleware.
    return ascii(text) if any("\ud800" <= c <= "\udfff" for c in text) else repr(text)
