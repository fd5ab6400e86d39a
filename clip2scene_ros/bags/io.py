"""Open bags of any origin, and create bags that appear only when they are complete."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
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
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from clip2scene_core.atomic_write import atomic_folder
from clip2scene_core.renamed import renamed_hint
from clip2scene_ros.bags.reading.chunks import check_chunks
from clip2scene_ros.bags.reading.recording import Recording
from clip2scene_ros.bags.reading.storage import StorageError
from clip2scene_ros.sync.topics import CLOUD_TYPE

_STORAGES: Final = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
_BAG_VERSION: Final = 9
_PROTOBUF: Final = (
    "{}: its messages are encoded as protobuf (as nuscenes2mcap writes them), not as ROS 2 CDR; "
    "make the bag with 'clip2scene bag' from the data set instead"
)


class BagError(ValueError):
    """A bag that cannot be read or written; the message is one line."""


@contextmanager
def open_bag(path: Path) -> Iterator[Recording]:
    """Open a recording of ROS 2 or ROS 1: a folder, or a file of any storage.

    Args:
        path: The bag. What it holds is known from its content, so it needs neither a metadata.yaml
            nor the index that a recorder writes at its end.

    Raises:
        BagError: If it is missing, damaged, no bag, or not in an encoding of ROS.
    """
    if not path.exists():
        raise BagError(f"{path} does not exist{renamed_hint(path)}")
    try:
        check_chunks(path)
        recording = Recording(path)
    except OSError as error:
        raise BagError(f"{path} cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # StorageError among them
        raise BagError(str(error)) from error
    try:
        _refuse_foreign(recording)
        yield recording
    finally:
        recording.close()


def read_messages(
    reader: Recording, connections: Collection[Connection] = ()
) -> Iterator[tuple[Connection, int, bytes]]:
    """Read an open bag in order of bag time.

    Args:
        reader: From `open_bag`.
        connections: The connections to read; () reads all.

    Yields:
        Connection, bag time in nanoseconds, and the serialized message as CDR.

    Raises:
        BagError: If the bag is damaged.
    """
    try:
        yield from reader.messages(connections)
    except StorageError as error:
        raise BagError(str(error)) from error
    except OSError as error:
        raise BagError(f"{reader.path} cannot be read ({error.strerror or error})") from error


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
    plugin = _STORAGES[storage]
    with ExitStack() as files:
        try:
            draft = files.enter_context(atomic_folder(out))
        except OSError as error:
            raise BagError(f"{out} cannot be made ({error.strerror or error})") from error
        # The draft has the bag's name: the file inside is named after it.
        writer = Writer(draft, version=_BAG_VERSION, storage_plugin=plugin)
        if plugin is StoragePlugin.MCAP:
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        with writer:
            yield writer


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


def _refuse_foreign(recording: Recording) -> None:
    """Refuse a recording whose clouds are in another encoding than ROS's."""
    has_cloud = any(connection.msgtype == CLOUD_TYPE for connection in recording.connections)
    if recording.foreign and not has_cloud:
        encodings = ", ".join(sorted(recording.foreign))
        if "protobuf" in recording.foreign:
            raise BagError(_PROTOBUF.format(recording.path))
        raise BagError(
            f"{recording.path}: its messages are encoded as {encodings or 'nothing known'}, not as "
            f"ROS 1 or ROS 2 does; record the topics with ROS"
        )
