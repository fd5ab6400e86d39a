"""Read a labelled bag: its labelled sweeps with views and ground truth, and its maps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.mapping.labelled_map import LabelledMap
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.sample import CameraView, Sweep
from clip2scene_ros.bags.io import BagError, open_bag, read_messages
from clip2scene_ros.bags.labelled_writer import LEGEND_TOPIC, MAP_TOPIC, POINTS_TOPIC
from clip2scene_ros.bags.messages import read_message
from clip2scene_ros.bags.profile import profile_of
from clip2scene_ros.messages.cloud_layouts import MAP_DTYPE, PCL_DTYPE, UNLABELLED_ID
from clip2scene_ros.messages.decode import stamp_ns
from clip2scene_ros.sync.inputs import find_input, inputs_of
from clip2scene_ros.sync.sweeps import SynchronizedSweep, SyncOptions
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import GROUND_TRUTH_SUFFIX


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

    Args:
        bag: Labelled bag with poses on /tf.

    Returns:
        The sweeps in order of time.

    Raises:
        BagError: If the bag cannot be read or holds no labelled cloud.
    """
    published: dict[int, tuple[NDArray[np.uint8], Vocabulary]] = {}
    ground_truth: dict[int, NDArray[np.uint8]] = {}
    synchronized: list[SynchronizedSweep] = []
    vocabulary: Vocabulary | None = None
    with open_bag(bag) as reader:
        profile = profile_of(reader)
        synchronizer = SweepSynchronizer(SyncOptions(cameras=tuple(profile.cameras)), profile)
        inputs = inputs_of(synchronizer)
        for connection, at_ns, content in read_messages(reader):
            message, topic = read_message(connection, content), connection.topic
            sync_input = find_input(inputs, topic, connection.msgtype)
            if sync_input is not None:
                sync_input.take(message, at_ns)
            elif topic == profile.cloud_topic + GROUND_TRUTH_SUFFIX:
                ground_truth[stamp_ns(message.header)] = np.frombuffer(message.data, np.uint8)
            elif topic == LEGEND_TOPIC:
                vocabulary = _vocabulary_of(message.data)
            elif topic == POINTS_TOPIC and vocabulary is not None:
                published[stamp_ns(message.header)] = (_labels_of(message), vocabulary)
            while (ready := synchronizer.next_sweep(at_ns)) is not None:
                synchronized.append(ready)
        while (ready := synchronizer.next_sweep(at_ns, is_last=True)) is not None:
            synchronized.append(ready)
    sweeps = []
    for ready in synchronized:
        at_ns = ready.sweep.stamp_ns
        if at_ns in published:
            labels, vocabulary = published[at_ns]
            sweep = replace(ready.sweep, labels=ground_truth.get(at_ns))
            sweeps.append(LabelledSweep(sweep, ready.cameras, labels, vocabulary))
    if not sweeps:
        raise BagError(f"{bag}: no cloud on {POINTS_TOPIC} belongs to a cloud of the bag")
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
                vocabulary = _vocabulary_of(message.data)
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


def _vocabulary_of(legend: str) -> Vocabulary:
    classes = json.loads(legend)["classes"]
    return Vocabulary(
        tuple(entry["name"] for entry in classes),
        tuple(entry["prompt"] for entry in classes),
        np.array([entry["rgb"] for entry in classes], dtype=np.uint8),
        torch.zeros(len(classes), 0),
    )
