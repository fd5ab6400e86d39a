"""Read a labelled bag: its labelled sweeps with views and ground truth, and its maps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.mapping.labelled_map import LabelledMap
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.sample import CameraView, Sweep
from clip2scene_ros.bags.io import BagError, open_bag, read_messages
from clip2scene_ros.bags.labelled_writer import (
    LEGEND_TOPIC,
    MAP_TOPIC,
    OWN_TOPICS,
    POINTS_TOPIC,
)
from clip2scene_ros.bags.messages import read_message
from clip2scene_ros.bags.profile import profile_of
from clip2scene_ros.bags.reading.recording import Recording
from clip2scene_ros.bags.segment import feed_latched
from clip2scene_ros.messages.cloud_layouts import MAP_DTYPE, PCL_DTYPE, UNLABELLED_ID
from clip2scene_ros.messages.decode import stamp_ns
from clip2scene_ros.sync.inputs import find_input, inputs_of
from clip2scene_ros.sync.sweeps import SynchronizedSweep, SyncOptions
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import CLOUD_TYPE, GROUND_TRUTH_SUFFIX, Profile, resolved

_POSE_WAIT_S: Final = 10.0

_Labels = tuple[NDArray[np.uint8], Vocabulary]
"""(N,) uint8 labels, and their classes."""


@dataclass(frozen=True)
class LabelledSweep:
    """One sweep of a labelled bag.

    Attributes:
        sweep: N points; its `labels` are the ground truth, None if the bag has none.
        cameras: Camera views around its stamp.
        labels: (N,) uint8 labels from the bag, IGNORE_LABEL where a point has none.
        vocabulary: Classes of these labels; its embeddings are empty, because no bag has them.
    """

    sweep: Sweep
    cameras: tuple[CameraView, ...]
    labels: NDArray[np.uint8]
    vocabulary: Vocabulary


def read_labelled_bag(bag: Path) -> list[LabelledSweep]:
    """Read every labelled sweep of a bag that `clip2scene segment` or the demo wrote.

    Poses come from where most sweeps find one, in the frame of the bag's map: /tf or odometry. A
    bag without a map was labelled without poses, and each sweep stands in its own frame.

    Args:
        bag: Labelled bag.

    Returns:
        The sweeps in order of time.

    Raises:
        BagError: If the bag cannot be read or holds no labelled cloud.
    """
    with open_bag(bag) as reader:
        published = _read_published(reader)
        profile = _profile_of_labelled(reader, published)
        best: list[LabelledSweep] = []
        for source in ("tf", "odometry", "none"):
            if source != "none" and not published.fixed_frame:
                continue
            options = SyncOptions(
                fixed_frame=published.fixed_frame or "map",
                pose_source=source,
                cameras=tuple(profile.cameras),
                pose_wait_s=_POSE_WAIT_S,
                zero_stamp="arrival",
            )
            sweeps = _read_sweeps(reader, SweepSynchronizer(options, profile), published)
            best = max(best, sweeps, key=len)
            if len(best) == published.num_clouds:
                break
    if not best:
        raise BagError(f"{bag}: no cloud on {POINTS_TOPIC} belongs to a cloud of the bag")
    return best


@dataclass
class _Published:
    """The labelled clouds of a bag.

    Attributes:
        labels: Labels and their vocabulary by stamp in nanoseconds.
        unstamped: The same of clouds with the stamp 0, in their order.
        fixed_frame: Frame of the map; "" if the bag has no map.
    """

    labels: dict[int, _Labels]
    unstamped: list[_Labels]
    fixed_frame: str

    @property
    def num_clouds(self) -> int:
        return len(self.labels) + len(self.unstamped)


def _read_published(reader: Recording) -> _Published:
    published = _Published({}, [], "")
    vocabulary: Vocabulary | None = None
    own = (POINTS_TOPIC, LEGEND_TOPIC, MAP_TOPIC)
    wanted = [c for c in reader.connections if c.topic in own]
    for connection, _, content in read_messages(reader, wanted) if wanted else ():
        message = read_message(connection, content)
        if connection.topic == LEGEND_TOPIC:
            vocabulary = vocabulary_of(message.data)
        elif connection.topic == MAP_TOPIC:
            published.fixed_frame = message.header.frame_id
        elif vocabulary is not None:
            labels, at_ns = (_labels_of(message), vocabulary), stamp_ns(message.header)
            if at_ns:
                published.labels[at_ns] = labels
            else:
                published.unstamped.append(labels)
    return published


def _profile_of_labelled(reader: Recording, published: _Published) -> Profile:
    """Choose the cloud that was labelled: of several the one with the labelled stamps."""
    stamps: Counter[str] = Counter()
    clouds = [
        connection
        for connection in reader.connections
        if connection.msgtype == CLOUD_TYPE
        and resolved(connection.topic) not in OWN_TOPICS
        and not connection.topic.endswith(GROUND_TRUTH_SUFFIX)
    ]
    if len(clouds) < 2:
        return profile_of(reader)
    for connection, _, content in read_messages(reader, clouds):
        header = read_message(connection, content).header
        stamps[resolved(connection.topic)] += stamp_ns(header) in published.labels
    topic, number = stamps.most_common(1)[0]
    return profile_of(reader, topic if number else None)


def _read_sweeps(
    reader: Recording, synchronizer: SweepSynchronizer, published: _Published
) -> list[LabelledSweep]:
    """Synchronize the bag's clouds and give them their labels."""
    inputs = inputs_of(synchronizer)
    cloud_topic = synchronizer.profile.cloud_topic
    ground_truth: dict[int, NDArray[np.uint8]] = {}
    synchronized: list[SynchronizedSweep] = []
    arrivals_ns: list[int] = []  # of clouds with the stamp 0
    at_ns = 0
    feed_latched(reader, inputs)
    for connection, at_ns, content in read_messages(reader):
        sync_input = find_input(inputs, connection.topic, connection.msgtype)
        if sync_input is not None:
            message = read_message(connection, content)
            sync_input.take(message, at_ns)
            if sync_input.name == "lidar" and stamp_ns(message.header) == 0:
                arrivals_ns.append(at_ns)
        elif resolved(connection.topic) == cloud_topic + GROUND_TRUTH_SUFFIX:
            message = read_message(connection, content)
            ground_truth[stamp_ns(message.header)] = np.frombuffer(message.data, np.uint8)
        while (ready := synchronizer.next_sweep(at_ns)) is not None:
            synchronized.append(ready)
    while (ready := synchronizer.next_sweep(at_ns, is_last=True)) is not None:
        synchronized.append(ready)
    labels_of = dict(published.labels)
    if len(arrivals_ns) == len(published.unstamped):  # else it is not known which were left out
        labels_of |= dict(zip(arrivals_ns, published.unstamped, strict=True))
    sweeps = []
    for ready in synchronized:
        stamp = ready.sweep.stamp_ns
        if stamp in labels_of and len(labels_of[stamp][0]) == len(ready.points):
            labels, vocabulary = labels_of[stamp]
            sweep = replace(ready.sweep, labels=ground_truth.get(stamp))
            sweeps.append(LabelledSweep(sweep, ready.cameras, labels, vocabulary))
    return sweeps


def read_maps(bag: Path) -> Iterator[tuple[LabelledMap, int]]:
    """Read the maps of a labelled bag, or of a recording of the node's topics.

    Args:
        bag: Labelled bag.

    Yields:
        A map and the stamp of the newest sweep in it, in nanoseconds. Its `counts` are 0, because
        no bag has them, and its vocabulary is that of a `LabelledSweep`.

    Raises:
        BagError: If the bag cannot be read.
    """
    vocabulary: Vocabulary | None = None
    with open_bag(bag) as reader:
        wanted = [c for c in reader.connections if c.topic in (MAP_TOPIC, LEGEND_TOPIC)]
        for connection, _, content in read_messages(reader, wanted) if wanted else ():
            message = read_message(connection, content)
            if connection.topic == LEGEND_TOPIC:
                vocabulary = vocabulary_of(message.data)
            elif vocabulary is not None:
                array = np.frombuffer(message.data, MAP_DTYPE)
                points = np.stack([array[name] for name in "xyz"], axis=1)
                counts = np.zeros(len(points), np.int64)
                labels = _labels_of_ids(array["label"])
                scores = array["confidence"]
                labelled_map = LabelledMap(points, labels, scores, counts, vocabulary)
                yield labelled_map, stamp_ns(message.header)


def _labels_of(message: Any) -> NDArray[np.uint8]:
    return _labels_of_ids(np.frombuffer(message.data, PCL_DTYPE)["label"])


def _labels_of_ids(ids: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.where(ids == UNLABELLED_ID, IGNORE_LABEL, ids).astype(np.uint8)


def vocabulary_of(legend: str) -> Vocabulary:
    """Read a legend as the bag has it; its embeddings are empty, because no bag has them."""
    classes = json.loads(legend)["classes"]
    return Vocabulary(
        tuple(entry["name"] for entry in classes),
        tuple(entry["prompt"] for entry in classes),
        np.array([entry["rgb"] for entry in classes], dtype=np.uint8),
        torch.zeros(len(classes), 0),
    )
