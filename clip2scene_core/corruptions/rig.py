"""What goes wrong between sensors: calibration, clocks, and cameras that are gone."""

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
    """Turn and move a camera by as much as its calibration is wrong.

    Args:
        T_parent_camera: (4, 4) float64, calibration or pose of the camera.
        error: Angle and distance.
        rng: Axis and direction. A larger error with the same numbers goes the same way.

    Returns:
        (4, 4) float64.
    """
    axis, direction = rng.normal(size=(2, 3))
    half_angle = np.radians(error.angle_deg) / 2
    quaternion = [np.cos(half_angle), *(np.sin(half_angle) * axis / np.linalg.norm(axis))]
    translation = error.distance_m * direction / np.linalg.norm(direction)
    return T_parent_camera @ matrix_from_quaternion(quaternion, translation)


class Motion:
    """Where a body was over time: interpolated, and before and after at constant speed.

    Args:
        stamps_ns: Nanoseconds, in any order; of equal ones the last counts.
        poses: (4, 4) float64 T_global_body at each stamp.

    Raises:
        ValueError: If there are fewer than two different stamps: they show no motion.
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
    """Stamp an image too late, so that it is taken for one from another place.

    Args:
        T_global_camera: (4, 4) float64, true pose at the true stamp.
        stamp_ns: True stamp.
        offset: How much too late.
        motion: Of any body that is fixed to the camera.

    Returns:
        (4, 4) float64 pose of the camera at the false stamp, and that stamp.
    """
    false_ns = stamp_ns + round(offset.offset_ms * _MS_TO_NS)
    moved = motion.at(false_ns) @ invert(motion.at(stamp_ns))
    return moved @ T_global_camera, false_ns


def lost_cameras(names: Collection[str], loss: CameraLoss, rng: np.random.Generator) -> set[str]:
    """Choose the cameras that deliver nothing.

    Args:
        names: Of all cameras.
        loss: How many.
        rng: Which. A larger loss with the same numbers takes the same cameras and more.

    Returns:
        Their names, at most all.
    """
    return {str(name) for name in rng.permutation(sorted(names))[: loss.num_cameras]}


def _stamp(item: tuple[int, NDArray[np.float64]]) -> int:
    return item[0]
