"""A labelled bag scan by scan: labels of the bag with the points of their sensor, and poses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.scans import LabelledScan
from clip2scene_ros.bags.io import BagError, open_bag, read_messages
from clip2scene_ros.bags.labelled_reader import vocabulary_of
from clip2scene_ros.bags.labelled_writer import (
    LEGEND_TOPIC,
    MAP_TOPIC,
    OWN_TOPICS,
    POINTS_TOPIC,
)
from clip2scene_ros.bags.messages import read_message
from clip2scene_ros.bags.profile import profile_of
from clip2scene_ros.bags.reading.recording import Recording
from clip2scene_ros.bags.sweeps import read_sweeps
from clip2scene_ros.messages.cloud_layouts import UNLABELLED_ID
from clip2scene_ros.messages.decode import CloudError, fields_from_cloud, stamp_ns
from clip2scene_ros.sync.sweeps import SynchronizedSweep, SyncOptions
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import CLOUD_TYPE, GROUND_TRUTH_SUFFIX, Profile, resolved

_POSE_WAIT_S: Final = 10.0
_MAX_LABELS: Final = 300
_MAX_CLOUDS: Final = 100
"""What waits for its other half: labels until their cloud has a pose, clouds until their labels
come. What waits behind more of the kind never finds it."""

_LABEL_FIELDS: Final = (("label", "confidence"), ("class_id", "probability"))
_NO_LABEL: Final = (UNLABELLED_ID, IGNORE_LABEL)

_Labels = tuple[NDArray[np.uint8], NDArray[np.float32], Vocabulary]


def is_labelled_bag(bag: Path) -> bool:
    """Whether a bag has labelled clouds.

    Raises:
        BagError: If it cannot be read.
    """
    with open_bag(bag) as reader:
        return any(resolved(c.topic) == POINTS_TOPIC for c in reader.connections)


class LabelledBag:
    """A bag that `clip2scene segment`, the demo or a recording of the node's topics left.

    Its clouds are read twice or more before the first scan: to see which were labelled, and which
    source of poses serves most of them. Only labels that wait for their cloud are kept in memory.

    Args:
        bag: See `open_bag`.
        given: Fields of SyncOptions to read it by; "pose_source" is found unless it is given, and
            "fixed_frame" is by default the map's.
        cloud_topic: The cloud that was labelled; by default the one with the labelled stamps.

    Attributes:
        num_labelled: Labelled clouds in the bag.
        pose_source: Where poses are: "tf", "odometry" or "none".
        left_out: Number of labelled clouds that gave no scan, by reason; complete after `scans`.

    Raises:
        BagError: If the bag cannot be read, has no labelled cloud, or none that belongs to a cloud
            of the bag.
    """

    def __init__(
        self, bag: Path, given: Mapping[str, Any] | None = None, cloud_topic: str | None = None
    ) -> None:
        self._bag, self._given = bag, dict(given or {})
        self.left_out: Counter[str] = Counter()
        with open_bag(bag) as reader:
            stamps, self._fixed_frame = self._read_stamps(reader)
            self.num_labelled = len(stamps)
            self._profile = self._choose_cloud(reader, set(stamps), cloud_topic)
            self._key_of = self._keys(reader, stamps)
            self.pose_source, num_found = self._choose_poses(reader)
        if not num_found:
            raise BagError(
                f"{bag}: no cloud on {POINTS_TOPIC} belongs to a cloud on "
                f"{self._profile.cloud_topic}"
            )

    def scans(self, progress: Callable[[int, int], None] | None = None) -> Iterator[LabelledScan]:
        """Read the labelled scans, in the order of the clouds.

        Args:
            progress: Called with the number of messages read and their total.

        Yields:
            Points of the input's cloud in the frame of its sensor, intensities as they were sent;
            poses in the fixed frame, NaN without poses.

        Raises:
            BagError: If the bag is damaged, or a label is none of its legend.
        """
        self.left_out.clear()
        labels: dict[int, _Labels] = {}
        waiting: dict[int, SynchronizedSweep] = {}
        take = _Taker(self._bag, self._key_of, labels)
        others = {LEGEND_TOPIC: take.legend, POINTS_TOPIC: take.points}
        num_matched = 0
        wanted = set(self._key_of.values())
        with open_bag(self._bag) as reader:
            synchronizer = self._synchronizer(self.pose_source)
            for ready in read_sweeps(reader, synchronizer, (), others, progress):
                if ready.sweep.stamp_ns in wanted:
                    _keep(waiting, ready.sweep.stamp_ns, ready, _MAX_CLOUDS)
                for matched in _match(waiting, labels):
                    num_matched += 1
                    yield from self._scan(*matched)
            for matched in _match(waiting, labels):
                num_matched += 1
                yield from self._scan(*matched)
        without = self.num_labelled - num_matched - take.num_before_legend
        if take.num_before_legend:
            self.left_out["before the first legend"] += take.num_before_legend
        if without:
            self.left_out["without a cloud, or a cloud without a pose"] += without

    def _scan(self, ready: SynchronizedSweep, found: _Labels) -> Iterator[LabelledScan]:
        labels, scores, vocabulary = found
        sweep = ready.sweep
        if len(labels) != len(sweep.points):
            self.left_out["with another number of points than its cloud"] += 1
            return
        points = sweep.points[:, :4].copy()
        points[:, 3] *= np.float32(ready.intensity_scale)
        pose = sweep.T_global_lidar
        yield LabelledScan(
            points,
            labels,
            scores,
            vocabulary,
            np.full((4, 4), np.nan) if self.pose_source == "none" else pose,
            sweep.stamp_ns,
            f"{self._bag.stem}/{sweep.stamp_ns}",
            None if ready.missing_intensity else ready.intensity_scale,
            sweep.T_base_lidar,
        )

    def _read_stamps(self, reader: Recording) -> tuple[list[int], str]:
        """Stamps of the labelled clouds, 0 where they have none, and the frame of the map."""
        stamps, fixed_frame = [], ""
        own = [c for c in reader.connections if resolved(c.topic) in (POINTS_TOPIC, MAP_TOPIC)]
        for connection, _, content in read_messages(reader, own) if own else ():
            header = read_message(connection, content).header
            if resolved(connection.topic) == MAP_TOPIC:
                fixed_frame = header.frame_id
            else:
                stamps.append(stamp_ns(header))
        if not stamps:
            raise BagError(
                f"{self._bag} has no labelled cloud on {POINTS_TOPIC}; label it first: clip2scene "
                f"segment"
            )
        return stamps, fixed_frame

    def _choose_cloud(
        self, reader: Recording, stamps: set[int], cloud_topic: str | None
    ) -> Profile:
        clouds = [
            connection
            for connection in reader.connections
            if connection.msgtype == CLOUD_TYPE
            and resolved(connection.topic) not in OWN_TOPICS
            and not connection.topic.endswith(GROUND_TRUTH_SUFFIX)
        ]
        if cloud_topic is None and len({one.topic for one in clouds}) > 1:
            found: Counter[str] = Counter()
            for connection, _, content in read_messages(reader, clouds):
                header = read_message(connection, content).header
                found[resolved(connection.topic)] += stamp_ns(header) in stamps
            topic, number = found.most_common(1)[0]
            cloud_topic = topic if number else None
        return profile_of(reader, cloud_topic)

    def _keys(self, reader: Recording, stamps: list[int]) -> dict[int, int]:
        """Stamp of the sweep by the stamp of the labelled cloud, or by -1, -2 ... without stamp.

        Clouds without a stamp are labelled with the stamp of their arrival; the n-th labelled one
        is the n-th that came, if none was left out.
        """
        keys = {stamp: stamp for stamp in stamps if stamp}
        num_unstamped = stamps.count(0)
        if num_unstamped:
            topic = self._profile.cloud_topic
            clouds = [c for c in reader.connections if resolved(c.topic) == topic]
            arrivals = [
                at_ns
                for connection, at_ns, content in read_messages(reader, clouds)
                if stamp_ns(read_message(connection, content).header) == 0
            ]
            if len(arrivals) == num_unstamped:
                keys |= {-1 - number: at_ns for number, at_ns in enumerate(arrivals)}
        return keys

    def _choose_poses(self, reader: Recording) -> tuple[str, int]:
        """The source of poses that serves most labelled clouds, and how many those are."""
        best = ("none", 0)
        has_frame = self._fixed_frame or "fixed_frame" in self._given
        sources = ("tf", "odometry", "none") if has_frame else ("none",)
        if "pose_source" in self._given:
            sources = (self._given["pose_source"],)
        wanted = set(self._key_of.values())
        for source in sources:
            sweeps = read_sweeps(reader, self._synchronizer(source))
            number = sum(ready.sweep.stamp_ns in wanted for ready in sweeps)
            if number > best[1]:
                best = (source, number)
            if number >= len(wanted):
                break
        return best

    def _synchronizer(self, pose_source: str) -> SweepSynchronizer:
        usual = SyncOptions(
            fixed_frame=self._fixed_frame or "map",
            pose_wait_s=_POSE_WAIT_S,
            zero_stamp="arrival",
        )
        given = {**self._given, "pose_source": pose_source}
        return SweepSynchronizer(replace(usual, **given), self._profile)


class _Taker:
    """Takes legends and labelled clouds while a bag is read."""

    def __init__(self, bag: Path, key_of: Mapping[int, int], labels: dict[int, _Labels]) -> None:
        self._bag, self._key_of, self._labels = bag, key_of, labels
        self._vocabulary: Vocabulary | None = None
        self._num_unstamped = 0
        self.num_before_legend = 0

    def legend(self, message: Any) -> None:
        """Take a legend: what the labelled clouds that follow mean."""
        try:
            self._vocabulary = vocabulary_of(message.data)
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise BagError(f"{self._bag}: {LEGEND_TOPIC} holds no legend: {error}") from error

    def points(self, message: Any) -> None:
        """Take a labelled cloud."""
        stamp = stamp_ns(message.header)
        if stamp == 0:
            self._num_unstamped += 1
            stamp = -self._num_unstamped
        if self._vocabulary is None:
            self.num_before_legend += 1
        elif stamp in self._key_of:
            labels, scores = self._decode(message, len(self._vocabulary))
            found = labels, scores, self._vocabulary
            _keep(self._labels, self._key_of[stamp], found, _MAX_LABELS)

    def _decode(
        self, message: Any, num_classes: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        names = {field.name for field in message.fields}
        fields = next((pair for pair in _LABEL_FIELDS if names.issuperset(pair)), None)
        if fields is None:
            raise BagError(
                f"{self._bag}: a cloud on {POINTS_TOPIC} has no labels, but the fields "
                f"{', '.join(sorted(names))}"
            )
        try:
            array = fields_from_cloud(message, fields).ravel()
        except CloudError as error:
            raise BagError(f"{self._bag}: {POINTS_TOPIC}: {error}") from error
        ids = array[fields[0]].astype(np.int64)
        has_none = np.isin(ids, _NO_LABEL)
        strange = ids[~has_none & ((ids < 0) | (ids >= num_classes))]
        if len(strange):
            raise BagError(
                f"{self._bag}: a cloud on {POINTS_TOPIC} has the label {strange[0]}, but its "
                f"legend has {num_classes} classes"
            )
        labels = np.where(has_none, IGNORE_LABEL, ids).astype(np.uint8)
        return labels, array[fields[1]].astype(np.float32)


def _keep(kept: dict[int, Any], key: int, value: Any, most: int) -> None:
    """Keep a value, and of all values the newest."""
    kept[key] = value
    while len(kept) > most:
        del kept[next(iter(kept))]


def _match(
    waiting: dict[int, SynchronizedSweep], labels: dict[int, _Labels]
) -> Iterator[tuple[SynchronizedSweep, _Labels]]:
    """Take out what has come with both its cloud and its labels, in the order of the clouds."""
    for stamp in [stamp for stamp in waiting if stamp in labels]:
        yield waiting.pop(stamp), labels.pop(stamp)
