"""A cloud on its way to a sweep: waiting, then matched with pose and images, then decoded."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.geometry.deskew import SweepMotion, deskew
from clip2scene_core.sample import CameraView, Sweep
from clip2scene_ros.messages.camera_info import CalibrationError, camera_model
from clip2scene_ros.messages.colors import colors_from_cloud
from clip2scene_ros.messages.decode import (
    FLOATS,
    NANOSECONDS,
    ImageError,
    bare_frame,
    image_from_message,
    points_from_cloud,
)
from clip2scene_ros.messages.point_times import point_times
from clip2scene_ros.sync.intensity import IntensityScale
from clip2scene_ros.sync.sensor_frame import CloudPlacement
from clip2scene_ros.sync.sweeps import Rejection, RejectionKind, SynchronizedSweep, SyncOptions

_MAX_WAITING: Final = 100
_MAX_WAITING_BYTES: Final = 2**30


@dataclass(frozen=True)
class PendingCloud:
    """A sensor_msgs/PointCloud2 that waits for its poses and images.

    Attributes:
        topic: Topic that it came on, for error messages.
        message: sensor_msgs/PointCloud2 with N points.
        at_ns: Stamp in nanoseconds.
        arrival_ns: Time of arrival by the synchronizer's clock, in nanoseconds.
        arrived_s: Time of arrival by a steady clock, in seconds.
        intensity: Names the field and divides the intensities.
        header: std_msgs/Header of the message, with the overriding frame if there is one.
        with_colors: Whether points have colors.
    """

    topic: str
    message: Any
    at_ns: int
    arrival_ns: int
    arrived_s: float
    intensity: IntensityScale
    header: Any
    with_colors: bool = False

    @classmethod
    def arrived(
        cls,
        topic: str,
        message: Any,
        at_ns: int,
        now_ns: int,
        intensity: IntensityScale,
        frame_override: str | None,
        options: SyncOptions,
    ) -> PendingCloud:
        """Take a message that arrived now; see the attributes."""
        frame_id = bare_frame(frame_override or message.header.frame_id)
        header = type(message.header)(stamp=message.header.stamp, frame_id=frame_id)
        arrived_s = time.monotonic()
        return cls(topic, message, at_ns, now_ns, arrived_s, intensity, header, options.with_colors)

    @property
    def where(self) -> str:
        """Topic and stamp, for error messages."""
        return f"{self.topic} at {self.at_ns / NANOSECONDS:.6f}"

    @property
    def points(self) -> NDArray[np.float32]:
        """(N, 4) float32 points, or (N, 7) with colors, decoded once.

        Raises:
            CloudError: As `points_from_cloud` and `colors_from_cloud`.
        """
        return self._decoded[0]

    @property
    def intensity_scale(self) -> float:
        """What the points' intensities were divided by.

        Raises:
            CloudError: As `points_from_cloud`.
        """
        return self._decoded[1]

    @property
    def intensity_note(self) -> str:
        """Why the scale may be wrong; "" if nothing speaks against it."""
        return self._decoded[2]

    @property
    def missing_intensity(self) -> str:
        """That the cloud has no intensity; "" if it has."""
        names = [field.name for field in self.message.fields]
        if self.intensity.field in names or not len(self.points):
            return ""
        return (
            f"the cloud has no {self.intensity.field} among {', '.join(names)}: it counts as "
            f"unknown; intensity_field names another field"
        )

    @cached_property
    def _decoded(self) -> tuple[NDArray[np.float32], float, str]:
        points = points_from_cloud(self.message, 1.0, self.intensity.field)
        if self.with_colors:
            points = np.concatenate([points, colors_from_cloud(self.message)], axis=1)
        datatypes = {field.name: field.datatype for field in self.message.fields}
        is_integer = datatypes.get(self.intensity.field, FLOATS[0]) not in FLOATS
        scale = self.intensity.divide(points, is_integer)
        return points, scale, self.intensity.doubt(points, scale)

    @cached_property
    def offsets_s(self) -> NDArray[np.float64]:
        """(N,) float64 time of each point in seconds from the stamp, read once.

        Raises:
            CloudError: As `point_times`.
        """
        return point_times(self.message, self.points)

    @property
    def span_s(self) -> tuple[float, float]:
        """First and last time of the points in seconds from the stamp; they enclose the stamp.

        Raises:
            CloudError: As `point_times`.
        """
        return float(self.offsets_s.min(initial=0.0)), float(self.offsets_s.max(initial=0.0))


@dataclass(frozen=True)
class Wait:
    """How long a cloud has waited.

    Attributes:
        now_ns: Time now, in nanoseconds.
        is_over: The wait for images is over.
        is_over_for_poses: The wait for poses is over.
    """

    now_ns: int
    is_over: bool
    is_over_for_poses: bool


@dataclass(frozen=True)
class MatchedImage:
    """One camera's image for one sweep.

    Attributes:
        camera: Name of the camera.
        message: sensor_msgs/Image or CompressedImage.
        info: sensor_msgs/CameraInfo.
        is_rectified: The image is rectified.
        frame_id: Name of the camera's frame.
        T_fixed_camera: (4, 4) float64 at the image's stamp.
        at_ns: Stamp of the image, in nanoseconds.
    """

    camera: str
    message: Any
    info: Any
    is_rectified: bool
    frame_id: str
    T_fixed_camera: NDArray[np.float64]
    at_ns: int

    def view(self) -> CameraView:
        """Decode the image.

        Raises:
            ImageError: If its bytes do not make a color picture.
            CalibrationError: If its CameraInfo does not calibrate it.
        """
        pixels = image_from_message(self.message)
        intrinsics, lens = camera_model(self.info, pixels.shape[:2], self.is_rectified)
        return CameraView(self.camera, pixels, intrinsics, self.T_fixed_camera, self.at_ns, lens)


@dataclass(frozen=True)
class SweepMatch:
    """A cloud with its pose and its images, not decoded yet.

    Attributes:
        cloud: The cloud.
        placement: How its points come to the sensor's frame.
        T_fixed_lidar: (4, 4) float64 at the cloud's stamp; all NaN if the pose is missing.
        motion: Motion of the LiDAR during the sweep; None does not deskew.
        images: At most one for each camera.
        left_out: Reasons why other cameras have no image or the pose is missing.
        num_time_jumps: Number of backward jumps in time before the cloud came.
    """

    cloud: PendingCloud
    placement: CloudPlacement
    T_fixed_lidar: NDArray[np.float64]
    motion: SweepMotion | None
    images: tuple[MatchedImage, ...]
    left_out: tuple[Rejection, ...]
    num_time_jumps: int

    def decode(self, follows_time_jump: bool) -> tuple[SynchronizedSweep, list[Rejection]]:
        """Decode points and images, bring the points to their sensor's frame, and deskew them.

        Args:
            follows_time_jump: Whether time ran backwards since the sweep before.

        Returns:
            The sweep, and one rejection for each camera that is missing from it.

        Raises:
            CloudError: If the cloud cannot be read.
        """
        begin_s = time.monotonic()
        cloud = self.cloud
        at_stamp = self.placement.to_sensor(cloud.points)
        if self.motion is not None:
            at_stamp = deskew(at_stamp, cloud.offsets_s, self.motion)
        views, frames, left_out = [], [], list(self.left_out)
        for image in self.images:
            try:
                views.append(image.view())
                frames.append(image.frame_id)
            except (ImageError, CalibrationError) as error:
                is_undecoded = isinstance(error, ImageError)
                kind = RejectionKind.CAMERA if is_undecoded else RejectionKind.UNCALIBRATED
                reason = f"{cloud.where}: {image.camera}: {error}"
                left_out.append(Rejection(kind, reason, image.camera))
        synchronized = SynchronizedSweep(
            sweep=Sweep(
                at_stamp,
                self.T_fixed_lidar,
                cloud.at_ns,
                T_base_lidar=self.placement.T_base_sensor,
            ),
            points=cloud.points,
            cameras=tuple(views),
            camera_frames=tuple(frames),
            header=cloud.header,
            placement=self.placement,
            intensity_scale=cloud.intensity_scale,
            intensity_note=cloud.intensity_note,
            missing_intensity=cloud.missing_intensity,
            follows_time_jump=follows_time_jump,
            wait_s=begin_s - cloud.arrived_s,
            decode_s=time.monotonic() - begin_s,
        )
        return synchronized, left_out


def are_too_many(clouds: Collection[PendingCloud]) -> bool:
    """Say whether too many clouds wait, or too large ones."""
    num_bytes = sum(len(cloud.message.data) for cloud in clouds)
    return len(clouds) > _MAX_WAITING or num_bytes > _MAX_WAITING_BYTES


def reasons_to_drop(
    cloud: PendingCloud, outcome: SweepMatch | Rejection | None, num_newer: int
) -> list[Rejection]:
    """Say what a cloud lacked that is dropped because too many wait: a pose, or only its turn.

    Args:
        cloud: The cloud.
        outcome: What it would have become.
        num_newer: Number of clouds that stay.
    """
    if isinstance(outcome, Rejection):
        return [outcome]
    if outcome is not None and np.isnan(outcome.T_fixed_lidar).any():
        return list(outcome.left_out)
    reason = f"{cloud.where}: {num_newer} newer clouds are waiting"
    return [Rejection(RejectionKind.OVERTAKEN, reason)]
