"""The beams of a spinning sensor: the points of each, and errors that each has for itself."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.augmentation import SensorAugmentationConfig

_BIN_DEG: Final = 0.05
_STRAY_SHARE: Final = 0.02
"""Bins with fewer points than this share of the fullest bin are no beams of their own."""
_MAX_BINS_OF_BEAM: Final = 8
"""A band of 0.4 degrees, the spacing of 64 beams."""
_ERROR_LIMIT: Final = 3.0
"""Errors are cut at this many standard deviations."""
_MIN_RANGE_M: Final = 0.5
"""Nearer points count as this near, so that no offset is a large share of the range."""


def vary_beams(
    points: NDArray[np.float32], config: SensorAugmentationConfig, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Give every beam an error of its range, of its elevation and a gain of its intensity.

    Sensors of many lasers are calibrated laser by laser, some better than others: each sweep draws
    how large its errors are, up to what the configuration says, and every beam its own. A flat
    ground then looks rough across beams and not along them, and of one surface some beams see more
    light than others.

    Args:
        points: (N, 4) float32: x, y, z in metres, the origin in the sensor, intensity in [0, 1];
            where it is not finite it is not known, and stays so. Further columns stay.
        config: The errors. What is off draws no random number.
        generator: Random generator.

    Returns:
        As many columns; a new array if anything changes.
    """
    if not (config.beam_range_m or config.beam_elevation_deg or config.beam_gain):
        return points
    beams = number_beams(points)
    num_beams = int(beams.max(initial=-1)) + 1
    varied = points.copy()
    if config.beam_range_m:
        offset_m = _draw_errors(config.beam_range_m, num_beams, generator)[beams]
        range_m = np.maximum(np.linalg.norm(points[:, :3], axis=1), np.float32(_MIN_RANGE_M))
        varied[:, :3] *= (1 + offset_m / range_m)[:, None]
    if config.beam_elevation_deg:
        error_deg = _draw_errors(config.beam_elevation_deg, num_beams, generator)[beams]
        varied[:, :3] = _raise_beams(varied[:, :3], error_deg)
    if config.beam_gain:
        limit = generator.uniform(0, np.log(config.beam_gain))
        gain = np.exp(generator.uniform(-limit, limit, num_beams)).astype(np.float32)
        is_known = np.isfinite(points[:, 3])
        varied[is_known, 3] = np.clip(points[:, 3] * gain[beams], 0, 1)[is_known]
    return varied


def number_beams(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """Find the beam of each point by its elevation, because clouds have no column of rings.

    Elevations that touch each other within 0.05 degrees are one beam. Where they fill more than 0.4
    degrees, as in a cloud that does not come from a spinning sensor or was tilted, every 0.4
    degrees are one. Stray points between beams belong to the beam below.

    Returns:
        (N,) int64, the number of each point's beam, from 0 without gaps, by rising elevation.
    """
    bins = np.floor((elevation_deg_of(points) + 90) / _BIN_DEG).astype(np.int64)
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


def elevation_deg_of(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Elevation of each point (N, >=3) above the horizon of the sensor, degrees: (N,)."""
    distance_m = np.hypot(points[:, 0], points[:, 1])
    elevation_deg: NDArray[np.float32] = np.rad2deg(np.arctan2(points[:, 2], distance_m))
    return elevation_deg


def _draw_errors(
    largest: float, num_beams: int, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Draw an error for each beam, of a standard deviation up to `largest`: (B,)."""
    deviation = generator.uniform(0, largest)
    errors = np.clip(generator.standard_normal(num_beams), -_ERROR_LIMIT, _ERROR_LIMIT)
    drawn: NDArray[np.float32] = (deviation * errors).astype(np.float32)
    return drawn


def _raise_beams(
    positions: NDArray[np.float32], error_deg: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Turn points (N, 3) about the horizontal axis across their beam, upwards by (N,) degrees."""
    distance_m = np.hypot(positions[:, 0], positions[:, 1])
    sine, cosine = np.sin(np.deg2rad(error_deg)), np.cos(np.deg2rad(error_deg))
    turned_m = distance_m * cosine - positions[:, 2] * sine
    share = turned_m / np.where(distance_m > 0, distance_m, 1)
    height_m = positions[:, 2] * cosine + distance_m * sine
    raised: NDArray[np.float32] = np.stack(
        [positions[:, 0] * share, positions[:, 1] * share, height_m], axis=1
    )
    return raised
