"""Label a bag: prompts and options in, a bag with labelled clouds, map and legend out.

`segment_bag` replays every message into a synchronizer and labels each sweep that it releases.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Writer

from clip2scene_core.inference.online import MissingCamerasError, OnlineSegmenter
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.preprocessing.statistics import kind_of_note
from clip2scene_ros.bags.io import BagError, create_bag, open_bag, read_messages
from clip2scene_ros.bags.labelled_writer import OWN_TOPICS, LabelledWriter, Viewer
from clip2scene_ros.bags.messages import read_message
from clip2scene_ros.bags.profile import profile_of, require_cameras
from clip2scene_ros.bags.reading.recording import Recording
from clip2scene_ros.labelling import SensorFacts, describe_sensor, label_sweep, lasting_notes
from clip2scene_ros.messages.decode import NANOSECONDS
from clip2scene_ros.sync.inputs import SyncInput, find_input, inputs_of
from clip2scene_ros.sync.sweeps import SynchronizedSweep, SyncOptions
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import INFO_TYPE, TF_TYPE, Profile, resolved

_NO_CAMERAS: Final = "no camera for a mode that needs one"
_SHOWN_REASONS: Final = 3


@dataclass(frozen=True)
class PromptChange:
    """New prompts during a replay.

    Attributes:
        after_s: Seconds from the stamp of the first sweep to that of the first sweep with the new
            prompts.
        prompts: C texts.
    """

    after_s: float
    prompts: Sequence[str]


@dataclass(frozen=True)
class ReplayOptions:
    """How a bag is labelled.

    Attributes:
        sync: How messages become sweeps; None takes what the bag's layout says.
        with_cameras: Use all cameras of the profile if `sync` names none.
        profile: The topics; None chooses them from the bag.
        cloud_topic: The cloud to label, for bags that have several.
        prompt_changes: In any order.
        map_period_s: Seconds of bag time between two maps.
    """

    sync: SyncOptions | None = None
    with_cameras: bool = False
    profile: Profile | None = None
    cloud_topic: str | None = None
    prompt_changes: Sequence[PromptChange] = ()
    map_period_s: float = 1.0


@dataclass(frozen=True)
class ReplaySummary:
    """What a replay has labelled, and how fast.

    Attributes:
        num_clouds: Clouds in the bag.
        num_points: Points of the labelled clouds, with a label or without.
        latencies_ms: From each labelled cloud to its labelled message, in milliseconds of wall
            time.
        seconds: Wall time of the whole replay.
        rejections: Number of rejections by kind.
        reasons: The commonest reasons of each kind, each with its first example.
        sensor: What the last labelled sweep says of its sensor; None if a node labelled.
        notes: What of the bag was not read, and what is odd about at least half of the sweeps.
    """

    num_clouds: int
    num_points: int
    latencies_ms: Sequence[float]
    seconds: float
    rejections: Mapping[str, int]
    reasons: Mapping[str, str]
    sensor: SensorFacts | None = None
    notes: tuple[str, ...] = ()

    @property
    def num_labelled(self) -> int:
        """Clouds that were labelled."""
        return len(self.latencies_ms)

    @property
    def sweeps_per_second(self) -> float:
        """Labelled clouds per second of wall time."""
        return self.num_labelled / self.seconds

    @property
    def latency_median_ms(self) -> float:
        """Median of the latencies, in milliseconds."""
        return float(np.median(self.latencies_ms))

    @property
    def latency_p95_ms(self) -> float:
        """95th percentile of the latencies, in milliseconds."""
        return float(np.percentile(self.latencies_ms, 95))


def segment_bag(
    bag: Path,
    out: Path,
    segmenter: OnlineSegmenter,
    options: ReplayOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
    viewer: Viewer | None = None,
) -> ReplaySummary:
    """Label every cloud of a bag and write a bag with the results beside the input's topics.

    The input's messages are copied byte for byte. A labelled cloud has its input's stamp, frame,
    number and order of points.

    Args:
        bag: See `open_bag`.
        out: Folder to make.
        segmenter: Labels the sweeps.
        options: By default LiDAR alone, with poses from /tf.
        progress: Called with the number of messages read and their total.
        viewer: Shown every labelled sweep and every map.

    Returns:
        Counts and times.

    Raises:
        BagError: If the bag cannot be read or has no cloud, `out` exists, no point could be
            labelled, or no camera served a mode that uses cameras. Nothing is left at `out`.
        ValueError: If a prompt change is refused by the segmenter.
    """
    options = options or ReplayOptions()
    started = time.perf_counter()
    with open_bag(bag) as reader:
        is_calibrated = options.sync is not None and bool(options.sync.camera_info_url)
        profile = options.profile or profile_of(reader, options.cloud_topic, is_calibrated)
        require_cameras(bag, profile, segmenter.options.mode)
        with create_bag(out) as writer:
            replay = _Replay(reader, writer, segmenter, profile, options, viewer)
            feed_latched(reader, replay.inputs)
            total = reader.message_count
            for index, (connection, at_ns, content) in enumerate(read_messages(reader)):
                replay.feed(connection, at_ns, content)
                if progress is not None:
                    progress(index + 1, total)
            replay.finish()
            if nothing := replay.why_nothing():
                raise BagError(f"{bag}: {nothing}")
    return ReplaySummary(
        replay.num_clouds,
        replay.num_points,
        replay.latencies_ms,
        time.perf_counter() - started,
        dict(replay.rejections),
        replay.reasons,
        replay.sensor_facts[-1],
        (*reader.notes, *lasting_notes(replay.sensor_facts)),
    )


class _Replay:
    """One run of a bag: feeds the synchronizer, labels what it releases, writes everything."""

    def __init__(
        self,
        reader: Recording,
        writer: Writer,
        segmenter: OnlineSegmenter,
        profile: Profile,
        options: ReplayOptions,
        viewer: Viewer | None,
    ) -> None:
        sync = options.sync or SyncOptions(**profile.sync_options())
        uses_cameras = options.with_cameras or segmenter.options.mode != "lidar"
        if uses_cameras and not sync.cameras:
            sync = replace(sync, cameras=tuple(profile.cameras))
        sync = replace(sync, with_colors=segmenter.reads_colors)
        self._segmenter = segmenter
        self._synchronizer = SweepSynchronizer(sync, profile)
        self.inputs = inputs_of(self._synchronizer)
        self._output = LabelledWriter(writer, sync, options.map_period_s, viewer)
        self._prompt_changes = sorted(options.prompt_changes, key=lambda change: change.after_s)
        self._first_sweep_ns: int | None = None
        self._now_ns = reader.start_time
        self.num_clouds = 0
        self.num_points = 0
        self.latencies_ms: list[float] = []
        self._num_labelled_points = 0
        self._num_views = 0
        self.sensor_facts: list[SensorFacts] = []
        self.rejections: Counter[str] = Counter()
        self._reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._examples: dict[str, str] = {}

    def feed(self, connection: Connection, at_ns: int, content: bytes) -> None:
        """Copy one message, feed the synchronizer, and label the sweeps that became ready."""
        if resolved(connection.topic) in OWN_TOPICS:
            return  # of an earlier run
        self._now_ns = at_ns
        self._output.copy(connection, at_ns, content)
        sync_input = find_input(self.inputs, connection.topic, connection.msgtype)
        if sync_input is None or _is_static(connection):
            return
        self.num_clouds += sync_input.name == "lidar"
        sync_input.take(read_message(connection, content), at_ns)
        self._label_ready(is_last=False)

    def finish(self) -> None:
        """Label the clouds that still wait, and write the last map."""
        self._label_ready(is_last=True)
        if self.latencies_ms and self._segmenter.options.map_enabled:
            self._output.write_map(self._segmenter.map, self._now_ns)

    def why_nothing(self) -> str:
        """Say why no point was labelled, or no cloud by cameras in mode "fused"; "" if some."""
        mode, num_labelled = self._segmenter.options.mode, len(self.latencies_ms)
        if self.num_clouds == 0:
            return f"there is no cloud on {self._synchronizer.profile.cloud_topic}"
        reasons = "; ".join(
            f"{count} x {kind}: {self.reasons[kind]}" for kind, count in self.rejections.items()
        )
        if num_labelled == 0:
            return f"none of {self.num_clouds} clouds could be labelled: {reasons}"
        if mode == "fused" and self._num_views == 0:
            return (
                f"mode 'fused' uses cameras, but none of {num_labelled} clouds had an image: "
                f"{reasons or 'none came'}; mode 'lidar' does without"
            )
        if self._num_labelled_points == 0:
            notes = "; ".join(filter(None, (*lasting_notes(self.sensor_facts), reasons)))
            return (
                f"none of {self.num_points} points of {num_labelled} clouds got a label: "
                f"{notes or 'look at the ranges, the least confidence and the frame of the clouds'}"
            )
        return ""

    @property
    def reasons(self) -> dict[str, str]:
        """The commonest reasons of each kind, which differ in more than numbers."""
        return {
            kind: "; ".join(
                self._examples[alike] if len(counts) == 1 else f"{count} x {self._examples[alike]}"
                for alike, count in counts.most_common(_SHOWN_REASONS)
            )
            for kind, counts in self._reasons.items()
        }

    def _label_ready(self, is_last: bool) -> None:
        while True:
            started = time.perf_counter()
            synchronized = self._synchronizer.next_sweep(self._now_ns, is_last)
            if synchronized is None:
                break
            self._label(synchronized, started)
        for rejection in self._synchronizer.take_rejections():
            self._count(rejection.kind.value, rejection.reason)

    def _label(self, synchronized: SynchronizedSweep, started: float) -> None:
        self._change_prompts(synchronized.sweep.stamp_ns)
        try:
            cloud = label_sweep(self._segmenter, synchronized, synchronized.cameras)
        except MissingCamerasError as error:
            self._count(_NO_CAMERAS, str(error))
            return
        self._output.write_cloud(cloud, synchronized, self._now_ns)
        self.latencies_ms.append(1000 * (time.perf_counter() - started))
        self.num_points += len(cloud.points)
        self._num_labelled_points += int(np.count_nonzero(cloud.labels != IGNORE_LABEL))
        self._num_views += len(synchronized.cameras)
        options, base_frame = self._segmenter.options, self._synchronizer.options.base_frame
        may_level = options.mode != "camera" and options.level is not False
        told = self._segmenter.input
        self.sensor_facts.append(describe_sensor(cloud, synchronized, base_frame, may_level, told))
        if options.map_enabled:
            self._output.write_due_map(self._segmenter.map, self._now_ns)

    def _change_prompts(self, sweep_ns: int) -> None:
        if self._first_sweep_ns is None:
            self._first_sweep_ns = sweep_ns
        seconds = (sweep_ns - self._first_sweep_ns) / NANOSECONDS
        while self._prompt_changes and seconds >= self._prompt_changes[0].after_s:
            self._segmenter.set_prompts(self._prompt_changes.pop(0).prompts)

    def _count(self, kind: str, reason: str) -> None:
        self.rejections[kind] += 1
        alike = kind_of_note(reason)
        self._reasons[kind][alike] += 1
        self._examples.setdefault(alike, reason)


def feed_latched(reader: Recording, inputs: Mapping[str, SyncInput]) -> None:
    """Feed all of /tf_static and the first CameraInfo of each camera, before anything else.

    Who joins late gets latched messages first. A recorder may have joined late, and a CameraInfo
    that was sent once may lie anywhere in the bag.

    Args:
        reader: From `open_bag`.
        inputs: Of a synchronizer, see `inputs_of`.

    Raises:
        BagError: If the bag is damaged.
    """
    static = [c for c in reader.connections if _is_static(c)]
    for connection, at_ns, content in read_messages(reader, static) if static else ():
        inputs["tf_static"].take(read_message(connection, content), at_ns)
    for connection in reader.connections:
        info = find_input(inputs, connection.topic, connection.msgtype)
        if connection.msgtype == INFO_TYPE and info is not None:
            for _, at_ns, content in islice(read_messages(reader, [connection]), 1):
                info.take(read_message(connection, content), at_ns)


def _is_static(connection: Connection) -> bool:
    return connection.msgtype == TF_TYPE and connection.topic.endswith("tf_static")
