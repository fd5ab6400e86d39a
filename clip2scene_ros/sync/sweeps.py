"""The records of synchronization: its options, the sweep that comes out, and rejections."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.sample import CameraView, Sweep
from clip2scene_ros.messages.decode import INTENSITY, bare_frame
from clip2scene_ros.sync.intensity import AUTO, check_intensity_scale
from clip2scene_ros.sync.poses import POSE_SOURCES
from clip2scene_ros.sync.sensor_frame import CloudPlacement
from clip2scene_ros.sync.topics import IMAGE_KINDS

ZERO_STAMPS: Final = ("reject", "arrival")
MISSING_POSES: Final = ("drop", "single")


class RejectionKind(str, Enum):
    """Why a message or a camera of a sweep was left out."""

    BAD_CLOUD = "bad cloud"
    ZERO_STAMP = "zero stamp"
    WRONG_STAMP = "wrong stamp"
    NO_POSE = "no pose"
    NO_EXTRINSICS = "no extrinsics"
    CAMERA = "camera left out"
    TOO_FEW_CAMERAS = "too few cameras"
    UNCALIBRATED = "camera not calibrated"
    EXTRINSICS_MOVED = "extrinsics moved"
    BAD_TRANSFORM = "bad transform"
    TIME_JUMP = "time jump"
    BEFORE_JUMP = "from before a time jump"
    OVERTAKEN = "overtaken by a newer sweep"


@dataclass(frozen=True)
class Rejection:
    """A message or a camera view that was left out.

    Attributes:
        kind: What the rejections are counted by.
        reason: One line for people: topic, stamp, frames, what to do.
        camera: Name of the camera; "" if it was no camera's message or view.
    """

    kind: RejectionKind
    reason: str
    camera: str = ""


@dataclass(frozen=True)
class SyncOptions:
    """How messages become sweeps.

    Attributes:
        fixed_frame: Frame of the map.
        base_frame: Frame of the robot; its pose in the fixed frame is known.
        pose_source: "tf", "odometry", or "none": each sweep stands alone, in its own frame.
        cameras: Names of the profile's cameras to wait for; none in mode "lidar".
        tolerance_s: Largest difference between the stamps of a sweep and its image, in seconds.
        max_wait_s: Longest wait of a sweep for images, in seconds. It is longer than the tolerance,
            so that it affects nothing but the latency.
        pose_wait_s: Longest wait of a sweep for a pose at or after its stamp, in seconds.
        on_missing_pose: What happens to a sweep whose pose did not come: "drop", or "single": it is
            labelled without cameras and does not enter the map.
        sensor_frame: Frame of the LiDAR that clouds are labelled for, if they come in another one;
            "" finds it, see `SensorFrames`.
        intensity_scale: The LiDAR's largest intensity, or "auto": see `IntensityScale`.
        intensity_field: Field of the cloud that holds the intensity.
        zero_stamp: What happens to a message with stamp 0: "reject" or "arrival", which takes the
            time of arrival.
        stamp_offset_s: Added to the stamps of clouds, in seconds, for a LiDAR whose clock is off;
            their headers stay as they are.
        extrinsics_file: YAML file of rigid transforms, if there is no /tf_static.
        rigid_extrinsics: True for sensors that do not move on the robot: their extrinsics are
            looked up once, at the newest transform, and checked. False looks them up at the stamps.
        camera_info_url: Calibration files (see `load_camera_infos`) in place of CameraInfo topics;
            "" for none.
        image_kind: What the images are, "auto", "rectified" or "raw"; see `is_rectified`.
        frame_overrides: Frames in place of those in the headers, see `parse_frame_overrides`.
        deskew: Undo the LiDAR's motion within a sweep; clouds need a time per point.
        with_colors: Read red, green, blue of the points, for a student that was trained with them;
            a cloud without is rejected.
    """

    fixed_frame: str = "map"
    base_frame: str = "base_link"
    pose_source: str = "tf"
    cameras: tuple[str, ...] = ()
    tolerance_s: float = 0.06
    max_wait_s: float = 0.1
    pose_wait_s: float = 1.0
    on_missing_pose: str = "drop"
    sensor_frame: str = ""
    intensity_scale: float | str = AUTO
    intensity_field: str = INTENSITY
    zero_stamp: str = "reject"
    stamp_offset_s: float = 0.0
    extrinsics_file: Path | None = None
    rigid_extrinsics: bool = True
    camera_info_url: str = ""
    image_kind: str = "auto"
    frame_overrides: tuple[str, ...] = ()
    deskew: bool = False
    with_colors: bool = False

    def __post_init__(self) -> None:
        for name in ("fixed_frame", "base_frame"):
            object.__setattr__(self, name, bare_frame(getattr(self, name)))
        if self.pose_source not in POSE_SOURCES:
            raise ValueError(
                f"pose_source must be one of {', '.join(POSE_SOURCES)}, got {self.pose_source!r}"
            )
        if self.on_missing_pose not in MISSING_POSES:
            raise ValueError(
                f"on_missing_pose must be one of {', '.join(MISSING_POSES)}, "
                f"got {self.on_missing_pose!r}"
            )
        if self.deskew and self.pose_source == "none":
            raise ValueError("deskew needs poses, but pose_source is 'none'; choose tf or odometry")
        if self.image_kind not in IMAGE_KINDS:
            raise ValueError(
                f"image_kind must be one of {', '.join(IMAGE_KINDS)}, got {self.image_kind!r}"
            )
        if self.zero_stamp not in ZERO_STAMPS:
            raise ValueError(
                f"zero_stamp must be one of {', '.join(ZERO_STAMPS)}, got {self.zero_stamp!r}"
            )
        if not (self.tolerance_s >= 0 and self.max_wait_s >= 0 and self.pose_wait_s >= 0):
            raise ValueError("tolerance_s, max_wait_s and pose_wait_s must be seconds, 0 or more")
        if not math.isfinite(self.tolerance_s):
            raise ValueError(f"tolerance_s must be finite, got {self.tolerance_s}")
        if not math.isfinite(self.stamp_offset_s):
            raise ValueError(f"stamp_offset must be a number of seconds, got {self.stamp_offset_s}")
        check_intensity_scale(self.intensity_scale)
        if not self.intensity_field:
            raise ValueError(f"intensity_field must name a field, such as '{INTENSITY}'")

    def with_waits_of(self, other: SyncOptions) -> SyncOptions:
        """Take tolerance, waits and `on_missing_pose` from others."""
        return replace(
            self,
            tolerance_s=other.tolerance_s,
            max_wait_s=other.max_wait_s,
            pose_wait_s=other.pose_wait_s,
            on_missing_pose=other.on_missing_pose,
        )


@dataclass(frozen=True)
class SynchronizedSweep:
    """A sweep with its pose and its camera views, ready to be labelled.

    Attributes:
        sweep: N points in the order of the cloud and the frame of its sensor; `T_global_lidar`
            holds T_fixed_lidar, or NaN if the pose is missing and `on_missing_pose` is "single".
            With `deskew` the points are where they would have been measured at the stamp.
        points: (N, 4) float32 points as they were sent, (N, 7) with colors; the labelled cloud
            holds these.
        cameras: Views within the tolerance, in the order of the options.
        camera_frames: Name of the frame of each view.
        header: std_msgs/Header of the cloud, with the overriding frame if there is one; the
            labelled cloud has the same.
        placement: How the points came to the sensor's frame.
        intensity_scale: What the intensities were divided by; outputs multiply by it.
        intensity_note: Why the scale may be wrong, for people; "" if nothing speaks against it.
        missing_intensity: That the cloud has no intensity, for people; "" if it has.
        follows_time_jump: Time ran backwards since the sweep before; the map must be forgotten.
        wait_s: Seconds from the cloud's arrival until it is decoded, by a steady clock.
        decode_s: Seconds that decoding the cloud and its images took.
    """

    sweep: Sweep
    points: NDArray[np.float32]
    cameras: tuple[CameraView, ...]
    camera_frames: tuple[str, ...]
    header: Any
    placement: CloudPlacement
    intensity_scale: float
    intensity_note: str
    missing_intensity: str
    follows_time_jump: bool
    wait_s: float
    decode_s: float
