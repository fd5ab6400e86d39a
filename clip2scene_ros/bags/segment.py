"""A bag through the segmenter: labelled clouds, map and legend beside its own untouched topics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, Writer

from clip2scene_core.inference.online import LabelledCloud, MissingCamerasError
from clip2scene_core.mapping.labelled_map import LabelledMap
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.sample import CameraView, Sweep
from clip2scene_ros.bags.io import BagError, create_bag, open_bag, read_messages
from clip2scene_ros.bags.labelled_writer import OWN_TOPICS, LabelledOutput, Viewer
from clip2scene_ros.bags.messages import read_message
from clip2scene_ros.bags.profile import profile_of
from clip2scene_ros.messages.decode import NANOSECONDS
from clip2scene_ros.sync.inputs import find_input, inputs_of
from clip2scene_ros.sync.sweeps import SynchronizedSweep, SyncOptions
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import TF_TYPE, Profile, resolved

_NO_CAMERAS: Final = "no camera for a mode that needs one"


class Engine(Protocol):
    """What labels the sweeps: OnlineSegmenter, or a fake in tests."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The words that the next sweep is labelled with."""

    def segment(self, sweep: Sweep, cameras: Sequence[CameraView] = ()) -> LabelledCloud:
        """Label one sweep."""

    def set_prompts(self, prompts: Sequence[str], names: Sequence[str] | None = None) -> Vocabulary:
        """Change the words."""

    def map(self) -> LabelledMap:
        """Give the labelled voxels."""

    def reset(self) -> None:
        """Forget the map."""


@dataclass(frozen=True)
class ReplayOptions:
    """How a bag is labelled.

    Attributes:
        assembly: How messages become sweeps; None: as the bag's layout says. Without `cameras`,
            `with_cameras` decides.
        with_cameras: Use all cameras of the profile.
        profile: The topics; None chooses them from the bag.
        cloud_topic: The cloud to label, for bags that have several.
        prompt_changes: (seconds after the first labelled sweep, new prompts).
        map_period_s: Seconds of bag time between two maps.
    """

    assembly: SyncOptions | None = None
    with_cameras: bool = False
    profile: Profile | None = None
    cloud_topic: str | None = None
    prompt_changes: Sequence[tuple[float, Sequence[str]]] = ()
    map_period_s: float = 1.0


@dataclass(frozen=True)
class ReplaySummary:
    """What was labelled.

    Attributes:
        num_clouds: Clouds in the bag.
        num_labelled: Clouds that were labelled.
        num_points: Points of the labelled clouds.
        rejections: Number of rejections by kind.
        reasons: The first reason of each kind.
        seconds: Wall time of the whole replay.
        latency_median_ms: From a cloud and its images to its labelled message.
        latency_p95_ms: The same, 95th percentile.
    """

    num_clouds: int
    num_labelled: int
    num_points: int
    rejections: Mapping[str, int]
    reasons: Mapping[str, str]
    seconds: float
    latency_median_ms: float
    latency_p95_ms: float

    @property
    def sweeps_per_second(self) -> float:
        """Labelled clouds per second of wall time."""
        return self.num_labelled / self.seconds


def segment_bag(
    bag: Path,
    out: Path,
    segmenter: Engine,
    options: ReplayOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
    viewer: Viewer | None = None,
) -> ReplaySummary:
    """Label every cloud of a bag and write a bag with the results beside the input's topics.

    The input's messages are copied byte for byte. A labelled cloud has its input's stamp, frame,
    number and order of points.

    Args:
        bag: A ROS 2 bag: folder, .mcap or .db3.
        out: Folder to make.
        segmenter: Labels the sweeps.
        options: How; by default LiDAR alone, poses from /tf.
        progress: Told the number of messages read and their total.
        viewer: Shown every labelled sweep and every map.

    Returns:
        Counts and times.

    Raises:
        BagError: If the bag cannot be read or has no cloud, `out` exists, or no cloud could be
            labelled. Nothing is left at `out`.
        ValueError: If a prompt change is refused by the segmenter.
    """
    options = options or ReplayOptions()
    started = time.perf_counter()
    with open_bag(bag) as reader:
        is_calibrated = options.assembly is not None and bool(options.assembly.camera_info_url)
        profile = options.profile or profile_of(reader, options.cloud_topic, is_calibrated)
        with create_bag(out) as writer:
            replay = _Replay(reader, writer, segmenter, profile, options, viewer)
            replay.feed_static_transforms()
            total = reader.message_count
            for index, (connection, at_ns, content) in enumerate(read_messages(reader)):
                replay.feed(connection, at_ns, content)
                if progress is not None:
                    progress(index + 1, total)
            replay.finish()
            if not replay.latencies_ms:
                raise BagError(f"{bag}: {replay.why_nothing()}")
    return ReplaySummary(
        num_clouds=replay.num_clouds,
        num_labelled=len(replay.latencies_ms),
        num_points=replay.num_points,
        rejections=dict(replay.rejections),
        reasons=replay.reasons,
        seconds=time.perf_counter() - started,
        latency_median_ms=float(np.median(replay.latencies_ms)),
        latency_p95_ms=float(np.percentile(replay.latencies_ms, 95)),
    )


class _Replay:
    """One run of a bag: feeds the synchronizer, labels what it releases, writes everything."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        segmenter: Engine,
        profile: Profile,
        options: ReplayOptions,
        viewer: Viewer | None,
    ) -> None:
        assembly = options.assembly or SyncOptions(**profile.assembly())
        if options.with_cameras and not assembly.cameras:
            assembly = replace(assembly, cameras=tuple(profile.cameras))
        self._reader = reader
        self._segmenter = segmenter
        self._synchronizer = SweepSynchronizer(assembly, profile)
        self._inputs = inputs_of(self._synchronizer)
        self._output = LabelledOutput(writer, assembly, options.map_period_s, viewer)
        self._prompt_changes = sorted(options.prompt_changes, key=lambda change: change[0])
        self._first_sweep_ns: int | None = None
        self._now_ns = reader.start_time
        self.num_clouds = 0
        self.num_points = 0
        self.latencies_ms: list[float] = []
        self.rejections: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}

    def feed_static_transforms(self) -> None:
        """Feed all of /tf_static before anything else, as a latched topic would."""
        static = [c for c in self._reader.connections if _is_static(c)]
        for connection, at_ns, content in read_messages(self._reader, static) if static else ():
            self._inputs["tf_static"].take(read_message(connection, content), at_ns)

    def feed(self, connection: Connection, at_ns: int, content: bytes) -> None:
        """Copy one message, let the synchronizer have it, and label what became ready."""
        if resolved(connection.topic) in OWN_TOPICS:
            return  # of an earlier run
        self._now_ns = at_ns
        self._output.copy(connection, at_ns, content)
        sync_input = find_input(self._inputs, connection.topic, connection.msgtype)
        if sync_input is None or _is_static(connection):
            return
        self.num_clouds += sync_input.name == "lidar"
        sync_input.take(read_message(connection, content), at_ns)
        self._label_ready(is_last=False)

    def finish(self) -> None:
        """Label what still waits, and write the last map."""
        self._label_ready(is_last=True)
        self._count_rejections()
        if self.latencies_ms:
            self._output.write_map(self._segmenter.map, self._now_ns)

    def why_nothing(self) -> str:
        """Say why no cloud was labelled."""
        if self.num_clouds == 0:
            return f"there is no cloud on {self._synchronizer.profile.cloud_topic}"
        reasons = "; ".join(
            f"{count} x {kind}: {self.reasons[kind]}" for kind, count in self.rejections.items()
        )
        return f"none of {self.num_clouds} clouds could be labelled: {reasons}"

    def _label_ready(self, is_last: bool) -> None:
        while True:
            started = time.perf_counter()
            assembled = self._synchronizer.next_sweep(self._now_ns, is_last)
            if assembled is None:
                break
            self._label(assembled, started)
        self._count_rejections()

    def _label(self, assembled: SynchronizedSweep, started: float) -> None:
        if assembled.follows_time_jump:
            self._segmenter.reset()
        self._change_prompts(assembled.sweep.stamp_ns)
        try:
            labelled = self._segmenter.segment(assembled.sweep, assembled.cameras)
        except MissingCamerasError as error:
            self._count(_NO_CAMERAS, str(error))
            return
        cloud = replace(labelled, points=assembled.points)
        self._output.write_cloud(cloud, assembled, self._now_ns)
        self.latencies_ms.append(1000 * (time.perf_counter() - started))
        self.num_points += len(cloud.points)
        self._output.write_due_map(self._segmenter.map, self._now_ns)

    def _change_prompts(self, sweep_ns: int) -> None:
        if self._first_sweep_ns is None:
            self._first_sweep_ns = sweep_ns
        seconds = (sweep_ns - self._first_sweep_ns) / NANOSECONDS
        while self._prompt_changes and seconds >= self._prompt_changes[0][0]:
            self._segmenter.set_prompts(self._prompt_changes.pop(0)[1])

    def _count_rejections(self) -> None:
        for rejection in self._synchronizer.take_rejections():
            self._count(rejection.kind.value, rejection.reason)

    def _count(self, kind: str, reason: str) -> None:
        self.rejections[kind] += 1
        self.reasons.setdefault(kind, reason)


def _is_static(connection: Connection) -> bool:
    return connection.msgtype == TF_TYPE and connection.topic.endswith("tf_static")


@dataclass(frozen=True)
class PromptChange:
    """New words on the way.

    Attributes:
        after_s: Seconds after the first sweep.
        prompts: The new words.
    """

    after_s: float
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class DemoRun:
    """How fast it went.

    Attributes:
        num_labelled: Sweeps that came back labelled.
        sweeps_per_second: Over wall time from the first to the last message.
        latency_median_ms: From handing a cloud over to having its labels.
        latency_p95_ms: The same, 95th percentile.
    """

    num_labelled: int
    sweeps_per_second: float
    latency_median_ms: float
    latency_p95_ms: float
