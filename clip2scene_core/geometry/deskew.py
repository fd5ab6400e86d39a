"""Motion compensation: move the points of a sweep to the LiDAR frame at one time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.geometry.se3 import quaternion_from_matrix


@dataclass(frozen=True)
class SweepMotion:
    """Motion of the LiDAR during one sweep.

    Attributes:
        offsets_s: (K,) float64, strictly rising, K >= 1: times in seconds from the stamp of the
            sweep.
        T_stamp_moment: (K, 4, 4) float64: pose of the LiDAR frame at each time in the LiDAR frame
            at the stamp.

    Raises:
        ValueError: If the shapes do not fit or the offsets do not rise.
    """

    offsets_s: NDArray[np.float64]
    T_stamp_moment: NDArray[np.float64]

    def __post_init__(self) -> None:
        num_moments = len(self.offsets_s)
        if num_moments == 0 or self.T_stamp_moment.shape != (num_moments, 4, 4):
            raise ValueError(
                f"T_stamp_moment must be (K, 4, 4) for K >= 1 offsets, "
                f"got {self.T_stamp_moment.shape} for {num_moments}"
            )
        if (np.diff(self.offsets_s) <= 0).any():
            raise ValueError("offsets_s must rise strictly")


def deskew(
    points: NDArray[np.float32], time_offsets_s: NDArray[np.float64], motion: SweepMotion
) -> NDArray[np.float32]:
    """Move every point from the LiDAR frame at its time to the LiDAR frame at the stamp.

    Between two times of the motion, the translation is interpolated linearly and the rotation by
    slerp.

    Args:
        points: (N, 4) float32: x, y, z in metres, each in the LiDAR frame at the time of the point,
            and intensity.
        time_offsets_s: (N,) float64 times of the points, in seconds from the stamp of the sweep.
        motion: Motion of the LiDAR; it must cover all these times.

    Returns:
        (N, 4) float32 in the same order, in the LiDAR frame at the stamp. Points that are not
        finite stay not finite.

    Raises:
        ValueError: If the lengths differ, or a time is outside the motion; there is no
            extrapolation.
    """
    if time_offsets_s.shape != (len(points),):
        raise ValueError(f"{len(points)} points need as many times, got {time_offsets_s.shape}")
    if len(points) == 0:
        return points.copy()
    first_s, last_s = motion.offsets_s[0], motion.offsets_s[-1]
    if not (time_offsets_s.min() >= first_s and time_offsets_s.max() <= last_s):
        raise ValueError(
            f"points from {time_offsets_s.min():.6f} s to {time_offsets_s.max():.6f} s lie outside "
            f"the motion, which is known from {first_s:.6f} s to {last_s:.6f} s"
        )
    after = np.searchsorted(motion.offsets_s, time_offsets_s)
    before = np.maximum(after - 1, 0)
    length_s = np.maximum(motion.offsets_s[after] - motion.offsets_s[before], 1e-12)
    fraction = ((time_offsets_s - motion.offsets_s[before]) / length_s)[:, None]  # (N, 1)
    places = motion.T_stamp_moment[:, :3, 3]
    place = (1 - fraction) * places[before] + fraction * places[after]
    turn = _slerp(_continuous(motion.T_stamp_moment), before, after, fraction)
    moved = points.copy()
    with np.errstate(invalid="ignore"):
        moved[:, :3] = _rotate(turn, points[:, :3].astype(np.float64)) + place
    return moved


def _continuous(transforms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit quaternions (K, 4) w, x, y, z; neighbours have a dot product of 0 or more."""
    quaternions = np.array([quaternion_from_matrix(transform) for transform in transforms])
    for index in range(1, len(quaternions)):
        if quaternions[index] @ quaternions[index - 1] < 0:
            quaternions[index] *= -1
    return quaternions


def _slerp(
    quaternions: NDArray[np.float64],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    fraction: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Interpolate (N, 4) between rows `before` and `after` of (K, 4); fraction is (N, 1)."""
    cosine = np.sum(quaternions[1:] * quaternions[:-1], axis=1)
    angles = np.append(0.0, np.arccos(np.minimum(cosine, 1.0)))  # between a row and the row before
    angle = np.maximum(angles[after], 1e-6)[:, None]
    turn: NDArray[np.float64] = (
        np.sin((1 - fraction) * angle) * quaternions[before]
        + np.sin(fraction * angle) * quaternions[after]
    )
    turn /= np.linalg.norm(turn, axis=1, keepdims=True)
    return turn


def _rotate(quaternions: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotate each of (N, 3) vectors by its row of (N, 4) unit quaternions."""
    axis, twice = quaternions[:, 1:], 2 * np.cross(quaternions[:, 1:], vectors)
    rotated: NDArray[np.float64] = vectors + quaternions[:, :1] * twice + np.cross(axis, twice)
    return rotated
