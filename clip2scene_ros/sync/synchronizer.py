"""Pairs each cloud with its pose and its images: messages in any order in, sweeps out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from clip2scene_core.geometry.transform_tree import TransformError
from clip2scene_ros.messages.decode import NANOSECONDS, CloudError, bare_frame, stamp_ns
from clip2scene_ros.sync.camera_buffer import CameraBuffer
from clip2scene_ros.sync.camera_info_files import load_camera_infos
from clip2scene_ros.sync.extrinsics import POINTS, load_extrinsics, parse_frame_overrides
from clip2scene_ros.sync.intensity import IntensityScale
from clip2scene_ros.sync.pending import (
    MatchedImage,
    PendingCloud,
    SweepMatch,
    Wait,
    are_too_many,
    reasons_to_drop,
)
from clip2scene_ros.sync.poses import NoExtrinsicsError, SensorPoses
from clip2scene_ros.sync.sensor_frame import CloudPlacement, SensorFrames
from clip2scene_ros.sync.stamp_gate import Doubted, StampGate
from clip2scene_ros.sync.sweeps import Rejection, RejectionKind, SynchronizedSweep, SyncOptions
from clip2scene_ros.sync.topics import Profile


class SweepSynchronizer:
    """Pairs each cloud with its pose and its nearest images.

    A cloud is released once its pose can be interpolated and each camera has an image at or after
    its stamp (later images can only be farther away), or once the waits are over. What is released
    depends on stamps alone and not on the order of arrival across topics, so a live graph and a bag
    give the same sweeps.

    All methods may be called from any thread. `now_ns` is the time now in nanoseconds, by one clock
    throughout: ROS time in a node, bag time offline. It bounds the waits and replaces a zero stamp
    if the options say so.

    Args:
        options: How messages become sweeps.
        profile: The topics, for error messages.

    Attributes:
        poses: Where sensors are, as far as messages told.

    Raises:
        ValueError: If an option's camera or frame override is not in the profile.
        ExtrinsicsError: If the extrinsics file cannot be used.
        CalibrationFileError: If a calibration file cannot be used.
    """

    def __init__(self, options: SyncOptions, profile: Profile) -> None:
        profile.check_cameras(options.cameras)
        self.options = options
        self.profile = profile
        self._lock = threading.Lock()
        self.poses = SensorPoses(
            options.fixed_frame, options.base_frame, options.pose_source, options.rigid_extrinsics
        )
        if options.extrinsics_file is not None:
            self.poses.add_static(load_extrinsics(options.extrinsics_file))
        self._sensor_frames = SensorFrames(
            self.poses, options.sensor_frame, options.fixed_frame, options.base_frame
        )
        self._intensity = IntensityScale(options.intensity_scale, options.intensity_field)
        self._waiting: deque[PendingCloud] = deque()
        frames = parse_frame_overrides(options.frame_overrides, profile.cameras)
        self._cloud_frame = frames.get(POINTS)
        infos = load_camera_infos(options.camera_info_url, options.cameras)
        self._cameras = {
            camera: CameraBuffer(
                profile.cameras[camera], frames.get(camera), infos.get(camera), options.image_kind
            )
            for camera in options.cameras
        }
        self._gate = StampGate(self._note_jump, self._note_wrong_stamp)
        self._now_ns = 0
        self._rejections: list[Rejection] = []
        self._num_time_jumps_released = 0

    def change_waits(self, options: SyncOptions) -> None:
        """Take tolerance, waits and `on_missing_pose` from new options; they hold from now on."""
        with self._lock:
            self.options = self.options.with_waits_of(options)

    def on_cloud(self, message: Any, now_ns: int) -> None:
        """Take a sensor_msgs/PointCloud2."""
        topic = self.profile.cloud_topic
        with self._lock:
            at_ns = self._stamp(message, topic, now_ns)
            if at_ns is None:
                return
            if stamp_ns(message.header):
                at_ns += round(self.options.stamp_offset_s * NANOSECONDS)
            cloud = PendingCloud.arrived(
                topic, message, at_ns, now_ns, self._intensity, self._cloud_frame, self.options
            )
            message = Doubted(topic, at_ns, now_ns, partial(self._queue, cloud))
            if not self._gate.admit(message, waits=False):
                self._reject(
                    RejectionKind.BEFORE_JUMP,
                    f"{cloud.where}: it came after others had jumped back",
                )

    def on_image(self, camera: str, message: Any, now_ns: int) -> None:
        """Take a sensor_msgs/Image or CompressedImage; ignored if the camera is not used."""
        if camera not in self._cameras:
            return
        topic = self.profile.cameras[camera].image
        with self._lock:
            at_ns = self._stamp(message, topic, now_ns, camera)
            if at_ns is not None:
                take = partial(self._add_image, camera, at_ns, message)
                self._gate.admit(Doubted(topic, at_ns, now_ns, take))

    def on_camera_info(self, camera: str, message: Any) -> None:
        """Take a sensor_msgs/CameraInfo; ignored if the camera is not used."""
        if camera in self._cameras:
            with self._lock:
                self._cameras[camera].add_info(message)

    def on_tf(self, message: Any, is_static: bool, now_ns: int | None = None) -> None:
        """Take a tf2_msgs/TFMessage of /tf or /tf_static; None takes the time known last."""
        with self._lock:
            for transform in message.transforms:
                parent = bare_frame(transform.header.frame_id)
                edge = f"/tf {parent} -> {bare_frame(transform.child_frame_id)}"
                add = self.poses.add_static_transform if is_static else self.poses.add_transform
                take = partial(self._add_pose, edge, add, transform)
                if is_static:
                    take()
                else:
                    at_ns = stamp_ns(transform.header)
                    self._gate.admit(Doubted(edge, at_ns, now_ns or self._now_ns, take, True))

    def on_odometry(self, message: Any, now_ns: int | None = None) -> None:
        """Take a nav_msgs/Odometry; ignored unless poses come from odometry."""
        if self.options.pose_source != "odometry":
            return
        topic = self.profile.odometry_topic
        with self._lock:
            take = partial(self._add_pose, topic, self.poses.add_odometry, message)
            at_ns = stamp_ns(message.header)
            self._gate.admit(Doubted(topic, at_ns, now_ns or self._now_ns, take, True))

    def next_sweep(self, now_ns: int, is_last: bool = False) -> SynchronizedSweep | None:
        """Release the oldest cloud if it is ready; no cloud is overtaken.

        Args:
            now_ns: Time now, in nanoseconds.
            is_last: No more messages will come, so the cloud need not wait.

        Returns:
            The sweep, or None while the oldest cloud waits or there is none.
        """
        while True:
            with self._lock:
                self._now_ns = now_ns
                if is_last:
                    self._gate.flush()
                match = self._take_oldest(now_ns, is_last)
            if match is None:
                return None
            sweep = self._decode(match)
            if sweep is not None:
                return sweep

    def newest_sweep(self, now_ns: int) -> SynchronizedSweep | None:
        """Release the newest cloud that is ready; drop and count the older ones.

        Args:
            now_ns: Time now, in nanoseconds.

        Returns:
            The sweep, or None while no cloud is ready.
        """
        while True:
            with self._lock:
                match = self._take_newest(now_ns)
            if match is None:
                return None
            sweep = self._decode(match)
            if sweep is not None:
                return sweep

    def skip_newest(self, now_ns: int) -> bool:
        """Drop the cloud that `newest_sweep` would release, undecoded; False if none is ready."""
        with self._lock:
            return self._take_newest(now_ns) is not None

    def take_rejections(self) -> list[Rejection]:
        """Hand over the rejections since the last call."""
        with self._lock:
            moves = self.poses.take_moves()
            self._rejections += [Rejection(RejectionKind.EXTRINSICS_MOVED, move) for move in moves]
            rejections, self._rejections = self._rejections, []
            return rejections

    def clear(self) -> None:
        """Forget clouds, images and poses; calibrations and rigid transforms stay."""
        with self._lock:
            self._forget_messages()
            self._gate.clear()

    def _stamp(self, message: Any, topic: str, now_ns: int, camera: str = "") -> int | None:
        at_ns = stamp_ns(message.header)
        if at_ns != 0:
            return at_ns
        if self.options.zero_stamp == "arrival":
            return now_ns
        self._reject(
            RejectionKind.ZERO_STAMP,
            f"{topic}: the message has the stamp 0, so it has no pose; fix its publisher, or set "
            f"zero_stamp to 'arrival' to take the time of arrival",
            camera,
        )
        return None

    def _queue(self, cloud: PendingCloud) -> None:
        self._waiting.append(cloud)
        while are_too_many(self._waiting):
            oldest = self._waiting.popleft()
            outcome = self._match(oldest, cloud.arrival_ns, is_last=True)
            self._rejections += reasons_to_drop(oldest, outcome, len(self._waiting))

    def _add_image(self, camera: str, at_ns: int, message: Any) -> None:
        tolerance_ns = round(self.options.tolerance_s * NANOSECONDS)
        oldest_ns = self._waiting[0].at_ns - tolerance_ns if self._waiting else None
        self._cameras[camera].add_image(at_ns, message, oldest_ns)

    def _add_pose(self, source: str, add: Callable[[Any], None], message: Any) -> None:
        try:
            add(message)
        except ValueError as error:
            self._reject(RejectionKind.BAD_TRANSFORM, f"{source}: {error}")

    def _note_jump(self, source: str, back_ns: int) -> None:
        """Forget all messages, because time ran backwards."""
        self._reject(
            RejectionKind.TIME_JUMP,
            f"{source}: time ran backwards by {back_ns / NANOSECONDS:.3f} s; "
            f"{len(self._waiting)} waiting clouds, images and poses are forgotten",
        )
        for cloud in self._waiting:
            self._reject(RejectionKind.BEFORE_JUMP, f"{cloud.where}: it was waiting")
        self._forget_messages()

    def _note_wrong_stamp(self, source: str, at_ns: int, was_taken: bool) -> None:
        wrong = [cloud for cloud in self._waiting if (cloud.topic, cloud.at_ns) == (source, at_ns)]
        if was_taken and not wrong:
            return  # it needed no pose and is labelled
        for cloud in wrong:
            self._waiting.remove(cloud)
        camera = next((c for c, b in self._cameras.items() if b.topics.image == source), "")
        where = f"{source} at {at_ns / NANOSECONDS:.6f}"
        reason = f"{where}: the stamp leaps away from those around it, and nothing else does"
        self._reject(RejectionKind.WRONG_STAMP, reason, camera)

    def _forget_messages(self) -> None:
        self._waiting.clear()
        for camera in self._cameras.values():
            camera.clear()
        self.poses.clear()

    def _reject(self, kind: RejectionKind, reason: str, camera: str = "") -> None:
        self._rejections.append(Rejection(kind, reason, camera))

    def _take_oldest(self, now_ns: int, is_last: bool) -> SweepMatch | None:
        while self._waiting:
            outcome = self._match(self._waiting[0], now_ns, is_last)
            if outcome is None:
                return None
            self._waiting.popleft()
            if isinstance(outcome, SweepMatch):
                return outcome
            self._rejections.append(outcome)
        return None

    def _take_newest(self, now_ns: int) -> SweepMatch | None:
        for index in reversed(range(len(self._waiting))):
            outcome = self._match(self._waiting[index], now_ns, is_last=False)
            if isinstance(outcome, Rejection):
                del self._waiting[index]
                self._rejections.append(outcome)
            elif outcome is not None:
                for _ in range(index):
                    self._reject(
                        RejectionKind.OVERTAKEN,
                        f"{self._waiting.popleft().where}: a newer cloud is ready",
                    )
                self._waiting.popleft()
                return outcome
        return None

    def _match(
        self, cloud: PendingCloud, now_ns: int, is_last: bool
    ) -> SweepMatch | Rejection | None:
        """Match a cloud with its pose and images; None while it has to wait."""
        waited_s = (now_ns - cloud.arrival_ns) / NANOSECONDS
        wait = Wait(
            now_ns,
            is_last or waited_s > self.options.max_wait_s,
            is_last or waited_s > self.options.pose_wait_s,
        )
        placement = None
        try:
            placement = self._sensor_frames.place(
                cloud.header.frame_id, cloud.at_ns, now_ns, not wait.is_over_for_poses
            )
            lidar_frame = placement.sensor_frame
            T_fixed_lidar = self.poses.T_fixed_sensor(lidar_frame, lidar_frame, cloud.at_ns, now_ns)
            motion = None
            if self.options.deskew and not placement.is_world_fixed:
                motion = self.poses.sweep_motion(lidar_frame, cloud.at_ns, cloud.span_s, now_ns)
        except CloudError as error:
            return Rejection(RejectionKind.BAD_CLOUD, f"{cloud.where}: {error}")
        except NoExtrinsicsError as error:
            if not wait.is_over_for_poses:
                return None
            return self._without_pose(cloud, placement, RejectionKind.NO_EXTRINSICS, error)
        except TransformError as error:
            if not wait.is_over_for_poses and error.kind != "past":
                return None
            return self._without_pose(cloud, placement, RejectionKind.NO_POSE, error)
        images, left_out = [], []
        for camera in self.options.cameras:
            image = self._match_image(camera, cloud, lidar_frame, wait)
            if image is None:
                return None
            if isinstance(image, str):
                reason = f"{cloud.where}: {camera}: {image}"
                left_out.append(Rejection(RejectionKind.CAMERA, reason, camera))
            else:
                images.append(image)
        num_jumps = self._gate.num_jumps
        return SweepMatch(
            cloud, placement, T_fixed_lidar, motion, tuple(images), tuple(left_out), num_jumps
        )

    def _without_pose(
        self,
        cloud: PendingCloud,
        placement: CloudPlacement | None,
        kind: RejectionKind,
        error: LookupError,
    ) -> SweepMatch | Rejection:
        rejection = Rejection(kind, f"{cloud.where}: {error}")
        if placement is None or self.options.on_missing_pose == "drop":
            return rejection
        # NaN instead of the identity: a point that is placed by this pose must not look right.
        unknown_pose = np.full((4, 4), np.nan)
        num_jumps = self._gate.num_jumps
        return SweepMatch(cloud, placement, unknown_pose, None, (), (rejection,), num_jumps)

    def _match_image(
        self, camera: str, cloud: PendingCloud, lidar_frame: str, wait: Wait
    ) -> MatchedImage | str | None:
        """Find the camera's nearest image; a reason if it has none, None while it may come."""
        buffer = self._cameras[camera]
        if not wait.is_over and not buffer.is_complete(cloud.at_ns):
            return None
        nearest = buffer.nearest(cloud.at_ns, self.options.tolerance_s)
        if isinstance(nearest, str):
            return nearest
        at_ns, message = nearest
        camera_frame = buffer.frame_of(at_ns, message)
        try:
            T_fixed_camera = self.poses.T_fixed_sensor(
                camera_frame, lidar_frame, at_ns, wait.now_ns
            )
        except NoExtrinsicsError as error:
            return str(error) if wait.is_over else None
        except TransformError as error:
            return None if error.kind == "future" and not wait.is_over_for_poses else str(error)
        info, is_rectified = buffer.info_at(at_ns), buffer.is_rectified
        return MatchedImage(
            camera, message, info, is_rectified, camera_frame, T_fixed_camera, at_ns
        )

    def _decode(self, match: SweepMatch) -> SynchronizedSweep | None:
        """Decode points and images without holding the lock; None if the cloud cannot be read."""
        follows_time_jump = match.num_time_jumps != self._num_time_jumps_released
        try:
            sweep, left_out = match.decode(follows_time_jump)
        except CloudError as error:
            with self._lock:
                self._reject(RejectionKind.BAD_CLOUD, f"{match.cloud.where}: {error}")
            return None
        with self._lock:
            self._rejections += left_out
            self._num_time_jumps_released = match.num_time_jumps
        return sweep
