"""MCAP files written record by record, with what rosbags' writer would never write."""

from __future__ import annotations

import struct
import zlib

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from small_bags import MS, START

from clip2scene_ros.bags.messages import STORE

MAGIC = b"\x89MCAP0\r\n"
NOETIC = get_typestore(Stores.ROS1_NOETIC)
NOETIC.register(
    get_types_from_msg("geometry_msgs/TransformStamped[] transforms\n", "tf2_msgs/msg/TFMessage")
)


def text(value):
    return struct.pack("<I", len(value.encode())) + value.encode()


def record(kind, body):
    return struct.pack("<BQ", kind, len(body)) + body


def message(channel, at_ns, content):
    return record(5, struct.pack("<HIQQ", channel, 0, at_ns, at_ns) + content)


def chunk(records, compression="", size=None, packed=None):
    size = len(records) if size is None else size
    head = struct.pack("<QQQI", 0, 0, size, zlib.crc32(records)) + text(compression)
    packed = records if packed is None else packed
    return record(6, head + struct.pack("<Q", len(packed)) + packed)


def mcap(body, profile="ros2", is_whole=True):
    end = record(15, bytes(4)) + record(2, bytes(20)) + MAGIC if is_whole else b""
    return MAGIC + record(1, text(profile) + text("a recorder")) + body + end


def records_of(messages, is_ros1=False):
    """Declarations and messages of (topic, milliseconds, message), in the given order."""
    records, channels = b"", {}
    for topic, at_ms, content in messages:
        kind = content.__msgtype__
        if topic not in channels:
            number = channels[topic] = len(channels) + 1
            records += record(3, struct.pack("<H", number) + schema_of(kind, is_ros1))
            encoding = "ros1" if is_ros1 else "cdr"
            channel = struct.pack("<HH", number, number) + text(topic) + text(encoding) + text("")
            records += record(4, channel)
        if is_ros1:
            raw = bytes(NOETIC.serialize_ros1(in_ros1(content), kind))
        else:
            raw = bytes(STORE.serialize_cdr(content, kind))
        records += message(channels[topic], START + at_ms * MS, raw)
    return records


def schema_of(kind, is_ros1):
    store, version = (NOETIC, 1) if is_ros1 else (STORE, 2)
    name = kind.replace("/msg/", "/") if is_ros1 else kind
    definition, _ = store.generate_msgdef(kind, ros_version=version)
    return text(name) + text(f"ros{version}msg") + text(definition)


def in_ros1(message):
    """The same message in the classes of ROS 1, whose headers count."""
    kind = message.__msgtype__
    content = STORE.cdr_to_ros1(STORE.serialize_cdr(message, kind), kind)
    return NOETIC.deserialize_ros1(content, kind)
