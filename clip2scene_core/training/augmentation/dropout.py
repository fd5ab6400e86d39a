"""Drop points of a sweep: its own robot, a sector, an end of its view, beams, far or any points.

All `is_...` functions take points (N, 4) float32 in metres, in a frame whose z points up and whose
origin is near the sensor, and return (N,) bool, which points are kept.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.augmentation import SensorAugmentationConfig

_ROBOT_RADIUS_M: Final = (1.0, 3.0)
_SECTOR_DEG: Final = (30.0, 240.0)
_LOWEST_DEG: Final = (-30.0, -10.0)
_HIGHEST_DEG: Final = (0.0, 15.0)
"""Where the views of spinning sensors end: an HDL-64E sees 2 degrees up, many see 15 and more."""
_BEAM_SHARE: Final = (0.25, 1.0)
_HALF_RANGE_M: Final = (20.0, 80.0)
"""Range at which a weaker sensor sees half of the points."""
_BIN_DEG: Final = 0.05
_STRAY_SHARE: Final = 0.02
"""Bins with fewer points than this share of the fullest bin are no beams of their own."""
_MAX_BINS_OF_BEAM: Final = 8
"""A band of 0.4 degrees, the spacing of 64 beams."""


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
    elevation_deg = _elevation_deg(points)
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


def number_beams(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """Find the beam of each point by its elevation, because clouds have no column of rings.

    Elevations that touch each other within 0.05 degrees are one beam. Where they fill more than 0.4
    degrees, as in a cloud that does not come from a spinning sensor or was tilted, every 0.4
    degrees are one. Stray points between beams belong to the beam below.

    Returns:
        (N,) int64, the number of each point's beam, from 0 without gaps, by rising elevation.
    """
    bins = np.floor((_elevation_deg(points) + 90) / _BIN_DEG).astype(np.int64)
    counts = np.bincount(bins)
    occupied = np.flatnonzero(counts > _STRAY_SHARE * counts.max(initial=0))
    is_first_of_run = np.diff(occupied, prepend=-2) > 1
    run = np.cumsum(is_first_of_run) - 1
    place = (occupied - occupied[is_first_of_run][run]) // _MAX_BINS_OF_BEAM
    is_first_of_beam = is_first_of_run | (np.diff(place, prepend=0) != 0)
    numbers = np.cumsum(is_first_of_beam) - 1
    bin_below = np.maximum(np.searchsorted(occupied, bins, side="right") - 1, 0)
    beams: NDArray[np.int64] = numbers[bin_below]
    return beams


def _keep(kept: NDArray[np.int64], is_kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    return kept[is_kept] if is_kept.any() else kept


def _range_m(points: NDArray[np.float32]) -> NDArray[np.float32]:
    range_m: NDArray[np.float32] = np.linalg.norm(points[:, :3], axis=1)
    return range_m


def _elevation_deg(points: NDArray[np.float32]) -> NDArray[np.float32]:
    distance_m = np.hypot(points[:, 0], points[:, 1])
    elevation_deg: NDArray[np.float32] = np.rad2deg(np.arctan2(points[:, 2], distance_m))
    return elevation_deg
