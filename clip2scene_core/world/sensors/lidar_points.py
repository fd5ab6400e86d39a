"""From the returns of the rays of a LiDAR to the points of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.sensors.lidar_models import NUSCENES, LidarModel
from clip2scene_core.world.sensors.lidar_rays import SweepRays
from clip2scene_core.world.sensors.lidar_response import LidarResponse
from clip2scene_core.world.sensors.own_body import NUSCENES_BODY
from clip2scene_core.world.sensors.sensor_rig import RIG_LIDAR

RESOLUTION: Final = 512
"""Coordinates are stored as multiples of 1/512 m, so that recordings compress well."""

SAME_ELEVATION: Final = 0.002
"""Difference of the sines of elevations of rays that see the same height, as of a beam."""

RAW_NOISE: Final = 0


@dataclass(frozen=True)
class LidarUnit:
    """One LiDAR on its vehicle.

    Attributes:
        model: Beams, rate, range and noise.
        response: What it measures as intensity.
        body: (B, 2, 3) float64, boxes of the vehicle as in `own_body`.
        rotation_body: (3, 3) float64, rotation from its frame to the axes of the vehicle.
        stray_floor_m: Stray points lie above this z, metres, LiDAR frame.
    """

    model: LidarModel
    response: LidarResponse
    body: NDArray[np.float64]
    rotation_body: NDArray[np.float64]
    stray_floor_m: float


NUSCENES_UNIT: Final = LidarUnit(
    NUSCENES, LidarResponse(), NUSCENES_BODY, RIG_LIDAR.T_ego_sensor[:3, :3], -1.5
)
"""The LiDAR of the old world."""


@dataclass(frozen=True)
class Revolution:
    """The points of one sweep.

    Attributes:
        points: (N, 5) float32: x, y, z in metres in the LiDAR frame (x right, y forward, z up),
            intensity 0-255, ring from the lowest (0 for a pattern).
        categories: (N,) uint8 raw lidarseg category.
        instances: (N,) int64 index of the object that was hit, -1 for none.
        columns: (N,) int64 index of the firing (column) of each point.
    """

    points: NDArray[np.float32]
    categories: NDArray[np.uint8]
    instances: NDArray[np.int64]
    columns: NDArray[np.int64]


@dataclass(frozen=True)
class Returns:
    """What each ray of a sweep gives, each (H, W).

    Attributes:
        ranges: float64, metres.
        category: uint8, raw lidarseg category.
        instance: int64, index of the object, -1 for none.
        intensity: float64, 0-255.
        returned: bool, whether the ray comes back.
    """

    ranges: NDArray[np.float64]
    category: NDArray[np.uint8]
    instance: NDArray[np.int64]
    intensity: NDArray[np.float64]
    returned: NDArray[np.bool_]


def collect(
    unit: LidarUnit, sweep: SweepRays, returns: Returns, rng: np.random.Generator
) -> Revolution:
    """Gather the returned points in the order of firing, echoes and stray points."""
    column, row = np.nonzero(returns.returned.T)
    parts = [_points(sweep, returns, row, column, column)]
    if unit.response.echo_share > 0:
        # A ray over an edge also measures what the next column sees behind the edge.
        step = returns.ranges[:, 1:] - returns.ranges[:, :-1]
        is_edge = returns.returned[:, :-1] & returns.returned[:, 1:] & (step > 1.0)
        is_edge &= np.abs(np.diff(sweep.directions[..., 2], axis=1)) < SAME_ELEVATION
        is_edge &= rng.random(step.shape) < unit.response.echo_share
        column, row = np.nonzero(is_edge.T)
        parts.append(_points(sweep, returns, row, column, column + 1))
    parts.append(_strays(unit, sweep, rng))
    return Revolution(
        points=np.concatenate([part.points for part in parts]),
        categories=np.concatenate([part.categories for part in parts]),
        instances=np.concatenate([part.instances for part in parts]),
        columns=np.concatenate([part.columns for part in parts]),
    )


def _points(
    sweep: SweepRays,
    returns: Returns,
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    source: NDArray[np.int64],
) -> Revolution:
    """Points of the rays (row, column) with the returns of the rays (row, source)."""
    xyz = sweep.directions[row, column] * returns.ranges[row, source][:, None]
    points = np.column_stack(
        [np.rint(xyz * RESOLUTION) / RESOLUTION, returns.intensity[row, source], sweep.rings[row]]
    )
    return Revolution(
        points=points.astype(np.float32),
        categories=returns.category[row, source],
        instances=returns.instance[row, source],
        columns=column,
    )


def _strays(unit: LidarUnit, sweep: SweepRays, rng: np.random.Generator) -> Revolution:
    """Draw points in the air, from dust, insects and crosstalk."""
    count, shape = unit.response.num_strays, sweep.directions.shape
    stray_range = rng.uniform(1.5, 35.0, count)
    row = rng.integers(0, shape[0], count)
    column = rng.integers(0, shape[1], count)
    ray = sweep.directions[row, column]
    above = np.maximum(ray[:, 2] * stray_range, unit.stray_floor_m)
    strays = np.column_stack(
        [
            np.rint(ray[:, :2] * stray_range[:, None] * RESOLUTION) / RESOLUTION,
            np.rint(above * RESOLUTION) / RESOLUTION,
            rng.integers(0, 6, count) * (unit.response.law.gain > 0),
            rng.integers(0, unit.model.num_rings, count),
        ]
    )
    return Revolution(
        points=strays.astype(np.float32),
        categories=np.full(count, RAW_NOISE, dtype=np.uint8),
        instances=np.full(count, -1),
        columns=column,
    )
