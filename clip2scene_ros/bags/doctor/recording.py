"""A recording, examined from its topics to its pictures."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.doctor.cost import check_cost
from clip2scene_core.doctor.finding import Finding, note, problem
from clip2scene_core.doctor.keyframes import KeyframeExamination
from clip2scene_core.doctor.motion import Track
from clip2scene_ros.bags.doctor.places import (
    Released,
    check_extrinsics,
    check_places,
    check_rejections,
)
from clip2scene_ros.bags.doctor.times import TopicTimes, read_times
from clip2scene_ros.bags.doctor.topics import check_times, check_topics
from clip2scene_ros.bags.io import BagError, open_bag
from clip2scene_ros.bags.pose_track import PoseTrack, sync_along
from clip2scene_ros.bags.profile import profile_of
from clip2scene_ros.bags.reading.recording import Recording
from clip2scene_ros.bags.sweeps import read_sweeps
from clip2scene_ros.bags.to_dataset import RecordingOptions
from clip2scene_ros.messages.decode import NANOSECONDS
from clip2scene_ros.sync.sweeps import SynchronizedSweep, SyncOptions
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import Profile, resolved

_ALL_IMAGES: Final = 600
"""So many images are all decoded; of more only those around some moments."""
_AROUND_NS: Final = NANOSECONDS // 2

Progress = Callable[[int, int], None]


def unreadable(error: BagError) -> Finding:
    """The finding of a recording that cannot be read, or whose cloud cannot be chosen."""
    remedy = "mend the file as is said there, or record anew"
    if "PointCloud2" in str(error) or "several clouds" in str(error):
        remedy = "name the topic of the cloud with --points-topic"
    return problem("recording", str(error), remedy)


class RecordingExamination:
    """Examines one recording.

    Args:
        bag: The recording.
        options: How it would become a data set; None goes by its layout.
        track: Poses in place of its own.
        num_keyframes: How many keyframes are looked at whole, spread over the recording.

    Attributes:
        findings: What was found.
        keyframes: What the keyframes showed; draws the picture of the projection.
    """

    def __init__(
        self,
        bag: Path,
        options: RecordingOptions | None = None,
        track: PoseTrack | None = None,
        num_keyframes: int = 24,
    ) -> None:
        self._bag = bag
        self._options = options or RecordingOptions()
        self._track = track
        self._num_keyframes = num_keyframes
        self._released = Released()
        self._pictures: list[NDArray[np.uint8]] = []
        self.findings: list[Finding] = []
        self.keyframes = KeyframeExamination()

    def run(
        self,
        teacher: str | None = None,
        cache: Path = Path("."),
        device: str = "cpu",
        progress: Progress = lambda done, total: None,
    ) -> None:
        """Examine it all. What is wrong with the recording is a finding, not an error.

        Args:
            teacher: A CLIP whose pass is timed; None leaves that out.
            cache: Where the teacher's embeddings will be kept.
            device: Of the teacher.
            progress: Called with the number of messages read and their total.

        Raises:
            ValueError: If the teacher cannot be loaded.
        """
        num_images = 0
        try:
            with open_bag(self._bag) as reader:
                given = self._options.sync
                is_calibrated = given is not None and bool(given.camera_info_url)
                profile = profile_of(reader, self._options.cloud_topic, is_calibrated)
                num_images = self._examine(reader, profile, progress)
        except BagError as error:
            self.findings.append(unreadable(error))
        except ValueError as error:  # of files: extrinsics, calibrations
            remedy = "correct the file or the argument"
            self.findings.append(problem("recording", str(error), remedy))
        self.findings += check_cost(
            num_images, self.keyframes.tiles_per_view, self._pictures, cache, teacher, device
        )

    def _examine(self, reader: Recording, profile: Profile, progress: Progress) -> int:
        self.findings += check_topics(reader, profile)
        sync = sync_along(self._track, profile, self._options.sync)
        images = [topics.image for topics in profile.cameras.values()]
        topics = [profile.cloud_topic, *images]
        if sync.pose_source == "odometry" and self._track is None:
            topics.append(profile.odometry_topic)
        times = read_times(reader, topics, progress)
        if sync.zero_stamp == "arrival":
            for of_topic in times.values():
                of_topic.take_arrivals()
        self.findings += check_times(reader, profile, sync, times)
        num_clouds = len(times[profile.cloud_topic])
        if not num_clouds:
            return 0
        moments = self._moments(times, profile, images)
        synchronizer = SweepSynchronizer(sync, profile)
        for ready, track in self._sweeps(reader, synchronizer, images, moments, progress):
            has_views = ready.cameras and ready.sweep.is_located
            if (has_views or not profile.cameras) and self._is_due(num_clouds):
                self.keyframes.add(ready.sweep, ready.cameras, track)
        rejections = synchronizer.take_rejections()
        self.findings += check_rejections(rejections, num_clouds, len(self._released.stamps))
        self.findings += check_extrinsics(synchronizer.poses, profile, sync, times)
        found, num_images = check_places(self._released, profile, sync, self._options, times)
        self.findings += found
        if self.keyframes.num_keyframes:
            self.findings += self.keyframes.findings(None, with_cameras=bool(profile.cameras))
        return num_images

    def _moments(
        self, times: Mapping[str, TopicTimes], profile: Profile, images: list[str]
    ) -> list[int] | None:
        """Bag times around which images are read; None reads all."""
        if sum(len(times[image]) for image in images) <= _ALL_IMAGES:
            return None
        arrivals = times[profile.cloud_topic].arrivals
        count = min(2 * self._num_keyframes, len(arrivals))
        chosen = np.unique(np.linspace(0, len(arrivals) - 1, count).astype(int))
        return sorted(arrivals[index] for index in chosen)

    def _is_due(self, num_clouds: int) -> bool:
        """Whether it is time to look at a sweep whole."""
        if self.keyframes.num_keyframes >= self._num_keyframes:
            return False
        # As many of the keyframes as of the recording have gone by.
        gone = len(self._released.stamps) / num_clouds
        return self.keyframes.num_keyframes <= gone * self._num_keyframes

    def _sweeps(
        self,
        reader: Recording,
        synchronizer: SweepSynchronizer,
        images: list[str],
        moments: list[int] | None,
        progress: Progress,
    ) -> Iterator[tuple[SynchronizedSweep, Track | None]]:
        """Yield each sweep when the one after it is known, too, with the poses around it."""
        sync = synchronizer.options
        poses = self._track.messages(sync.fixed_frame, sync.base_frame) if self._track else ()

        def is_read(topic: str, at_ns: int) -> bool:
            if moments is None or resolved(topic) not in images:
                return True
            near = bisect_left(moments, at_ns - _AROUND_NS)
            return near < len(moments) and moments[near] <= at_ns + _AROUND_NS

        before: SynchronizedSweep | None = None
        around: list[SynchronizedSweep] = []
        for ready in read_sweeps(reader, synchronizer, poses, None, progress, is_read):
            self._note(ready)
            around = [*around[-2:], replace(ready, cameras=(), points=ready.points[:0])]
            if before is not None:
                yield before, self._track_of(around, sync)
            before = ready
        if before is not None:
            yield before, self._track_of(around, sync)

    def _note(self, ready: SynchronizedSweep) -> None:
        released = self._released
        if not released.stamps:
            for text in (ready.intensity_note, ready.missing_intensity):
                if text:
                    remedy = "give intensity_scale or intensity_field, if that is wrong"
                    self.findings.append(note("intensity", text, remedy))
        released.stamps.append(ready.sweep.stamp_ns)
        released.poses.append(ready.sweep.T_global_lidar)
        released.num_points += len(ready.sweep.points)
        for view in ready.cameras:
            released.picture_bytes[view.name] = view.image.nbytes
        self._pictures += [view.image for view in ready.cameras[: 2 - len(self._pictures)]]

    @staticmethod
    def _track_of(around: list[SynchronizedSweep], sync: SyncOptions) -> Track | None:
        if sync.pose_source == "none":
            return None
        sweeps = [ready.sweep for ready in around]
        return Track.of([s.stamp_ns for s in sweeps], [s.T_global_lidar for s in sweeps])
