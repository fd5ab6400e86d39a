"""Drop points of a sweep: its own robot, a sector, an end of its view, beams, far or any points.

All `is_...` functions take points (N, 4) float32 in metres, in a frame whose z points up and whose
origin is near the sensor, and return (N,) bool, which points are kept.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.augmentation import SensorAugmentationConfig
from clip2scene_core.training.augmentation.beams import elevation_deg_of, number_beams

_ROBOT_RADIUS_M: Final = (1.0, 3.0)
_SECTOR_DEG: Final = (30.0, 240.0)
_LOWEST_DEG: Final = (-30.0, -10.0)
_HIGHEST_DEG: Final = (0.0, 15.0)
"""Where the views of spinning sensors end: an HDL-64E sees 2 degrees up, many see 15 and more."""
_BEAM_SHARE: Final = (0.25, 1.0)
_HALF_RANGE_M: Final = (20.0, 80.0)
"""Range at which a weaker sensor sees half of the points."""


def draw_survivors(
    points: NDArray[np.float32], config: SensorAugmentationConfig, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw which points are kept. A drop that would leave no point is not made.

    Args:
        points: (N, 4) float32.
        config: Probabilities of the drops.
        generator: Random generator.

    Returns:
        (M,) int64, rows of `points`, ascending.
    """
    kept: NDArray[np.int64] = np.arange(len(points))
    for probability, is_kept in (
        (config.own_robot, is_off_the_robot),
        (config.sector_dropout, is_outside_a_sector),
        (config.elevation_dropout, is_in_a_narrower_view),
        (config.beam_dropout, is_on_a_kept_beam),
        (config.range_dropout, is_seen_by_a_weaker_sensor),
    ):
        if probability and generator.random() < probability:
            kept = _keep(kept, is_kept(points[kept], generator))
    if config.point_dropout:
        share = generator.uniform(0, config.point_dropout)
        kept = _keep(kept, generator.random(len(kept)) >= share)
    return kept


def is_off_the_robot(
    points: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Keep what is farther than a random 1 to 3 m from the sensor."""
    kept: NDArray[np.bool_] = _range_m(points) > generator.uniform(*_ROBOT_RADIUS_M)
    return kept


def is_outside_a_sector(
    points: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Keep what is outside a random azimuth sector of 30 to 240 degrees."""
    start_rad = generator.uniform(0, 2 * np.pi)
    width_rad = np.deg2rad(generator.uniform(*_SECTOR_DEG))
    azimuth_rad = np.arctan2(points[:, 1], points[:, 0])
    kept: NDArray[np.bool_] = (azimuth_rad - start_rad) % (2 * np.pi) >= width_rad
    return kept


def is_in_a_narrower_view(
    points: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Keep what lies between random elevations of -30 to -10 and of 0 to 15 degrees."""
    elevation_deg = elevation_deg_of(points)
    is_above = elevation_deg >= generator.uniform(*_LOWEST_DEG)
    kept: NDArray[np.bool_] = is_above & (elevation_deg <= generator.uniform(*_HIGHEST_DEG))
    return kept


def is_on_a_kept_beam(
    points: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Keep a random share of the beams, a quarter to all, evenly spread over the elevations.

    Source: the pseudo low-beam data of LiDAR Distillation (Wei et al., ECCV 2022).
    """
    beams = number_beams(points)
    share, phase = generator.uniform(*_BEAM_SHARE), generator.random()
    steps = np.floor(np.arange(beams.max(initial=0) + 2) * share + phase)
    kept: NDArray[np.bool_] = (np.diff(steps) > 0)[beams]
    return kept


def is_seen_by_a_weaker_sensor(
    points: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Drop points with a probability that rises with range: half of them at a random 20 to 80 m."""
    share_of_half = _range_m(points) / generator.uniform(*_HALF_RANGE_M)
    kept: NDArray[np.bool_] = generator.random(len(points)) < 0.5 ** (share_of_half**2)
    return kept


def _keep(kept: NDArray[np.int64], is_kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    return kept[is_kept] if is_kept.any() else kept


def _range_m(points: NDArray[np.float32]) -> NDArray[np.float32]:
    range_m: NDArray[np.float32] = np.linalg.norm(points[:, :3], axis=1)
    return range_m
