"""Find the ring (laser) of each point of a spinning LiDAR from the positions of the points."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_NEAREST_M: Final = 2.5
"""Nearer points are on the ego vehicle; they show the direction of a laser badly."""

_BIN_DEG: Final = 0.1
_MIN_SPACING_DEG: Final = 0.25
_MIN_SHARE: Final = 0.05
_MIN_ON_RING: Final = 0.8
"""Minimum share of points within a quarter of the spacing from a ring; random points have half."""

_MAX_TRAVEL_M: Final = 2.0
_TRAVEL_STEP_M: Final = 0.05
_MAX_POINTS: Final = 6_000
_PASSES: Final = 2
"""Iterations: the azimuth of a point gives its time, and its time corrects its azimuth."""


def time_in_revolution(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute the time of each point within the revolution from its azimuth.

    Args:
        points: (N, 3) or more float, in nuScenes' LiDAR frame: x right, y forward.

    Returns:
        (N,) float64 from 0 (start) to 1 (end, the stamp of the sweep). nuScenes' LiDAR starts at
        the left of the vehicle and turns clockwise.
    """
    azimuth = np.arctan2(points[:, 1], points[:, 0]).astype(np.float64)
    time: NDArray[np.float64] = np.remainder(np.pi - azimuth, 2 * np.pi) / (2 * np.pi)
    return time


def ring_of_points(points: NDArray[np.floating]) -> tuple[NDArray[np.int64], int]:
    """Find the rings of a sweep by elevation.

    A ring has a constant elevation when it is measured. Motion compensation changes the elevation,
    near a vehicle at town speed by more than the spacing of the rings. So the travelled distance of
    the revolution is estimated first: its removal makes the elevations sharpest.

    Args:
        points: (N, 3) or more float, metres, LiDAR frame: x right, y forward, z up.

    Returns:
        Ring of each point, (N,) int64, 0 = lowest, and the number of rings. Rings without points
        are not counted.

    Raises:
        ValueError: If the points have no rings.
    """
    far = points[np.linalg.norm(points[:, :3], axis=1) > _NEAREST_M]
    some = far[:: 1 + len(far) // _MAX_POINTS]
    num_steps = round(_MAX_TRAVEL_M / _TRAVEL_STEP_M)
    travels_m = _TRAVEL_STEP_M * np.arange(-num_steps, num_steps + 1)
    sharpness = [np.sum(_histogram(_elevation_deg(some, travel)) ** 2) for travel in travels_m]
    travel_m = float(travels_m[np.argmax(sharpness)])
    elevation_deg = _elevation_deg(far, travel_m)
    rings_deg = _peaks_deg(_histogram(elevation_deg))
    if len(rings_deg) < 2 or _share_on_rings(rings_deg, elevation_deg) < _MIN_ON_RING:
        raise ValueError(
            f"the {len(points)} points lie on no rings of a spinning LiDAR; its beams cannot be "
            f"told apart"
        )
    return _nearest(rings_deg, _elevation_deg(points, travel_m)), len(rings_deg)


def _elevation_deg(points: NDArray[np.floating], travel_m: float) -> NDArray[np.float64]:
    """Elevation (N,) over the horizon at the measurement, before motion compensation."""
    measured = points[:, :3].copy()
    for _ in range(_PASSES):
        measured[:, 1] = points[:, 1] + travel_m * (1 - time_in_revolution(measured))
    elevation: NDArray[np.float64] = np.arctan2(
        measured[:, 2], np.hypot(measured[:, 0], measured[:, 1])
    )
    return np.degrees(elevation)


def _histogram(elevation_deg: NDArray[np.float64]) -> NDArray[np.int64]:
    bins = np.floor((elevation_deg + 90) / _BIN_DEG).astype(np.int64)
    return np.bincount(bins, minlength=round(180 / _BIN_DEG) + 1)


def _peaks_deg(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Elevations of the rings, lowest first: the highest peak, then the highest of the rest, ..."""
    remaining = np.convolve(counts, np.ones(3), mode="same")
    least = _MIN_SHARE * remaining.max(initial=0)
    reach = round(_MIN_SPACING_DEG / _BIN_DEG)
    centers_deg = (np.arange(len(counts)) + 0.5) * _BIN_DEG - 90
    peaks = []
    while (peak := int(np.argmax(remaining))) >= 0 and remaining[peak] > least:
        around = slice(max(peak - 1, 0), peak + 2)
        peaks.append(float(np.average(centers_deg[around], weights=counts[around])))
        remaining[max(peak - reach, 0) : peak + reach + 1] = 0
    return np.sort(np.array(peaks))


def _share_on_rings(rings_deg: NDArray[np.float64], elevation_deg: NDArray[np.float64]) -> float:
    off_ring_deg = np.abs(elevation_deg - rings_deg[_nearest(rings_deg, elevation_deg)])
    return float(np.mean(off_ring_deg < np.median(np.diff(rings_deg)) / 4))


def _nearest(
    rings_deg: NDArray[np.float64], elevation_deg: NDArray[np.float64]
) -> NDArray[np.int64]:
    middles_deg = (rings_deg[1:] + rings_deg[:-1]) / 2
    return np.searchsorted(middles_deg, elevation_deg)
