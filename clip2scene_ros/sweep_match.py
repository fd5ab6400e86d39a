"""A cloud with its pose and its images, chosen and not yet decoded."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.sample import Sweep
from clip2scene_core.deskew import SweepMotion, deskew
from clip2scene_ros.assembly import AssembledSweep, Rejection, RejectionKind
from clip2scene_ros.conversions import CalibrationError, ImageError
from clip2scene_ros.matched_image import MatchedImage
from clip2scene_ros.waiting_cloud import WaitingCloud


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

    cloud: WaitingCloud
    T_fixed_lidar: NDArray[np.float64]
    motion: SweepMotion | None
    images: tuple[MatchedImage, ...]
    left_out: tuple[Rejection, ...]
    num_time_jumps: int

    def decode(self, follows_time_jump: bool) -> tuple[AssembledSweep, list[Rejection]]:
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
        assembled = AssembledSweep(
            sweep=Sweep(at_stamp, self.T_fixed_lidar, cloud.at_ns),
            points=points,
            cameras=tuple(views),
            camera_frames=tuple(frames),
            header=cloud.header,
            follows_time_jump=follows_time_jump,
            wait_s=begin_s - cloud.arrived_s,
            decode_s=time.monotonic() - begin_s,
        )
        return assembled, left_out
