"""A limit that a value must clearly leave again, so that a value near it does not alternate."""

from __future__ import annotations

from typing import Final

_CLEARLY: Final = 0.8


class Threshold:
    """Says whether a value is over a limit; once it was, until it is at 0.8 of it or less."""

    def __init__(self) -> None:
        self.is_over = False

    def judge(self, value: float, limit: float) -> bool:
        """Take the next value.

        Args:
            value: What is measured.
            limit: The limit now; it may change.
        """
        self.is_over = value > (_CLEARLY * limit if self.is_over else limit)
        return self.is_over
