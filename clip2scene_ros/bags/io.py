"""Open bags of any origin, and create bags that appear only when they are complete."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

from clip2scene_core.renamed import renamed_hint

_STORAGES: Final = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
_SNIFFED_BYTES: Final = 1 << 18
_BAG_VERSION: Final = 9
_PROTOBUF: Final = (
    "{}: its messages are encoded as protobuf (as nuscenes2mcap writes them), not as ROS 2 CDR; "
    "make the bag with 'clip2scene bag' from the data set instead"
)


class BagError(ValueError):
    """A bag that cannot be read or written; the message is one line."""


@contextmanager
def open_bag(path: Path) -> Iterator[Reader]:
    """Open a ROS 2 bag: a folder (sqlite3 or MCAP), or a bare .mcap or .db3 file.

    Args:
        path: The bag.

    Raises:
        BagError: If it is missing, damaged, no bag, or not in ROS 2's encoding.
    """
    if not path.exists():
        raise BagError(f"{path} does not exist{renamed_hint(path)}")
    if path.is_dir() and not (path / "metadata.yaml").exists():
        files = sorted(file.name for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
        hint = f"; open {path / files[0]} instead" if len(files) == 1 else ""
        raise BagError(f"{path} is no ROS 2 bag: it has no metadata.yaml{hint}")
    try:
        reader = Reader(path)
        reader.open()
    except Exception as error:  # its parsers raise whatever damage provokes
        raise BagError(_why_unreadable(path, error)) from error
    try:
        if any(_encoding(connection) == "protobuf" for connection in reader.connections):
            raise BagError(_PROTOBUF.format(path))
        yield reader
    finally:
        reader.close()


def read_messages(
    reader: Reader, connections: Collection[Connection] = ()
) -> Iterator[tuple[Connection, int, bytes]]:
    """Read an open bag in order of bag time.

    Args:
        reader: From `open_bag`.
        connections: The connections to read; () reads all.

    Yields:
        Connection, bag time in nanoseconds, and the serialized message.

    Raises:
        BagError: If the bag is damaged.
    """
    try:
        yield from reader.messages(connections)
    except Exception as error:
        raise BagError(_why_unreadable(Path(str(reader.path)), error)) from error


@contextmanager
def create_bag(out: Path, storage: str = "mcap") -> Iterator[Writer]:
    """Create a bag; nothing is left at `out` if the body raises.

    Args:
        out: Folder to make.
        storage: "mcap", with compressed chunks, or "sqlite3".

    Raises:
        BagError: If `out` exists or cannot be made, or the storage is unknown.
    """
    if storage not in _STORAGES:
        raise BagError(f"storage must be one of {', '.join(_STORAGES)}, got '{storage}'")
    if out.exists():
        raise BagError(f"{out} exists already; remove it or name another")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise BagError(f"{out} cannot be made ({error.strerror})") from error
    try:
        # The folder keeps its name: the file inside is named after it.
        plugin = _STORAGES[storage]
        writer = Writer(staging / out.name, version=_BAG_VERSION, storage_plugin=plugin)
        if plugin is StoragePlugin.MCAP:
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        with writer:
            yield writer
        (staging / out.name).rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def offered_qos(depth: int, is_latched: bool = False) -> list[Qos]:
    """Describe the quality of service of a reliable publisher.

    Args:
        depth: Number of messages in its history.
        is_latched: Late subscribers get the last messages (transient local).
    """
    never = QosTime(2147483647, 4294967295)
    durability = QosDurability.TRANSIENT_LOCAL if is_latched else QosDurability.VOLATILE
    return [
        Qos(
            QosHistory.KEEP_LAST,
            depth,
            QosReliability.RELIABLE,
            durability,
            never,
            never,
            QosLiveliness.AUTOMATIC,
            never,
            False,
        )
    ]


def _encoding(connection: Connection) -> str:
    return getattr(connection.ext, "serialization_format", "cdr")


def _why_unreadable(path: Path, error: Exception) -> str:
    if _is_protobuf(path):
        return _PROTOBUF.format(path)
    why = " ".join(str(error).split()) or type(error).__name__
    return f"{path} is no readable ROS 2 bag, perhaps truncated or damaged: {why}"


def _is_protobuf(path: Path) -> bool:
    """Look for "protobuf" at both ends of the MCAP file, where channels are declared."""
    files = sorted(path.glob("*.mcap")) if path.is_dir() else [path]
    for file in files:
        if file.suffix == ".mcap":
            with file.open("rb") as stream:
                head = stream.read(_SNIFFED_BYTES)
                stream.seek(max(0, file.stat().st_size - _SNIFFED_BYTES))
                if b"protobuf" in head or b"protobuf" in stream.read():
                    return True
    return False
