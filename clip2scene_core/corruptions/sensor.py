"""Corruptions of a LiDAR: lost beams, uncompensated motion, and pulses of another LiDAR."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.corruptions.corruption import BeamLoss, CrossTalk, MotionSmear
from clip2scene_core.corruptions.echoes import Echoes, all_true
from clip2scene_core.corruptions.rings import ring_of_points, time_in_revolution

_REVOLUTION_S: Final = 0.05
"""Duration of a revolution; nuScenes' LiDAR turns at 20 Hz."""

_NEAREST_M: Final = 1.0
_FARTHEST_M: Final = 100.0


def lose_beams(points: NDArray[np.float32], loss: BeamLoss, rng: np.random.Generator) -> Echoes:
    """Remove all points of some rings.

    Args:
        points: (N, 4) float32 as in Sweep.
        loss: Share of lost rings.
        rng: Generator for the choice. A larger loss loses the same rings and more.

    Returns:
        The points of the other rings.

    Raises:
        ValueError: If the points have no rings.
    """
    ring, num_rings = ring_of_points(points)
    lost = rng.permutation(num_rings)[: round(loss.share * num_rings)]
    kept = np.flatnonzero(~np.isin(ring, lost))
    return Echoes(points[kept], kept, np.zeros(len(kept), dtype=np.bool_))


def smear(points: NDArray[np.float32], motion: MotionSmear, rng: np.random.Generator) -> Echoes:
    """Add the motion of one revolution to the points.

    A point at the time t before the stamp is given in the LiDAR frame at its time. There the sensor
    was speed · t farther back and rotated by -yaw rate · t.

    Args:
        points: (N, 4) float32 as in Sweep, x right, y forward.
        motion: Speed and yaw rate.
        rng: Generator for the direction of the turn.

    Returns:
        All N points, moved.
    """
    before_s = (1 - time_in_revolution(points)) * _REVOLUTION_S
    angle = np.radians(motion.yaw_rate_deg_s * rng.choice([-1, 1])) * before_s
    forward = points[:, 1] + motion.speed_mps * before_s
    moved = points.copy()
    moved[:, 0] = np.cos(angle) * points[:, 0] - np.sin(angle) * forward
    moved[:, 1] = np.sin(angle) * points[:, 0] + np.cos(angle) * forward
    return all_true(moved)


def cross_talk(points: NDArray[np.float32], talk: CrossTalk, rng: np.random.Generator) -> Echoes:
    """Move some points to the false range of another LiDAR's pulse.

    Args:
        points: (N, 4) float32 as in Sweep. Points nearer than 1 m (the vehicle) do not move.
        talk: Share of moved points.
        rng: Generator for the choice, the ranges and the intensities. A larger share moves the same
            points and more.

    Returns:
        All N points. Moved points are false; they stay on their beam.
    """
    ranges = np.linalg.norm(points[:, :3], axis=1)
    is_false = (rng.random(len(points)) < talk.share) & (ranges > _NEAREST_M)
    false_range = rng.uniform(_NEAREST_M, _FARTHEST_M, len(points))
    intensity = rng.permutation(points[:, 3])
    displaced = points.copy()
    displaced[is_false, :3] *= (false_range[is_false] / ranges[is_false])[:, None]
    displaced[is_false, 3] = intensity[is_false]
    return Echoes(displaced, np.arange(len(points)), is_false)
