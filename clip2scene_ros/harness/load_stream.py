"""An endless stream of messages with the rates and sizes of a robot, made from a bag."""

from __future__ import annotations

import heapq
import io
import itertools
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_ros.bags.io import BagError, open_bag, read_messages
from clip2scene_ros.bags.messages import STORE, read_message
from clip2scene_ros.bags.profile import profile_of
from clip2scene_ros.messages.decode import NANOSECONDS
from clip2scene_ros.sync.topics import CLOUD_TYPE, INFO_TYPE, ODOMETRY_TYPE, Profile

_IMAGE_TYPE: Final = "sensor_msgs/msg/CompressedImage"
_STAMP: Final = struct.Struct("<iI")
_STAMP_OFFSET: Final = 4  # after the four bytes of CDR; every message here begins with its header
_ODOMETRY_HZ: Final = 50.0
_SPREAD_M: Final = 0.05
_JPEG_QUALITY: Final = 90
_LOOP_GAP_S: Final = 0.05


@dataclass(frozen=True)
class Sending:
    """One serialized message and when to send it.

    Attributes:
        due_s: When to send it, in seconds from the start of the stream.
        topic: Topic to send it on.
        content: CDR bytes.
        stamp_ns: Stamp in nanoseconds; None if the sender stamps it with the time of sending.
    """

    due_s: float
    topic: str
    content: bytes
    stamp_ns: int | None = None

    def stamped(self, at_ns: int) -> bytes:
        """Give the bytes with another stamp, in nanoseconds."""
        content = bytearray(self.content)
        _STAMP.pack_into(content, _STAMP_OFFSET, at_ns // NANOSECONDS, at_ns % NANOSECONDS)
        return bytes(content)


@dataclass(frozen=True)
class LoadStream:
    """An endless stream.

    Attributes:
        profile: Topics of cloud, cameras and odometry.
        types: Message type by topic.
        sendings: Messages in order of time.
        is_simulated: The stamps are simulated time, which the sender publishes on /clock.
    """

    profile: Profile
    types: Mapping[str, str]
    sendings: Iterator[Sending]
    is_simulated: bool


@dataclass(frozen=True)
class LoadOptions:
    """Rates and sizes of a robot's messages.

    Attributes:
        lidar_hz: Clouds per second.
        camera_hz: Images per second of each camera; the cameras take turns.
        num_points: Points of each cloud, of 20 bytes each.
        image_size: Width and height, pixels.
    """

    lidar_hz: float = 20.0
    camera_hz: float = 12.0
    num_points: int = 34720
    image_size: tuple[int, int] = (1600, 900)


def robot_stream(bag: Path, options: LoadOptions) -> LoadStream:
    """Make a robot's full load from the first messages of a bag.

    Clouds are padded with copies of their points, a few centimetres away, and images are enlarged.
    All messages are made before the first one is sent, so that sending costs little.

    Args:
        bag: ROS 2 bag with compressed images, calibrations and odometry.
        options: Rates and sizes.

    Raises:
        BagError: If the bag lacks one of these topics.
    """
    profile, types, first = _first_messages(bag)
    cameras = sorted(profile.cameras.values(), key=lambda topics: topics.image)
    random = np.random.default_rng(0)
    clouds = [
        _padded(message, options.num_points, random) for message in first[profile.cloud_topic]
    ]
    streams = [
        _repeat(
            profile.cloud_topic,
            [_cdr(cloud, CLOUD_TYPE) for cloud in clouds],
            options.lidar_hz,
            0.5,
        ),
        _repeat(
            profile.odometry_topic,
            [_cdr(first[profile.odometry_topic][0], ODOMETRY_TYPE)],
            _ODOMETRY_HZ,
        ),
    ]
    for number, topics in enumerate(cameras):
        phase = number / len(cameras)
        image = _enlarged(first[topics.image][0], options.image_size)
        info = _scaled(first[topics.info][0], options.image_size)
        for topic, content in (
            (topics.info, _cdr(info, INFO_TYPE)),
            (topics.image, _cdr(image, _IMAGE_TYPE)),
        ):
            streams.append(_repeat(topic, [content], options.camera_hz, phase))
    sendings = heapq.merge(*streams, key=lambda sending: sending.due_s)
    return LoadStream(profile, types, sendings, is_simulated=False)


def looped_stream(bag: Path) -> LoadStream:
    """Repeat a bag, as `ros2 bag play --loop` does: the stamps jump back each time.

    Args:
        bag: ROS 2 bag with compressed images, calibrations and odometry.

    Raises:
        BagError: If the bag lacks one of these topics.
    """
    profile, types, _ = _first_messages(bag)
    with open_bag(bag) as reader:
        begin_ns, length_s = reader.start_time, reader.duration / NANOSECONDS + _LOOP_GAP_S
        messages = [
            Sending((at_ns - begin_ns) / NANOSECONDS, c.topic, bytes(raw), stamp_ns=_stamp_of(raw))
            for c, at_ns, raw in read_messages(reader)
            if c.topic in types
        ]
    sendings = (
        Sending(number * length_s + m.due_s, m.topic, m.content, m.stamp_ns)
        for number in itertools.count()
        for m in messages
    )
    return LoadStream(profile, types, sendings, is_simulated=True)


def _first_messages(bag: Path) -> tuple[Profile, dict[str, str], dict[str, list[Any]]]:
    """Profile of the bag, message type by topic, and up to ten first messages by topic."""
    with open_bag(bag) as reader:
        profile = profile_of(reader)
        types = {profile.cloud_topic: CLOUD_TYPE, profile.odometry_topic: ODOMETRY_TYPE}
        for topics in profile.cameras.values():
            types |= {topics.image: _IMAGE_TYPE, topics.info: INFO_TYPE}
        found = {c.topic: c.msgtype for c in reader.connections}
        for topic, message_type in types.items():
            if found.get(topic) != message_type:
                raise BagError(f"{bag} has no {message_type} on {topic}")
        first: dict[str, list[Any]] = {topic: [] for topic in types}
        for connection, _, content in read_messages(reader):
            if connection.topic in first and len(first[connection.topic]) < 10:
                first[connection.topic].append(read_message(connection, content))
    return profile, types, first


def _repeat(topic: str, contents: list[bytes], hz: float, phase: float = 0.0) -> Iterator[Sending]:
    for number in itertools.count():
        yield Sending((number + phase) / hz, topic, contents[number % len(contents)])


def _padded(cloud: Any, num_points: int, random: np.random.Generator) -> Any:
    points: NDArray[np.uint8] = np.frombuffer(cloud.data, np.uint8).reshape(-1, cloud.point_step)
    rows = np.resize(np.arange(len(points)), num_points)
    padded = points[rows]
    xyz = padded[:, :12].copy().view("<f4")
    xyz[len(points) :] += random.normal(0, _SPREAD_M, xyz[len(points) :].shape)
    padded[:, :12] = xyz.view(np.uint8)
    cloud.height, cloud.width = 1, num_points
    cloud.row_step, cloud.data = padded.size, padded.reshape(-1)
    return cloud


def _enlarged(image: Any, size: tuple[int, int]) -> Any:
    picture = Image.open(io.BytesIO(image.data.tobytes())).resize(size, Image.Resampling.BICUBIC)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=_JPEG_QUALITY)
    image.data = np.frombuffer(content.getvalue(), np.uint8)
    return image


def _scaled(info: Any, size: tuple[int, int]) -> Any:
    scale = np.array([size[0] / info.width] * 3 + [size[1] / info.height] * 3 + [1.0] * 3)
    info.k = np.asarray(info.k) * scale
    info.p = (np.asarray(info.p).reshape(3, 4) * scale[::3, None]).reshape(-1)
    info.width, info.height = size
    return info


def _cdr(message: Any, message_type: str) -> bytes:
    return bytes(STORE.serialize_cdr(message, message_type))


def _stamp_of(content: bytes | memoryview) -> int:
    seconds, nanoseconds = _STAMP.unpack_from(content, _STAMP_OFFSET)
    return int(seconds) * NANOSECONDS + int(nanoseconds)
