"""Recordings as a data set in nuScenes' format, which every training and evaluation reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.atomic_write import atomic_folder
from clip2scene_core.datasets.nuscenes_format.tokens import token_of
from clip2scene_core.datasets.nuscenes_writer import LIDAR, NuScenesWriter
from clip2scene_core.geometry.se3 import invert, transform_points
from clip2scene_core.geometry.transform_tree import TransformError
from clip2scene_core.preprocessing.levelling import mount_rotation
from clip2scene_core.sample import Sample, Sweep
from clip2scene_ros.bags.io import BagError, open_bag
from clip2scene_ros.bags.keyframes import KeyframeChooser, KeyframeOptions
from clip2scene_ros.bags.pose_track import PoseTrack, sync_along
from clip2scene_ros.bags.profile import profile_of
from clip2scene_ros.bags.sweeps import read_sweeps
from clip2scene_ros.messages.decode import NANOSECONDS, stamp_ns
from clip2scene_ros.sync.poses import NoExtrinsicsError, SensorPoses
from clip2scene_ros.sync.sweeps import SynchronizedSweep, SyncOptions
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import GROUND_TRUTH_SUFFIX, Profile

_MAX_LABELS: Final = 200  # clouds of ground truth that wait for their cloud


@dataclass(frozen=True)
class RecordingOptions:
    """How recordings become a data set.

    Attributes:
        sync: How messages become sweeps, without cameras: all of the profile are used. None takes
            what each recording's layout says.
        cloud_topic: The cloud, for recordings that have several.
        keyframes: Which sweeps become keyframes.
        num_previous: Sweeps before each keyframe that are kept, too.
        scene_s: Length of a scene, seconds. What the teacher says is put together scene by scene,
            and scenes are held out whole.
    """

    sync: SyncOptions | None = None
    cloud_topic: str | None = None
    keyframes: KeyframeOptions = field(default_factory=KeyframeOptions)
    num_previous: int = 0
    scene_s: float = 30.0

    def __post_init__(self) -> None:
        if self.num_previous < 0 or not self.scene_s > 0:
            raise ValueError(
                f"num_previous must be 0 or more and scene_s positive, got {self.num_previous} "
                f"and {self.scene_s}"
            )


@dataclass(frozen=True)
class RecordingSummary:
    """What was written.

    Attributes:
        num_clouds: Sweeps that had a pose, of all recordings.
        num_keyframes: Keyframes.
        num_scenes: Scenes.
        num_images: Camera views of the keyframes.
        num_without_image: Sweeps that would have been keyframes but had no camera view.
        rejections: Number of rejections by kind.
        reasons: The first reason of each kind.
    """

    num_clouds: int
    num_keyframes: int
    num_scenes: int
    num_images: int
    num_without_image: int
    rejections: Mapping[str, int]
    reasons: Mapping[str, str]


def write_dataset(
    bags: Sequence[Path],
    out: Path,
    options: Sequence[RecordingOptions] = (),
    tracks: Sequence[PoseTrack | None] = (),
    progress: Callable[[int, int], None] | None = None,
) -> RecordingSummary:
    """Write recordings as one data set; several recordings are several scenes.

    Clouds are turned so that z points up, if it is known how the LiDAR is mounted: that is how a
    student is given them. Points that are not finite are left out. Without poses
    (`sync.pose_source` is "none") each keyframe is a scene of its own. Where a recording has ground
    truth, only clouds that have it become keyframes.

    Args:
        bags: Recordings with one LiDAR and one camera or more.
        out: Folder to make; it appears when it is complete.
        options: For each recording, how it is read; by default with poses from /tf.
        tracks: For each recording, poses in place of its own, or None.
        progress: Called with the number of messages read and their total, bag by bag.

    Raises:
        BagError: If `out` exists, a recording cannot be read, has no camera, or gives no keyframe.
        OSError: If a file cannot be written.
    """
    options = options or [RecordingOptions()] * len(bags)
    tracks = tracks or [None] * len(bags)
    if out.exists():
        raise BagError(f"{out} exists already; remove it or name another")
    with atomic_folder(out) as root:
        (root / "samples").mkdir(parents=True)
        writer = NuScenesWriter(root, ", ".join(bag.stem for bag in bags))
        recordings = []
        for bag, how, track in zip(bags, options, tracks, strict=True):
            recording = _Recording(writer, bag, how, track)
            recording.write(progress)
            recordings.append(recording)
        writer.close()
    rejections: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    for recording in recordings:
        rejections.update(recording.rejections)
        reasons = {**recording.reasons, **reasons}
    return RecordingSummary(
        sum(recording.num_clouds for recording in recordings),
        writer.num_keyframes,
        writer.num_scenes,
        sum(recording.num_images for recording in recordings),
        sum(recording.num_without_image for recording in recordings),
        dict(rejections),
        reasons,
    )


class _Recording:
    """One recording while it is written."""

    def __init__(
        self,
        writer: NuScenesWriter,
        bag: Path,
        options: RecordingOptions,
        track: PoseTrack | None,
    ) -> None:
        self._writer, self._bag, self._options, self._track = writer, bag, options, track
        self._chooser = KeyframeChooser(options.keyframes)
        self._previous: list[Sweep] = []
        self._has_labels = self._is_alone = False
        self._labels: dict[int, NDArray[np.uint8]] = {}
        self._scene: tuple[str, int] | None = None
        self._num_scenes = 0
        self.num_clouds = 0
        self.num_images = 0
        self.num_without_image = 0
        self.rejections: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}

    def write(self, progress: Callable[[int, int], None] | None) -> None:
        """Write all keyframes."""
        num_before = self._writer.num_keyframes
        with open_bag(self._bag) as reader:
            given = self._options.sync
            is_calibrated = given is not None and bool(given.camera_info_url)
            profile = profile_of(reader, self._options.cloud_topic, is_calibrated)
            if not profile.cameras:
                raise BagError(
                    f"{self._bag}: no camera can be used, so there is nothing to learn from; an "
                    f"image topic needs a CameraInfo topic beside it, or calibration files"
                )
            sync = sync_along(self._track, profile, self._options.sync)
            self._is_alone = sync.pose_source == "none"
            synchronizer = SweepSynchronizer(sync, profile)
            poses = self._track.messages(sync.fixed_frame, sync.base_frame) if self._track else ()
            labels_topic = profile.cloud_topic + GROUND_TRUTH_SUFFIX
            self._has_labels = any(c.topic == labels_topic for c in reader.connections)
            for ready in read_sweeps(
                reader, synchronizer, poses, {labels_topic: self._take_labels}, progress
            ):
                self._take(ready, synchronizer)
        for rejection in synchronizer.take_rejections():
            self.rejections[rejection.kind.value] += 1
            self.reasons.setdefault(rejection.kind.value, rejection.reason)
        if self._writer.num_keyframes == num_before:
            raise BagError(f"{self._bag}: {self._why_nothing(profile)}")

    def _take_labels(self, message: Any) -> None:
        self._labels[stamp_ns(message.header)] = np.frombuffer(message.data, np.uint8)
        if len(self._labels) > _MAX_LABELS:
            del self._labels[min(self._labels)]

    def _take(self, ready: SynchronizedSweep, synchronizer: SweepSynchronizer) -> None:
        self.num_clouds += 1
        if ready.follows_time_jump:
            self._scene, self._previous = None, []
        at_ns, T_base_lidar = ready.sweep.stamp_ns, ready.sweep.T_base_lidar
        labels = self._labels.pop(at_ns, None)
        if labels is not None and len(labels) == len(ready.sweep.points):
            ready = replace(ready, sweep=replace(ready.sweep, labels=labels))
        T_upright_lidar = np.eye(4) if T_base_lidar is None else mount_rotation(T_base_lidar)
        sweep = _upright(ready.sweep, T_upright_lidar)
        may_be_keyframe = ready.cameras and (not self._has_labels or sweep.labels is not None)
        # Without poses each sweep is at its own origin, which says nothing of motion.
        pose = np.full((4, 4), np.nan) if self._is_alone else sweep.T_global_lidar
        if may_be_keyframe and self._chooser.choose(at_ns, pose):
            T_ego_sensor = _extrinsics_of(ready, synchronizer.poses)
            if T_base_lidar is not None:
                T_ego_sensor[LIDAR] = T_base_lidar @ invert(T_upright_lidar)
            scene = self._scene_at(at_ns)
            scene_token = token_of(self._bag.stem, self._scene)
            sample = Sample(
                token_of(scene_token, at_ns),
                scene_token,
                (sweep, *reversed(self._previous)),
                ready.cameras,
            )
            self._writer.add(sample, scene, T_ego_sensor)
            self.num_images += len(ready.cameras)
            self._previous = []
            return
        self.num_without_image += not ready.cameras
        if self._options.num_previous:
            self._previous = [*self._previous, sweep][-self._options.num_previous :]

    def _scene_at(self, at_ns: int) -> str:
        """Name of the scene of a keyframe; after `scene_s` a new one begins."""
        if (
            self._scene is None
            or self._is_alone
            or at_ns - self._scene[1] >= self._options.scene_s * NANOSECONDS
        ):
            self._scene = f"{self._bag.stem}-{self._num_scenes:03d}", at_ns
            self._num_scenes += 1
            self._previous = []
        return self._scene[0]

    def _why_nothing(self, profile: Profile) -> str:
        reasons = "; ".join(
            f"{count} x {kind}: {self.reasons[kind]}" for kind, count in self.rejections.items()
        )
        if self.num_clouds:
            return f"none of {self.num_clouds} clouds has a camera view ({reasons})"
        return f"no cloud on {profile.cloud_topic} has a pose ({reasons or 'there is none'})"


def _extrinsics_of(ready: SynchronizedSweep, poses: SensorPoses) -> dict[str, NDArray[np.float64]]:
    """T_base_camera of the views by camera, as far as they are known."""
    known = {}
    for view, frame in zip(ready.cameras, ready.camera_frames, strict=True):
        with suppress(NoExtrinsicsError, TransformError):  # of a camera in the cloud's own frame
            known[view.name] = poses.T_base_sensor(frame, view.stamp_ns, view.stamp_ns)
    return known


def _upright(sweep: Sweep, T_upright_lidar: NDArray[np.float64]) -> Sweep:
    """Turn a sweep so that z points up, and leave out points that are not finite."""
    is_finite = np.isfinite(sweep.points[:, :3]).all(axis=1)
    points = np.nan_to_num(sweep.points[is_finite])
    points[:, :3] = transform_points(T_upright_lidar, points[:, :3])
    T_global_lidar = sweep.T_global_lidar @ invert(T_upright_lidar)
    labels = None if sweep.labels is None else sweep.labels[is_finite]
    return Sweep(points, T_global_lidar, sweep.stamp_ns, labels)
