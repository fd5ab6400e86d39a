"""Bags of a few clouds, written and read message by message."""

from __future__ import annotations

import numpy as np
import ros_messages
from rosbags.rosbag2 import CompressionFormat, Reader, StoragePlugin, Writer

MS = 1_000_000
START = 5_000 * MS
POINTS = np.array([[1, 1, 0, 9], [-1, 1, 0, 9], [1, -1, 0, 9], [np.nan, 0, 0, 9]], np.float32)


def write_bag(path, messages, storage=StoragePlugin.MCAP, compression=None):
    """Write (topic, milliseconds, message)."""
    writer = Writer(path, version=9, storage_plugin=storage)
    if compression is not None:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, at_ms, message in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(
                    topic, message.__msgtype__, typestore=ros_messages.STORE
                )
            content = ros_messages.STORE.serialize_cdr(message, message.__msgtype__)
            writer.write(connections[topic], START + at_ms * MS, content)
    return path


def small_bag(at_ms=(0, 100), num_poses=2, cloud_topic="/lidar_top"):
    """Clouds, a pose at each of the first stamps, and extrinsics at the end."""
    messages = []
    for index, ms in enumerate(at_ms):
        at_ns = START + ms * MS
        if index < num_poses:
            pose = ros_messages.transforms((at_ns, "map", "base_link", (10 * index, 0, 0)))
            messages.append(("/tf", ms, pose))
        messages.append((cloud_topic, ms, ros_messages.cloud(POINTS, at_ns)))
    extrinsics = ros_messages.transforms((START, "base_link", "lidar_top", (0, 0, 2)))
    return [*messages, ("/tf_static", at_ms[-1], extrinsics)]


def read_raw(path):
    with Reader(path) as reader:
        return [(c.topic, c.msgtype, at_ns, bytes(raw)) for c, at_ns, raw in reader.messages()]


def read_topic(path, topic):
    with Reader(path) as reader:
        wanted = [c for c in reader.connections if c.topic == topic]
        return [
            (at_ns, ros_messages.STORE.deserialize_cdr(raw, c.msgtype))
            for c, at_ns, raw in reader.messages()
            if c in wanted
        ]


def field(cloud, name):
    offset = next(f.offset for f in cloud.fields if f.name == name)
    column = np.ascontiguousarray(cloud.data.reshape(-1, cloud.point_step)[:, offset : offset + 4])
    return column.view(np.uint32 if name == "label" else np.float32)[:, 0]
