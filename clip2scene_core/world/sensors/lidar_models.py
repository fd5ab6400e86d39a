"""LiDARs on the market: beams, ranges, rates, noise and intensities.

Real beams differ from these by small offsets in azimuth between channels, which are left out. A
model without a spinning head (`Avia`, `Mid-360`) has a pattern that is like the real one, not the
same: `lidar_rays` says how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from clip2scene_core.world.sensors.lidar_response import IntensityLaw

Scan = Literal["spin", "rosette", "spiral"]


@dataclass(frozen=True)
class LidarModel:
    """One model of a LiDAR.

    Attributes:
        name: Name of the model in options, such as "HDL-64E".
        elevations_deg: Elevation of each beam, lowest first, degrees. A pattern without beams has
            its lowest and highest elevation.
        columns: Number of firings of all beams per revolution. For a pattern, the number of points.
        hz: Revolutions (of a pattern: sweeps) per second.
        max_range_m: Nothing farther is seen, metres.
        min_range_m: Nothing nearer is seen, metres.
        reach_m: Measure of sensitivity, metres. At 1.3 times this range a target of 10 %
            reflectivity returns nine of ten rays.
        noise_m: Standard deviation of a near range, metres.
        law: Intensities.
        sector_deg: Horizontal field of view, degrees, about the y axis of the LiDAR.
        scan: "spin" for beams in columns; "rosette" and "spiral" for patterns.
    """

    name: str
    elevations_deg: tuple[float, ...]
    columns: int
    hz: int
    max_range_m: float
    min_range_m: float
    reach_m: float
    noise_m: float
    law: IntensityLaw
    sector_deg: float = 360.0
    scan: Scan = "spin"

    @property
    def num_rings(self) -> int:
        """Number of beams; 1 for a pattern, whose points have no ring."""
        return len(self.elevations_deg) if self.scan == "spin" else 1

    def columns_within(self, max_points: int) -> int:
        """Its columns, or as many of them as fit into `max_points` rays per sweep."""
        return max(16, min(self.columns, max_points // self.num_rings))


def _even(lowest: float, highest: float, count: int) -> tuple[float, ...]:
    return tuple(np.linspace(lowest, highest, count).tolist())


def _steps(first: float, step: float, count: int) -> tuple[float, ...]:
    return tuple(first + step * k for k in range(count))


# Reflectivity in 0-100 for diffuse and 101-255 for mirroring targets.
_CALIBRATED = IntensityLaw(gain=0.39)

NUSCENES: Final = LidarModel(
    "nuscenes", _even(-30.67, 10.67, 32), 1084, 20, 100.0, 0.0, 40.0, 0.013, IntensityLaw()
)
"""The LiDAR of the old world: an HDL-32E at 20 Hz, as nuScenes has it."""

LIDAR_MODELS: Final = (
    NUSCENES,
    # Source: Velodyne VLP-16 User Manual 63-9243 Rev. E.
    LidarModel("VLP-16", _even(-15, 15, 16), 1800, 10, 100.0, 0.4, 40.0, 0.015, _CALIBRATED),
    # Source: Velodyne HDL-32E User Manual 63-9113 Rev. M.
    LidarModel(
        "HDL-32E", _even(-30.67, 10.67, 32), 2170, 10, 100.0, 0.9, 42.0, 0.012, _CALIBRATED
    ),
    # Source: Velodyne HDL-64E S2 User's Manual 63-HDL64ES2: 32 beams by 1/2 and 32 by 1/3 degree.
    LidarModel(
        "HDL-64E",
        (*_steps(-24.33, 0.5, 32), *_steps(-8.33, 1 / 3, 32)),
        2083,
        10,
        120.0,
        0.9,
        45.0,
        0.012,
        IntensityLaw(gain=2.0, gamma=0.7, levels=101),
    ),
    # Source: Ouster OS0 datasheet rev. 06: 90 degrees, 35 m at 10 %, raw signal of 16 bit.
    LidarModel(
        "OS0-64", _even(-45, 45, 64), 1024, 10, 75.0, 0.3, 27.0, 0.015,
        IntensityLaw(gain=0.05, is_compensated=False, levels=65536),
    ),
    LidarModel(
        "OS0-128", _even(-45, 45, 128), 1024, 10, 75.0, 0.3, 27.0, 0.015,
        IntensityLaw(gain=0.05, is_compensated=False, levels=65536),
    ),
    # Source: Ouster OS1 datasheet rev. 06: 45 degrees, 90 m at 10 % (rev. 07), 45 m before.
    LidarModel(
        "OS1-64", _even(-22.5, 22.5, 64), 1024, 10, 120.0, 0.3, 45.0, 0.01,
        IntensityLaw(gain=0.08, is_compensated=False, levels=65536),
    ),
    LidarModel(
        "OS1-128", _even(-22.5, 22.5, 128), 1024, 10, 120.0, 0.3, 45.0, 0.01,
        IntensityLaw(gain=0.08, is_compensated=False, levels=65536),
    ),
    # Source: Hesai Pandar40P User Manual, table of channels: 1/3 degree from -6 to 2.
    LidarModel(
        "Pandar40P",
        (-25.0, -19.0, *_steps(-14.0, 1.0, 8), *_steps(-6.0, 1 / 3, 25), 3.0, 5.0, 8.0, 11.0, 15.0),
        1800,
        10,
        200.0,
        0.3,
        120.0,
        0.01,
        IntensityLaw(gain=0.8),
    ),
    # Source: Hesai Pandar64 User Manual, table of channels: 1/6 degree from -6 to 2.
    LidarModel(
        "Pandar64",
        (-25.0, -19.0, *_steps(-14.0, 1.0, 8), *_steps(-6.0, 1 / 6, 49), 3.0, 5.0, 8.0, 11.0, 15.0),
        1800,
        10,
        200.0,
        0.3,
        120.0,
        0.01,
        IntensityLaw(gain=0.8),
    ),
    # Source: Hesai PandarXT-32 User Manual: one degree, 80 m at 10 %.
    LidarModel(
        "XT32", _even(-16, 15, 32), 2000, 10, 120.0, 0.05, 60.0, 0.005, IntensityLaw(gain=0.9)
    ),
    # Source: Livox Avia User Manual: 70.4 x 77.2 degrees, 240 000 points per second.
    LidarModel(
        "Avia", (-38.6, 38.6), 24000, 10, 200.0, 1.0, 120.0, 0.012, IntensityLaw(gain=0.55),
        sector_deg=70.4, scan="rosette",
    ),
    # Source: Livox Mid-360 User Manual: -7 to 52 degrees, 200 000 points per second, 40 m at 10 %.
    LidarModel(
        "Mid-360", (-7.0, 52.0), 20000, 10, 70.0, 0.1, 30.0, 0.015, IntensityLaw(gain=0.55),
        scan="spiral",
    ),
    # Source: RoboSense RS-LiDAR-M1 User Manual: 120 x 25 degrees by 0.2 degree, 150 m at 10 %.
    LidarModel(
        "RS-M1", _even(-12.5, 12.5, 126), 600, 10, 200.0, 0.5, 110.0, 0.015,
        IntensityLaw(gain=0.6), sector_deg=120.0,
    ),
)  # fmt: skip
"""All models, the old world's first."""

MODEL_NAMES: Final = tuple(model.name for model in LIDAR_MODELS)


def lidar_model(name: str) -> LidarModel:
    """Find a model by its name.

    Raises:
        ValueError: If there is none.
    """
    for model in LIDAR_MODELS:
        if model.name == name:
            return model
    raise ValueError(f"no LiDAR model {name!r}; the models are {', '.join(MODEL_NAMES)}")
