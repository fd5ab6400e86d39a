"""When the messages of a recording were stamped and when they came, without decoding them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_ros.bags.io import read_messages
from clip2scene_ros.bags.reading.recording import Recording
from clip2scene_ros.messages.decode import NANOSECONDS
from clip2scene_ros.sync.topics import resolved

_MAX_FRAME: Final = 255


@dataclass
class TopicTimes:
    """The messages of one topic whose type begins with a std_msgs/Header.

    Attributes:
        stamps: Nanoseconds in the headers, in the order of arrival.
        arrivals: Nanoseconds at which the recorder got them.
        frames: Names of the frames in the headers, each once.
        num_bytes: Of all messages.
    """

    stamps: list[int] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    num_bytes: int = 0

    def __len__(self) -> int:
        return len(self.stamps)

    @property
    def stamps_ns(self) -> NDArray[np.int64]:
        """(N,) int64."""
        return np.array(self.stamps, dtype=np.int64)

    def take_arrivals(self) -> None:
        """Take the time of arrival where the stamp is 0, as `zero_stamp: arrival` does."""
        pairs = zip(self.stamps, self.arrivals, strict=True)
        self.stamps = [stamp or arrival for stamp, arrival in pairs]

    @property
    def lag_s(self) -> float:
        """From stamp to arrival in the median, seconds; stamps of 0 do not count."""
        stamps, arrivals = self.stamps_ns, np.array(self.arrivals, dtype=np.int64)
        is_set = stamps > 0
        return float(np.median(arrivals[is_set] - stamps[is_set])) / 1e9 if is_set.any() else 0.0


def read_times(
    reader: Recording,
    topics: Collection[str],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, TopicTimes]:
    """Read the headers of topics.

    Args:
        reader: From `open_bag`.
        topics: Absolute names; their types begin with a Header.
        progress: Called with the number of messages read and their total.

    Returns:
        The times by topic, also of topics without messages.

    Raises:
        BagError: If the bag is damaged.
    """
    times = {topic: TopicTimes() for topic in topics}
    chosen = [c for c in reader.connections if resolved(c.topic) in times]
    if not chosen:
        return times
    total = sum(connection.msgcount for connection in chosen)
    for index, (connection, at_ns, content) in enumerate(read_messages(reader, chosen)):
        stamp_ns, frame = read_header(content)
        of_topic = times[resolved(connection.topic)]
        of_topic.stamps.append(stamp_ns)
        of_topic.arrivals.append(at_ns)
        of_topic.num_bytes += len(content)
        if frame not in of_topic.frames:
            of_topic.frames.append(frame)
        progress(index + 1, max(total, index + 1))
    return times


def read_header(content: bytes) -> tuple[int, str]:
    """Stamp in nanoseconds and frame of a CDR message that begins with a std_msgs/Header.

    A message that is too short has the stamp 0 and no frame.
    """
    if len(content) < 16:
        return 0, ""
    order = "<" if content[1] & 1 else ">"
    seconds, nanoseconds, length = struct.unpack_from(f"{order}iII", content, 4)
    frame = content[16 : 16 + min(length, _MAX_FRAME)].rstrip(b"\0")
    return seconds * NANOSECONDS + nanoseconds, frame.decode("utf-8", "replace")
