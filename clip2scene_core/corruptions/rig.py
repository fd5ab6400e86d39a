"""Corruptions of the sensor rig: wrong extrinsics, wrong clocks, lost cameras."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.corruptions.corruption import CameraLoss, Miscalibration, TimeOffset
from clip2scene_core.geometry.se3 import interpolate, invert, matrix_from_quaternion

_MS_TO_NS = 1_000_000


def misplace(
    T_parent_camera: NDArray[np.float64], error: Miscalibration, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Rotate and move a camera by a calibration error.

    Args:
        T_parent_camera: (4, 4) float64, extrinsics or pose of the camera.
        error: Angle and distance of the error.
        rng: Generator for axis and direction; both are the same for all strengths.

    Returns:
        (4, 4) float64, the wrong extrinsics or pose.
    """
    axis, direction = rng.normal(size=(2, 3))
    half_angle = np.radians(error.angle_deg) / 2
    quaternion = [np.cos(half_angle), *(np.sin(half_angle) * axis / np.linalg.norm(axis))]
    translation = error.distance_m * direction / np.linalg.norm(direction)
    return T_parent_camera @ matrix_from_quaternion(quaternion, translation)


class Motion:
    """Poses of a body over time: interpolated, and extrapolated at constant speed.

    Args:
        stamps_ns: Stamps in nanoseconds, in any order; of equal stamps the last one is used.
        poses: T_global_body at each stamp, (4, 4) float64.

    Raises:
        ValueError: If there are fewer than two different stamps, so that the motion is unknown.
    """

    def __init__(self, stamps_ns: Sequence[int], poses: Sequence[NDArray[np.float64]]) -> None:
        in_order = dict(sorted(zip(stamps_ns, poses, strict=True), key=_stamp))
        if len(in_order) < 2:
            raise ValueError(
                f"a time offset needs poses at two stamps or more to know the motion, got "
                f"{len(in_order)}; read samples with previous sweeps"
            )
        self._stamps_ns = list(in_order)
        self._poses = list(in_order.values())

    def at(self, stamp_ns: int) -> NDArray[np.float64]:
        """T_global_body at a stamp, (4, 4) float64."""
        after = min(max(bisect_right(self._stamps_ns, stamp_ns), 1), len(self._stamps_ns) - 1)
        before_ns, after_ns = self._stamps_ns[after - 1 : after + 1]
        fraction = (stamp_ns - before_ns) / (after_ns - before_ns)
        return interpolate(self._poses[after - 1], self._poses[after], fraction)


def delay(
    T_global_camera: NDArray[np.float64], stamp_ns: int, offset: TimeOffset, motion: Motion
) -> tuple[NDArray[np.float64], int]:
    """Give an image a stamp that is too late, with the pose of the camera at that stamp.

    Args:
        T_global_camera: (4, 4) float64, pose at the true stamp.
        stamp_ns: True stamp, nanoseconds.
        offset: Error of the stamp.
        motion: Motion of any body that is fixed to the camera.

    Returns:
        Pose of the camera at the false stamp, (4, 4) float64, and the false stamp, nanoseconds.
    """
    false_ns = stamp_ns + round(offset.offset_ms * _MS_TO_NS)
    moved = motion.at(false_ns) @ invert(motion.at(stamp_ns))
    return moved @ T_global_camera, false_ns


def lost_cameras(names: Collection[str], loss: CameraLoss, rng: np.random.Generator) -> set[str]:
    """Choose the lost cameras.

    Args:
        names: Names of all cameras.
        loss: Number of lost cameras.
        rng: Generator for the choice. A larger loss loses the same cameras and more.

    Returns:
        Names of the lost cameras.
    """
    return {str(name) for name in rng.permutation(sorted(names))[: loss.num_cameras]}


def _stamp(item: tuple[int, NDArray[np.float64]]) -> int:
    return item[0]
