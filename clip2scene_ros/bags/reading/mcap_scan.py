"""MCAP files without a usable index, read record by record.

Recorders that were killed leave no index and no footer, and other programs than rosbag2 write
other profiles, encodings and orders. Layout: https://mcap.dev/spec.
"""

from __future__ import annotations

import heapq
import struct
import sys
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import lz4.frame  # type: ignore[import-untyped]
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
    Qos,
)
from rosbags.rosbag2.metadata import parse_qos

from clip2scene_ros.bags.reading.storage import StorageError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC: Final = b"\x89MCAP0\r\n"
MAX_CHUNK_BYTES: Final = 1 << 30
"""Largest chunk that is unpacked; recorders close a chunk after about one megabyte."""

_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 1, 2, 3, 4, 5, 6, 15
_FORMATS: Final = {
    "ros1msg": MessageDefinitionFormat.MSG,
    "ros2msg": MessageDefinitionFormat.MSG,
    "ros2idl": MessageDefinitionFormat.IDL,
    "omgidl": MessageDefinitionFormat.IDL,
}
_RECORD: Final = struct.Struct("<BQ")
_MESSAGE_HEAD: Final = struct.Struct("<HIQQ")
_CHUNK_HEAD: Final = struct.Struct("<QQQI")


class _Record(NamedTuple):
    kind: int
    content: bytes
    begin: int


@dataclass(frozen=True, order=True)
class _Block:
    """A chunk, or one message outside of chunks.

    Attributes:
        start_ns: Time of its first message, in nanoseconds.
        begin: Place of its record in the file, bytes.
        channels: Channels of its messages.
    """

    start_ns: int
    begin: int
    channels: set[int] = field(compare=False)


class ScannedMcap:
    """An MCAP file whose messages were found by reading all of it, up to where it breaks off.

    Args:
        path: The file.

    Attributes:
        connections: See `Storage`; ROS 1 types are named as in ROS 2, "std_msgs/msg/Header".
        start_ns: See `Storage`.
        end_ns: See `Storage`.
        num_messages: See `Storage`.
        notes: See `Storage`.

    Raises:
        StorageError: If the file does not begin as an MCAP file.
        OSError: If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.connections: list[Connection] = []
        self.start_ns = self.end_ns = self.num_messages = 0
        self.notes: list[str] = []
        self._schemas: dict[int, tuple[str, MessageDefinition]] = {}
        self._connections: dict[int, Connection] = {}
        self._counts: dict[int, int] = {}
        self._blocks: list[_Block] = []
        self._stream = path.open("rb")
        self._size = path.stat().st_size
        try:
            self._scan(path)
        except BaseException:
            self._stream.close()
            raise

    def messages(
        self, connections: Collection[Connection]
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield the messages of some connections in order of time; see `Storage`."""
        wanted = {connection.id: connection for connection in connections}
        blocks = iter(sorted(block for block in self._blocks if block.channels & set(wanted)))
        following = next(blocks, None)
        waiting: list[tuple[int, int, int, bytes]] = []
        order = 0  # of messages of the same time
        while waiting or following is not None:
            while following is not None and (not waiting or following.start_ns <= waiting[0][0]):
                for channel, at_ns, content in self._messages_at(following.begin):
                    if channel in wanted:
                        heapq.heappush(waiting, (at_ns, order, channel, content))
                        order += 1
                following = next(blocks, None)
            at_ns, _, channel, content = heapq.heappop(waiting)
            yield wanted[channel], at_ns, content

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _scan(self, path: Path) -> None:
        if self._stream.read(len(MAGIC)) != MAGIC:
            raise StorageError("is no MCAP file")
        end, is_complete = len(MAGIC), False
        try:
            while (record := self._read_record()) is not None:
                self._note(record)
                end = self._stream.tell()
                if record.kind in (_DATA_END, _FOOTER):
                    is_complete = True
                    break
        except StorageError:
            pass  # what comes after it cannot be trusted
        for number, connection in self._connections.items():
            self.connections.append(connection._replace(msgcount=self._counts.get(number, 0)))
        if not is_complete:
            self.notes.append(
                f"{path} breaks off after {end} of {self._size} bytes, as where a recorder was "
                f"killed; {self.num_messages} messages before that are read (mcap recover {path} "
                f"-o NEW.mcap writes them to a whole file)"
            )

    def _read_record(self) -> _Record | None:
        """Read the next record; None where the file ends, zeros begin, or a record is cut."""
        begin = self._stream.tell()
        head = self._stream.read(_RECORD.size)
        if len(head) < _RECORD.size:
            return None
        kind, length = _RECORD.unpack(head)
        if kind == 0 or length > self._size - self._stream.tell():
            return None
        if kind not in (_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK):
            self._stream.seek(length, 1)
            return _Record(kind, b"", begin)
        return _Record(kind, self._stream.read(length), begin)

    def _note(self, record: _Record) -> None:
        if record.kind == _CHUNK:
            self._note_messages(_unpack(record.content), record.begin)
        elif record.kind == _MESSAGE:
            self._note_messages([record], record.begin)
        else:
            self._declare(record)

    def _note_messages(self, records: Collection[_Record], begin: int) -> None:
        times, channels = [], []
        for record in records:
            if record.kind == _MESSAGE:
                channel, at_ns, _ = _split_message(record.content)
                channels.append(channel)
                times.append(at_ns)
            else:
                self._declare(record)
        if not times:
            return
        for channel in channels:
            self._counts[channel] = self._counts.get(channel, 0) + 1
        is_first = self.num_messages == 0
        self.start_ns = min(times) if is_first else min(self.start_ns, *times)
        self.end_ns = max(self.end_ns, *times)
        self.num_messages += len(times)
        self._blocks.append(_Block(min(times), begin, set(channels)))

    def _declare(self, record: _Record) -> None:
        try:
            if record.kind == _SCHEMA:
                number, rest = _unsigned(record.content, 2)
                name, rest = _text(rest)
                encoding, rest = _text(rest)
                definition, _ = _text(rest)
                kept = _FORMATS.get(encoding, MessageDefinitionFormat.NONE)
                text = definition if kept is not MessageDefinitionFormat.NONE else ""
                self._schemas[number] = _ros2_name(name), MessageDefinition(kept, text)
            elif record.kind == _CHANNEL:
                number, rest = _unsigned(record.content, 2)
                schema, rest = _unsigned(rest, 2)
                topic, rest = _text(rest)
                encoding, rest = _text(rest)
                nothing = ("", MessageDefinition(MessageDefinitionFormat.NONE, ""))
                kind, definition_of = self._schemas.get(schema, nothing)
                ext = ConnectionExtRosbag2(encoding, _offered_qos(rest))
                self._connections.setdefault(
                    number, Connection(number, topic, kind, definition_of, "", 0, ext, self)
                )
        except (UnicodeDecodeError, struct.error) as error:
            raise StorageError("has a damaged schema or channel") from error

    def _messages_at(self, begin: int) -> Iterator[tuple[int, int, bytes]]:
        self._stream.seek(begin)
        record = self._read_record()
        if record is None:
            raise StorageError("became shorter while it was read")
        for inner in _unpack(record.content) if record.kind == _CHUNK else [record]:
            if inner.kind == _MESSAGE:
                yield _split_message(inner.content)


def _unpack(chunk: bytes) -> list[_Record]:
    """Decompress a chunk, check its sum, and split it into records."""
    try:
        _, _, size, checksum = _CHUNK_HEAD.unpack_from(chunk)
        compression, rest = _text(chunk[_CHUNK_HEAD.size :])
        length, rest = _unsigned(rest, 8)
    except (UnicodeDecodeError, struct.error) as error:
        raise StorageError("has a damaged chunk") from error
    if size > MAX_CHUNK_BYTES:
        raise StorageError(f"has a chunk of {size} bytes; at most {MAX_CHUNK_BYTES} are unpacked")
    content = _decompress(rest[:length], compression, size)
    if len(content) != size or (checksum and zlib.crc32(content) != checksum):
        raise StorageError("has a damaged chunk")
    records, at = [], 0
    while at + _RECORD.size <= len(content):
        kind, length = _RECORD.unpack_from(content, at)
        begin = at + _RECORD.size
        if kind == 0 or begin + length > len(content):
            raise StorageError("has a damaged chunk")
        records.append(_Record(kind, content[begin : begin + length], at))
        at = begin + length
    return records


def _decompress(content: bytes, compression: str, size: int) -> bytes:
    """Decompress no more than `size` bytes and one."""
    try:
        if compression == "":
            return content
        if compression == "zstd":
            return zstd.ZstdDecompressor().decompress(content, max_length=size + 1)
        if compression == "lz4":
            unpacked: bytes = lz4.frame.LZ4FrameDecompressor().decompress(content, size + 1)
            return unpacked
    except (zstd.ZstdError, RuntimeError, EOFError) as error:
        raise StorageError("has a damaged chunk") from error
    raise StorageError(f"has chunks with the unknown compression '{compression}'")


def _split_message(content: bytes) -> tuple[int, int, bytes]:
    """Channel, time in nanoseconds and bytes of a message."""
    try:
        channel, _, at_ns, _ = _MESSAGE_HEAD.unpack_from(content)
    except struct.error as error:
        raise StorageError("has a damaged message") from error
    return channel, at_ns, content[_MESSAGE_HEAD.size :]


def _unsigned(content: bytes, size: int) -> tuple[int, bytes]:
    if len(content) < size:
        raise struct.error("too short")
    return int.from_bytes(content[:size], "little"), content[size:]


def _text(content: bytes) -> tuple[str, bytes]:
    length, rest = _unsigned(content, 4)
    if length > len(rest):
        raise struct.error("too short")
    return rest[:length].decode(), rest[length:]


def _offered_qos(metadata: bytes) -> list[Qos]:
    """Read the quality of service that rosbag2 notes with a channel; [] if it is not there."""
    length, rest = _unsigned(metadata, 4)
    rest = rest[:length]
    while rest:
        key, rest = _text(rest)
        value, rest = _text(rest)
        if key == "offered_qos_profiles":
            try:
                return parse_qos(value)
            except Exception:  # noqa: BLE001  its parser raises whatever a text provokes
                return []
    return []


def _ros2_name(name: str) -> str:
    """Name a message type as ROS 2 does: "std_msgs/Header" is "std_msgs/msg/Header"."""
    package, separator, kind = name.partition("/")
    return f"{package}/msg/{kind}" if separator and "/" not in kind else name
