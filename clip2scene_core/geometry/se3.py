"""Rigid transforms in float64: compose with @, invert, apply, compare, interpolate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def matrix_from_quaternion(
    quaternion_wxyz: ArrayLike, translation: ArrayLike
) -> NDArray[np.float64]:
    """Build T from a rotation quaternion and a translation.

    Args:
        quaternion_wxyz: (4,) w, x, y, z (nuScenes' order), of any length but 0.
        translation: (3,) metres.

    Returns:
        (4, 4) float64.

    Raises:
        ValueError: If the quaternion is 0, or if an argument is not finite or has another shape.
    """
    quaternion = np.asarray(quaternion_wxyz, dtype=np.float64)
    position = np.asarray(translation, dtype=np.float64)
    norm = float(np.linalg.norm(quaternion))
    if quaternion.shape != (4,) or not np.isfinite(norm) or norm < 1e-9:
        raise ValueError(
            f"quaternion must be 4 finite numbers w, x, y, z, not all 0; got {quaternion}"
        )
    if position.shape != (3,) or not np.isfinite(position).all():
        raise ValueError(f"translation must be 3 finite numbers, got {position}")
    w, x, y, z = quaternion / norm
    transform = np.eye(4)
    transform[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    transform[:3, 3] = position
    return transform


def quaternion_from_matrix(transform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Read the rotation of T as a unit quaternion.

    Args:
        transform: (4, 4) or (3, 3) float64 with an orthonormal rotation.

    Returns:
        (4,) float64 w, x, y, z with w >= 0.
    """
    rotation = transform[:3, :3]
    # The eigenvector of the largest eigenvalue is stable for all rotations, including 180 degrees.
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation.tolist()
    symmetric = np.array(
        [
            [xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, xx - yy - zz, xy + yx, xz + zx],
            [xz - zx, xy + yx, yy - xx - zz, yz + zy],
            [yx - xy, xz + zx, yz + zy, zz - xx - yy],
        ]
    )
    quaternion: NDArray[np.float64] = np.linalg.eigh(symmetric)[1][:, -1]
    return -quaternion if quaternion[0] < 0 else quaternion


def invert(transform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Invert a rigid transform: T_a_b -> T_b_a, (4, 4) float64."""
    inverse = np.eye(4)
    inverse[:3, :3] = transform[:3, :3].T
    inverse[:3, 3] = -transform[:3, :3].T @ transform[:3, 3]
    return inverse


def transform_points(
    T_target_source: NDArray[np.float64], points_source: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Express points in another frame.

    Args:
        T_target_source: (4, 4) float64.
        points_source: (N, 3) float, metres.

    Returns:
        (N, 3) float64, metres, in the target frame.
    """
    return points_source @ T_target_source[:3, :3].T + T_target_source[:3, 3]


def displacement(
    T_parent_before: NDArray[np.float64], T_parent_after: NDArray[np.float64]
) -> tuple[float, float]:
    """Measure the distance and the angle between two poses of one frame.

    Args:
        T_parent_before: (4, 4) float64.
        T_parent_after: (4, 4) float64.

    Returns:
        Distance of the origins, metres, and angle of the rotation, radians.
    """
    distance_m = float(np.linalg.norm(T_parent_after[:3, 3] - T_parent_before[:3, 3]))
    # The arc sine of the chord is exact for small angles; the trace is not.
    chord = float(np.linalg.norm(T_parent_after[:3, :3] - T_parent_before[:3, :3]))
    return distance_m, 2 * float(np.arcsin(min(chord / np.sqrt(8), 1.0)))


def interpolate(
    T_parent_child_before: NDArray[np.float64],
    T_parent_child_after: NDArray[np.float64],
    fraction: float,
) -> NDArray[np.float64]:
    """Interpolate a pose: translation linearly, rotation along the shortest arc (slerp).

    Args:
        T_parent_child_before: (4, 4) float64, at fraction 0.
        T_parent_child_after: (4, 4) float64, at fraction 1.
        fraction: Share of the way from before to after, in [0, 1].

    Returns:
        (4, 4) float64.
    """
    before = quaternion_from_matrix(T_parent_child_before)
    after = quaternion_from_matrix(T_parent_child_after)
    cosine = float(before @ after)
    if cosine < 0:
        after, cosine = -after, -cosine
    angle = np.arccos(min(cosine, 1.0))
    if angle < 1e-6:
        weights = (1 - fraction, fraction)
    else:
        weights = (
            float(np.sin((1 - fraction) * angle) / np.sin(angle)),
            float(np.sin(fraction * angle) / np.sin(angle)),
        )
    translation = (1 - fraction) * T_parent_child_before[:3, 3] + fraction * T_parent_child_after[
        :3, 3
    ]
    return matrix_from_quaternion(weights[0] * before + weights[1] * after, translation)
