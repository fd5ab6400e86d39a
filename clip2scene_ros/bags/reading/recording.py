"""A recording of ROS 2 or ROS 1 as one sequence of messages in ROS 2's encoding."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rosbags.interfaces import Connection, ConnectionExtRosbag1, ConnectionExtRosbag2
from rosbags.typesys import Stores, get_typestore

from clip2scene_core.atomic_write import scratch_folder
from clip2scene_ros.bags.reading.files import find_files, open_file
from clip2scene_ros.bags.reading.ros1 import CONVERT_HINT, Ros1Types
from clip2scene_ros.bags.reading.storage import Storage, StorageError
from clip2scene_ros.bags.reading.unpack import ZSTD_MAGIC

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_MESSAGE_BYTES: Final = 1 << 30
"""Largest message that is unpacked, where a recorder compressed messages one by one."""

_CDR: Final = "cdr"
_ROS1: Final = "ros1"
_ROS2_TYPES: Final = get_typestore(Stores.ROS2_JAZZY).fielddefs
_NUM_NAMED: Final = 5

Row = tuple[Connection, int, bytes]
"""Connection, time in nanoseconds, CDR bytes."""


class Recording:
    """The files of a recording, opened together.

    Args:
        path: A folder or a file; see `find_files` and `open_file`.

    Attributes:
        path: As it was given.
        connections: Topics with their types in ROS 2, each once.
        foreign: Topics in other encodings than ROS's by encoding; their messages are not read.
        notes: What was not read or had to be repaired, a line each.

    Raises:
        StorageError: If no file can be read; the message begins with the path.
        OSError: If a file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections: list[Connection] = []
        self.foreign: dict[str, list[str]] = {}
        self.notes: list[str] = []
        self._sources: list[_Source] = []
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._ros1 = Ros1Types()
        self._unconverted: set[str] = set()
        self._stack = ExitStack()
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise

    @property
    def message_count(self) -> int:
        """Number of messages."""
        return sum(connection.msgcount for connection in self.connections)

    @property
    def start_time(self) -> int:
        """Time of the first message, in nanoseconds; 0 if there is none."""
        return min((source.storage.start_ns for source in self._filled()), default=0)

    @property
    def duration(self) -> int:
        """Time from the first message to the last, in nanoseconds."""
        ends = (source.storage.end_ns for source in self._filled())
        return max(ends, default=self.start_time) - self.start_time

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[Row]:
        """Yield messages in order of time.

        Args:
            connections: Those to read; () reads all.

        Raises:
            StorageError: If a file or a message is damaged; the message begins with the path.
        """
        wanted = {connection.id for connection in connections or self.connections}
        yield from heapq.merge(
            *(self._messages_of(source, wanted) for source in self._sources),
            key=lambda row: row[1],
        )

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def _open(self) -> None:
        folder = self._stack.enter_context(scratch_folder("clip2scene-recording"))
        try:
            files, self.notes = find_files(self.path)
        except StorageError as error:
            raise StorageError(f"{self.path} {error}") from error
        unreadable = []
        for file in files:
            try:
                storage = open_file(file, folder)
            except StorageError as error:
                unreadable.append(f"{file} {error}")
                continue
            self._stack.callback(storage.close)
            self.notes += storage.notes
            self._sources.append(self._declare(storage, file))
        if not self._sources:
            raise StorageError(unreadable[0])
        self.notes += [f"{line}; it is left out" for line in unreadable]
        self.notes += [
            f"{_named(topics)}: left out, because {encoding or 'unknown'} is no encoding of ROS"
            for encoding, topics in self.foreign.items()
        ]

    def _declare(self, storage: Storage, file: Path) -> _Source:
        source = _Source(storage, file)
        for connection in storage.connections:
            encoding = _encoding(connection)
            if encoding not in (_CDR, _ROS1) or not connection.msgtype:
                self.foreign.setdefault(encoding, []).append(connection.topic)
                continue
            number, known = connection.id, connection
            if encoding == _ROS1:
                try:
                    known = self._ros1.declare(connection)
                except StorageError as error:
                    self.notes.append(f"{connection.topic} is left out: {error}")
                    continue
                source.ros1_types[number] = connection.msgtype
            source.numbers[number] = self._add(known)
        return source

    def _add(self, connection: Connection) -> int:
        """Add a connection, or its messages to the same one of another file; give its number."""
        key = (connection.topic, connection.msgtype, repr(connection.ext))
        if key not in self._numbers:
            self._numbers[key] = len(self.connections)
            number = len(self.connections) + 1
            self.connections.append(connection._replace(id=number, owner=None))
        else:
            index = self._numbers[key]
            known = self.connections[index]
            self.connections[index] = known._replace(msgcount=known.msgcount + connection.msgcount)
        return self._numbers[key]

    def _filled(self) -> list[_Source]:
        return [source for source in self._sources if source.storage.num_messages]

    def _messages_of(self, source: _Source, wanted: set[int]) -> Iterator[Row]:
        chosen = [
            connection
            for connection in source.storage.connections
            if connection.id in source.numbers
            and self.connections[source.numbers[connection.id]].id in wanted
        ]
        if not chosen:
            return
        try:
            for old, at_ns, content in source.storage.messages(chosen):
                connection = self.connections[source.numbers[old.id]]
                if old.id not in source.ros1_types:
                    yield connection, at_ns, _unpacked(bytes(content))
                    continue
                converted = self._converted(source, old, connection, content)
                if converted is not None:
                    yield connection, at_ns, converted
        except StorageError as error:
            raise StorageError(f"{source.file} {error}") from error

    def _converted(
        self, source: _Source, old: Connection, new: Connection, content: bytes | memoryview
    ) -> bytes | None:
        try:
            return self._ros1.convert(source.ros1_types[old.id], content)
        except StorageError as error:
            if new.msgtype in _ROS2_TYPES:
                hint = CONVERT_HINT.format(source.file)
                raise StorageError(f"is a ROS 1 recording; {new.topic}: {error}; {hint}") from error
            if new.topic not in self._unconverted:  # nobody reads it, it would only be copied
                self._unconverted.add(new.topic)
                self.notes.append(f"{new.topic}: left out what could not be converted: {error}")
            return None


@dataclass(frozen=True)
class _Source:
    """One file.

    Attributes:
        storage: The open file.
        file: Path of the file.
        numbers: Index in the recording's connections by number of the file's connection.
        ros1_types: Type in ROS 1 by number, of connections in ROS 1's encoding.
    """

    storage: Storage
    file: Path
    numbers: dict[int, int] = field(default_factory=dict)
    ros1_types: dict[int, str] = field(default_factory=dict)


def _encoding(connection: Connection) -> str:
    if isinstance(connection.ext, ConnectionExtRosbag1):
        return _ROS1
    assert isinstance(connection.ext, ConnectionExtRosbag2)
    # ros2 bag reindex of Humble leaves it empty.
    return connection.ext.serialization_format or _CDR


def _unpacked(content: bytes) -> bytes:
    """Unpack a message that its recorder has compressed; CDR begins with a zero."""
    if not content.startswith(ZSTD_MAGIC):
        return content
    try:
        unpacked = zstd.ZstdDecompressor().decompress(content, max_length=MAX_MESSAGE_BYTES + 1)
    except zstd.ZstdError as error:
        raise StorageError("is damaged: a compressed message cannot be unpacked") from error
    if len(unpacked) > MAX_MESSAGE_BYTES:
        raise StorageError(f"has a message that unpacks to more than {MAX_MESSAGE_BYTES} bytes")
    return unpacked


def _named(topics: list[str]) -> str:
    rest = len(topics) - _NUM_NAMED
    return ", ".join(topics[:_NUM_NAMED]) + (f" and {rest} more" if rest > 0 else "")
