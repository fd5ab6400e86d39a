"""The sweeps of a bag, each with its pose and its camera views, in order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rosbags.interfaces import Connection

from clip2scene_ros.bags.io import read_messages
from clip2scene_ros.bags.messages import read_message
from clip2scene_ros.bags.reading.recording import Recording
from clip2scene_ros.bags.segment import feed_latched
from clip2scene_ros.messages.decode import NANOSECONDS, stamp_ns
from clip2scene_ros.sync.inputs import find_input, inputs_of
from clip2scene_ros.sync.sweeps import SynchronizedSweep
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import TF_TYPE

_AHEAD_NS = 2 * NANOSECONDS
"""Known poses are handed over this much before they are needed, and not all at once, because the
synchronizer forgets what is ten seconds older than its newest pose."""


def read_sweeps(
    reader: Recording,
    synchronizer: SweepSynchronizer,
    poses: Sequence[Any] = (),
    others: Mapping[str, Callable[[Any], None]] | None = None,
    progress: Callable[[int, int], None] | None = None,
    is_read: Callable[[str, int], bool] | None = None,
) -> Iterator[SynchronizedSweep]:
    """Replay a bag through a synchronizer.

    All of /tf_static and the first CameraInfo of each camera count from the beginning, as on
    latched topics.

    Args:
        reader: From `open_bag`.
        synchronizer: With the options and topics to use; it keeps what it rejected.
        poses: nav_msgs/Odometry messages by rising stamp, in place of those of the bag; the
            synchronizer takes its poses from odometry.
        others: By topic, what takes the messages of topics that the synchronizer does not take.
        progress: Called with the number of messages read and their total.
        is_read: Of topic and bag time in nanoseconds, whether a message is decoded; None decodes
            all that the synchronizer takes.

    Yields:
        What the synchronizer releases.

    Raises:
        BagError: If the bag is damaged.
    """
    others = others or {}
    inputs = inputs_of(synchronizer)
    feed_latched(reader, inputs)
    num_given, at_ns = 0, reader.start_time
    for index, (connection, at_ns, content) in enumerate(read_messages(reader)):
        while num_given < len(poses) and stamp_ns(poses[num_given].header) <= at_ns + _AHEAD_NS:
            # Past the check of stamps, which takes the first of few poses for a leap.
            synchronizer.poses.add_odometry(poses[num_given])
            num_given += 1
        sync_input = find_input(inputs, connection.topic, connection.msgtype)
        if is_read is not None and not is_read(connection.topic, at_ns):
            pass
        elif sync_input is None:
            if connection.topic in others:
                others[connection.topic](read_message(connection, content))
        elif not (_is_static(connection) or (poses and sync_input.name == "odometry")):
            sync_input.take(read_message(connection, content), at_ns)
        if progress is not None:
            progress(index + 1, reader.message_count)
        while (ready := synchronizer.next_sweep(at_ns)) is not None:
            yield ready
    while (ready := synchronizer.next_sweep(at_ns, is_last=True)) is not None:
        yield ready


def _is_static(connection: Connection) -> bool:
    return connection.msgtype == TF_TYPE and connection.topic.endswith("tf_static")
