"""What the files of a recording have in common, whatever their format."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol

from rosbags.interfaces import Connection


class StorageError(ValueError):
    """A file that cannot be read; the message is one line and says what to do."""


class Storage(Protocol):
    """One open file of a recording.

    Attributes:
        connections: Topics with their types; their `ext` says how messages are encoded.
        start_ns: Time of the first message, in nanoseconds.
        end_ns: Time of the last message, in nanoseconds.
        num_messages: Number of messages.
        notes: What of the file could not be read, a line each.
    """

    connections: list[Connection]
    start_ns: int
    end_ns: int
    num_messages: int
    notes: list[str]

    def messages(
        self, connections: Collection[Connection]
    ) -> Iterator[tuple[Connection, int, bytes | memoryview]]:
        """Yield connection, time in nanoseconds and bytes of each message, in order of time."""

    def close(self) -> None:
        """Close the file."""
