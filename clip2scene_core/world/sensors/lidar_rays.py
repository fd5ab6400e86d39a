"""The rays of one sweep of a LiDAR, in its frame: a spinning grid or a pattern."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.sensors.lidar_models import LidarModel

_FORWARD_TURN: Final = math.pi / 2
_SPIRAL_HZ: Final = (1870.3, 23.7)
_ROSETTE_HZ: Final = (121.3, -77.9)
_BEAM_SPREAD: Final = math.radians(0.8)
_MARGIN: Final = 1e-6


@dataclass(frozen=True)
class SweepRays:
    """H x W rays, column by column in the order of firing, clockwise seen from above.

    Attributes:
        directions: (H, W, 3) float64 unit vectors in the LiDAR frame (x right, y forward, z up).
        turns: (W,) float64 in [0, 2 pi), ascending: clockwise angle of each column from -x.
        half_width: Maximum angle in the plane between a ray and its column, radians.
        elevations: (H, 2) float64, lowest and highest elevation of each row, radians.
        rings: (H,) int64, beam of each row.
        elapsed: (W,) float64 in [0, 1): share of the sweep before each column fires.
    """

    directions: NDArray[np.float64]
    turns: NDArray[np.float64]
    half_width: float
    elevations: NDArray[np.float64]
    rings: NDArray[np.int64]
    elapsed: NDArray[np.float64]


def rays_of(model: LidarModel, num_columns: int, seconds: float = 0.0) -> SweepRays:
    """Compute the rays of a sweep.

    The rays of a pattern differ from sweep to sweep. They fire in the order of azimuth, as if the
    LiDAR turned: the pattern of the real one is in no order, which matters only for a LiDAR in
    motion.

    Args:
        model: The model.
        num_columns: Number of columns; for a pattern, of points.
        seconds: Time of the sweep, which selects the part of a pattern.
    """
    if model.scan == "spin":
        return _spinning(model, num_columns)
    elevation, turn = (_rosette if model.scan == "rosette" else _spiral)(
        model, num_columns, seconds
    )
    return _sorted(elevation, turn)


def _unit_vectors(
    elevation: NDArray[np.float64], azimuth: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.stack(
        np.broadcast_arrays(
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ),
        axis=-1,
    )


def _spinning(model: LidarModel, num_columns: int) -> SweepRays:
    elevation = np.radians(np.array(model.elevations_deg))
    elapsed = np.arange(num_columns) / num_columns
    if model.sector_deg == 360:
        # Column 0 points to the left of the vehicle (-x); the sensor turns clockwise.
        azimuth = -2 * math.pi * np.arange(num_columns) / num_columns + math.pi
        turns = 2 * math.pi * elapsed
    else:
        sector = math.radians(model.sector_deg)
        turns = _FORWARD_TURN + sector * (elapsed + 0.5 / num_columns - 0.5)
        azimuth = math.pi - turns
    return SweepRays(
        directions=_unit_vectors(elevation[:, None], azimuth),
        turns=turns,
        half_width=_MARGIN,
        elevations=np.stack([elevation, elevation], axis=1),
        rings=np.arange(len(elevation)),
        elapsed=elapsed,
    )


def _rosette(
    model: LidarModel, num_points: int, seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Elevation and turn of the beams behind two prisms that rotate against each other."""
    time = seconds + np.arange(num_points) / num_points / model.hz
    first, second = (2 * math.pi * hz * time for hz in _ROSETTE_HZ)
    right, up = np.cos(first) + np.cos(second), np.sin(first) + np.sin(second)
    half_up = math.radians(model.elevations_deg[1])
    half_right = math.radians(model.sector_deg / 2)
    # Six beams side by side, as in the real one.
    beam = (np.arange(num_points) % 6 - 2.5) / 2.5
    elevation = (half_up - _BEAM_SPREAD) * up / 2 + _BEAM_SPREAD * beam
    return elevation, _FORWARD_TURN + half_right * right / 2


def _spiral(
    model: LidarModel, num_points: int, seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Elevation and turn of a beam that goes up and down while the head spins."""
    time = seconds + np.arange(num_points) / num_points / model.hz
    low, high = np.radians(model.elevations_deg)
    swing = np.abs((_SPIRAL_HZ[0] * time) % 2 - 1)
    # Four beams share the head, a little apart, as the points of the real one lie in short rows.
    row = np.arange(num_points) % 4 / 4
    swing = np.abs((swing + 0.12 * row) % 2 - 1)
    turn = 2 * math.pi * ((_SPIRAL_HZ[1] * time) % 1.0)
    return low + (high - low) * swing, turn


def _sorted(elevation: NDArray[np.float64], turn: NDArray[np.float64]) -> SweepRays:
    """Arrange directions in columns of nearly the same azimuth, each from low to high."""
    # At least 8 rows: a bundle is culled at once.
    num_rows = max(8, round(math.sqrt(len(turn) / 16)))
    num_columns = len(turn) // num_rows
    order = np.argsort(turn, kind="stable")[: num_rows * num_columns]
    bundles = turn[order].reshape(num_columns, num_rows)
    lifted = elevation[order].reshape(num_columns, num_rows)
    inner = np.argsort(lifted, axis=1, kind="stable")
    bundles = np.take_along_axis(bundles, inner, axis=1)
    lifted = np.take_along_axis(lifted, inner, axis=1)
    turns = (bundles.min(axis=1) + bundles.max(axis=1)) / 2
    rows = lifted.T
    return SweepRays(
        directions=_unit_vectors(rows, math.pi - bundles.T),
        turns=turns,
        half_width=float(np.abs(bundles - turns[:, None]).max()) + _MARGIN,
        elevations=np.stack([rows.min(axis=1), rows.max(axis=1)], axis=1),
        rings=np.zeros(num_rows, dtype=np.int64),
        elapsed=np.arange(num_columns) / num_columns,
    )
