"""A cloud on its way to a sweep: message, stamps, and points once they are asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.geometry.deskew import SweepMotion, deskew
from clip2scene_core.sample import CameraView, Sweep
from clip2scene_ros.messages.decode import (
    NANOSECONDS,
    CalibrationError,
    ImageError,
    image_from_message,
    intrinsics_from_camera_info,
    points_from_cloud,
)
from clip2scene_ros.messages.point_times import point_times
from clip2scene_ros.sync.sweeps import Rejection, RejectionKind, SynchronizedSweep


@dataclass(frozen=True)
class PendingCloud:
    """A sensor_msgs/PointCloud2 that waits for its poses and images.

    Attributes:
        topic: Where it came from.
        message: The cloud.
        at_ns: Its stamp.
        arrival_ns: When it came, by the synchronizer's clock.
        arrived_s: The same by a steady clock.
        intensity_scale: The LiDAR's largest intensity.
        header: The message's own, or one with the frame that overrides its.
    """

    topic: str
    message: Any
    at_ns: int
    arrival_ns: int
    arrived_s: float
    intensity_scale: float
    header: Any

    @property
    def where(self) -> str:
        """Name topic and stamp, for reasons."""
        return f"{self.topic} at {self.at_ns / NANOSECONDS:.6f}"

    @cached_property
    def points(self) -> NDArray[np.float32]:
        """The points, (N, 4); decoded once.

        Raises:
            CloudError: As `points_from_cloud`.
        """
        return points_from_cloud(self.message, self.intensity_scale)

    @cached_property
    def offsets_s(self) -> NDArray[np.float64]:
        """Seconds of each point from the stamp, (N,); read once.

        Raises:
            CloudError: As `point_times`.
        """
        return point_times(self.message, self.points)

    @property
    def span_s(self) -> tuple[float, float]:
        """First and last of the points' moments and the stamp, in seconds from the stamp.

        Raises:
            CloudError: As `point_times`.
        """
        return float(self.offsets_s.min(initial=0.0)), float(self.offsets_s.max(initial=0.0))


@dataclass(frozen=True)
class MatchedImage:
    """One camera's image for one sweep.

    Attributes:
        camera: Its name.
        message: sensor_msgs/Image or CompressedImage.
        info: sensor_msgs/CameraInfo.
        frame_id: The camera's frame.
        T_fixed_camera: (4, 4) float64 at the image's stamp.
        at_ns: The image's stamp.
    """

    camera: str
    message: Any
    info: Any
    frame_id: str
    T_fixed_camera: NDArray[np.float64]
    at_ns: int

    def view(self) -> CameraView:
        """Decode the image.

        Raises:
            ImageError: If its bytes do not make an image.
            CalibrationError: If its CameraInfo does not calibrate it.
        """
        pixels = image_from_message(self.message)
        intrinsics = intrinsics_from_camera_info(self.info, pixels.shape[:2])
        return CameraView(self.camera, pixels, intrinsics, self.T_fixed_camera, self.at_ns)


@dataclass(frozen=True)
class SweepMatch:
    """What a sweep is made of.

    Attributes:
        cloud: Its points.
        T_fixed_lidar: (4, 4) float64 at the cloud's stamp; NaN where it is missing.
        motion: How the LiDAR moved while it measured; None leaves the points where they are.
        images: One for each camera that has any.
        left_out: Why the other cameras have none, or the pose is missing.
        num_time_jumps: Backward jumps in time before the cloud came.
    """

    cloud: PendingCloud
    T_fixed_lidar: NDArray[np.float64]
    motion: SweepMotion | None
    images: tuple[MatchedImage, ...]
    left_out: tuple[Rejection, ...]
    num_time_jumps: int

    def decode(self, follows_time_jump: bool) -> tuple[SynchronizedSweep, list[Rejection]]:
        """Decode points and images.

        Args:
            follows_time_jump: Passed on.

        Returns:
            The sweep, and what is missing from it and why.

        Raises:
            CloudError: If the cloud cannot be read.
        """
        begin_s = time.monotonic()
        cloud = self.cloud
        points = cloud.points
        at_stamp = points if self.motion is None else deskew(points, cloud.offsets_s, self.motion)
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
            sweep=Sweep(at_stamp, self.T_fixed_lidar, cloud.at_ns),
            points=points,
            cameras=tuple(views),
            camera_frames=tuple(frames),
            header=cloud.header,
            follows_time_jump=follows_time_jump,
            wait_s=begin_s - cloud.arrived_s,
            decode_s=time.monotonic() - begin_s,
        )
        return synchronized, left_out
