"""The files of a recording: which of a folder belong to it, and each opened by its content."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any, Final

from rosbags.interfaces import Connection
from rosbags.rosbag1 import Reader as Reader1
from rosbags.rosbag2.storage_mcap import McapReader
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader

from clip2scene_core.files.text import NOT_YAML, load_yaml, read_text
from clip2scene_ros.bags.reading.mcap_scan import MAGIC as MCAP_MAGIC
from clip2scene_ros.bags.reading.mcap_scan import ScannedMcap
from clip2scene_ros.bags.reading.ros1 import CONVERT_HINT
from clip2scene_ros.bags.reading.storage import Storage, StorageError
from clip2scene_ros.bags.reading.unpack import ZSTD_MAGIC, bound_chunks, unpack_file

METADATA: Final = "metadata.yaml"
MAX_METADATA_BYTES: Final = 16 << 20
"""A larger metadata.yaml is not read; the files say what they hold."""

_SUFFIXES: Final = (".mcap", ".db3", ".bag", ".zstd", ".active")
_SQLITE_MAGIC: Final = b"SQLite format 3\x00"
_ROS1_MAGIC: Final = b"#ROSBAG V"
_LFS_MAGIC: Final = b"version https://git-lfs"


def find_files(path: Path) -> tuple[list[Path], list[str]]:
    """List the files of a recording.

    Args:
        path: A file, or a folder: its metadata.yaml names the files, and without one all files with
            the endings of recordings count, in the order of their numbers.

    Returns:
        The files, and what is odd about them, a line each.

    Raises:
        StorageError: If the folder holds no recording.
        OSError: If the folder cannot be read.
    """
    if path.is_file():
        return [path], []
    present = sorted((p for p in path.iterdir() if _is_recording(p)), key=_natural)
    listed = _listed(path / METADATA)
    if not present and not any((path / name).is_file() for name in listed):
        why = "none of its files is there" if listed else "it has no .mcap, .db3 or .bag file"
        raise StorageError(f"is no recording: {why}")
    files = [path / name for name in listed if (path / name).is_file()]
    if not files:
        names = ", ".join(file.name for file in present)
        lacks = f"{METADATA} names none of them" if listed else f"there is no usable {METADATA}"
        return present, [f"{path}: {lacks}; read {names} (ros2 bag reindex {path} writes it anew)"]
    notes = [
        f"{path / name} is named in {METADATA}, but is not there"
        for name in listed
        if not (path / name).is_file()
    ]
    notes += [
        f"{file} is not named in {METADATA} and is left out (ros2 bag reindex {path} adds it)"
        for file in present
        if not _is_twin(file, files)
    ]
    return files, notes


def open_file(path: Path, folder: Path) -> Storage:
    """Open one file of a recording by its content, whatever it is called.

    Args:
        path: The file.
        folder: Where files can be put until the recording is closed.

    Raises:
        StorageError: If it cannot be read; the message says what to do.
        OSError: If it cannot be opened.
    """
    with path.open("rb") as stream:
        head = stream.read(64)
    if not head:
        raise StorageError("is empty; its recorder has written nothing")
    if head.startswith(ZSTD_MAGIC):
        return open_file(unpack_file(path, folder), folder)
    if head.startswith(MCAP_MAGIC):
        return _open_mcap(path)
    if head.startswith(_SQLITE_MAGIC):
        return _open_sqlite(path, folder)
    if head.startswith(_ROS1_MAGIC):
        return _open_ros1(path)
    if head.startswith(_LFS_MAGIC):
        raise StorageError("is a pointer of Git LFS and not the recording; run git lfs pull")
    known = "an MCAP file, a sqlite3 file of rosbag2, nor a bag of ROS 1"
    if not any(head):
        raise StorageError(f"is neither {known}: it begins with zeros")
    raise StorageError(f"is neither {known}")


class _Opened:
    """A reader of the rosbags library as a `Storage`."""

    def __init__(self, reader: Any, start_ns: int, end_ns: int, remedy: str) -> None:
        self._reader = reader
        self._remedy = remedy
        self.connections: list[Connection] = list(reader.connections)
        self.num_messages = sum(connection.msgcount for connection in self.connections)
        self.start_ns, self.end_ns = start_ns, end_ns - 1
        self.notes: list[str] = []

    def messages(
        self, connections: Collection[Connection]
    ) -> Iterator[tuple[Connection, int, bytes | memoryview]]:
        try:
            yield from self._reader.messages(connections)
        except Exception as error:  # its parsers raise whatever damage provokes
            raise StorageError(_damaged(error, self._remedy)) from error

    def close(self) -> None:
        self._reader.close()


def _open_mcap(path: Path) -> Storage:
    reader = McapReader(path)
    try:
        reader.open()
    except Exception:  # noqa: BLE001  its parsers raise whatever damage provokes
        return _scan_mcap(path)
    if not reader.chunks:  # without an index it insists on the order of time
        reader.close()
        return _scan_mcap(path)
    metadata = reader.metadata
    return _Opened(reader, metadata.start_time, metadata.end_time, _mcap_remedy(path))


def _scan_mcap(path: Path) -> Storage:
    scanned = ScannedMcap(path)
    if scanned.notes and not scanned.num_messages:
        scanned.close()
        raise StorageError(f"is truncated or damaged before its first chunk; {_mcap_remedy(path)}")
    return scanned


def _open_sqlite(path: Path, folder: Path) -> Storage:
    notes = []
    logs = [path.with_name(path.name + ending) for ending in ("-wal", "-journal")]
    logs = [log for log in logs if log.is_file() and log.stat().st_size]
    if logs:
        # The reader ignores both: it would miss what is not in the file yet, or see half a change.
        path = _recover_sqlite(path, logs, folder)
        names = ", ".join(log.name for log in logs)
        notes.append(f"its recorder was killed: {names} beside it was played back in a copy")
    remedy = f"sqlite3 {path} .recover | sqlite3 NEW.db3 saves what is left"
    reader = Sqlite3Reader(path)
    try:
        reader.open()
    except Exception as error:  # its parsers raise whatever damage provokes
        raise StorageError(_damaged(error, remedy)) from error
    opened = _Opened(reader, reader.metadata.start_time, reader.metadata.end_time, remedy)
    opened.notes += notes
    return opened


def _recover_sqlite(path: Path, logs: list[Path], folder: Path) -> Path:
    """Copy a database with its journals, and let sqlite finish or undo what was going on."""
    copy = folder / path.name
    for file in (path, *logs):
        shutil.copyfile(file, folder / file.name)
    try:
        with closing(sqlite3.connect(copy)) as database:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            database.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.Error as error:
        raise StorageError(_damaged(error, f"sqlite3 {path} .recover | sqlite3 NEW.db3")) from error
    return copy


def _open_ros1(path: Path) -> Storage:
    try:
        reader = Reader1(path)
        reader.open()
    except Exception as error:  # its parsers raise whatever damage provokes
        if re.search("not indexed|index looks damaged", str(error)):
            why = "is a bag of ROS 1 whose recorder was killed, or that is cut off"
            raise StorageError(f"{why}; rosbag reindex {path} (ROS 1) repairs it") from error
        raise StorageError(_damaged(error, CONVERT_HINT.format(path))) from error
    bound_chunks(reader.chunks)
    return _Opened(reader, reader.start_time, reader.end_time, CONVERT_HINT.format(path))


def _listed(metadata: Path) -> list[str]:
    """Names of the files in metadata.yaml; [] if it is missing or no metadata."""
    try:
        content = load_yaml(read_text(metadata, MAX_METADATA_BYTES))
        paths = content["rosbag2_bagfile_information"]["relative_file_paths"]
        return [PurePosixPath(path).name for path in paths if isinstance(path, str)]
    except (OSError, *NOT_YAML):
        return []


def _is_recording(path: Path) -> bool:
    return path.suffix in _SUFFIXES and path.is_file() and path.stat().st_size > 0


def _is_twin(path: Path, files: list[Path]) -> bool:
    """Whether a file is among others, itself, packed or unpacked."""
    names = {file.name for file in files}
    return not names.isdisjoint((path.name, f"{path.name}.zstd", path.name.removesuffix(".zstd")))


def _natural(path: Path) -> list[tuple[int, str]]:
    """Key that puts _2 before _10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _mcap_remedy(path: Path) -> str:
    return f"mcap recover {path} -o NEW.mcap saves what is left"


def _damaged(error: Exception, remedy: str) -> str:
    why = " ".join(str(error).split()) or type(error).__name__
    return f"is no readable recording, perhaps truncated or damaged: {why}; {remedy}"
