"""Fog and rain in LiDAR sweeps.

All echoes follow the LiDAR equation: the strength of an echo from range r is reflectivity / r² ·
exp(-2 · extinction · r). The receiver reports the strongest echo of a pulse if it is strong enough.
Reflectivity is relative to a white, matt surface. Pulses without an echo in clear air are not in a
sweep, so their echoes from fog and rain are missing.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.corruptions.corruption import Fog, Rain
from clip2scene_core.corruptions.echoes import Echoes

_REFLECTIVITY_AT_FULL_INTENSITY: Final = 2.55
"""Velodyne's scale: 0-100 of 255 are matt surfaces in percent, higher values are reflectors."""

_FULL_GAIN_M: Final = 10.0
"""Assumed: the receiver attenuates nearer echoes, so that they do not become stronger."""

_FAINTEST: Final = 0.1 / 100.0**2
"""A surface of 10 % at 100 m, the reach of a 32-beam LiDAR."""

_CELL_M: Final = 0.75
"""Half the length of a pulse of 5 ns: echoes within this distance are one echo."""

_CELLS_M: Final = np.arange(1.0, 25.0, _CELL_M)
"""K ranges of possible echoes of the air. The LiDAR reports no nearer echoes, and farther echoes
are too weak."""

_BEAM_WIDTH_M: Final = 0.01
_BEAM_DIVERGENCE_RAD: Final = 0.002
_DROP_REFLECTIVITY: Final = 0.05
"""Assumed: reflectivity of the front and the back of a drop together."""


def extinction_of_fog(fog: Fog) -> float:
    """Extinction coefficient of fog, 1/m.

    Source: Koschmieder's law; 5 % of the contrast is left at the visibility.
    """
    return math.log(20) / fog.visibility_m


def extinction_of_rain(rain: Rain) -> float:
    """Extinction coefficient of rain, 1/m.

    The extinction of a drop is twice its cross-section: the integral of pi/2 · D² · N(D) over the
    drop sizes is pi · N0 / slope³.

    Source: Marshall and Palmer (1948) for the sizes; the extinction paradox for the factor two.
    """
    per_m3, slope_per_mm = drop_sizes(rain)
    return math.pi * per_m3 / slope_per_mm**3 * 1e-6  # mm² per m³ are 1e-6 per metre


def fog_points(points: NDArray[np.float32], fog: Fog, rng: np.random.Generator) -> Echoes:
    """Add fog to a sweep: far and dark points vanish, and near points of the fog appear.

    Args:
        points: (N, 4) float32 as in Sweep.
        fog: Density of the fog.
        rng: Generator for the patches of the fog.

    Returns:
        M <= N points: at most one point for each pulse.

    Source: the LiDAR equation with a hard and a soft target, as in Hahner et al., "Fog Simulation
    on Real LiDAR Point Clouds" (ICCV 2021); backscatter 0.046 / visibility (Rasshofer et al.,
    2011). A soft target of one pulse length reflects like a surface of pi · backscatter · length.
    """
    mean_reflectivity = math.pi * 0.046 / fog.visibility_m * _CELL_M
    air = mean_reflectivity * rng.exponential(size=(len(points), len(_CELLS_M)))
    return _strongest_echoes(points, air, extinction_of_fog(fog), rng)


def rain_points(points: NDArray[np.float32], rain: Rain, rng: np.random.Generator) -> Echoes:
    """Add rain to a sweep: wet surfaces are darker, and near drops give false points.

    Args:
        points: (N, 4) float32 as in Sweep.
        rain: Rainfall and wetness.
        rng: Generator for the drops.

    Returns:
        M <= N points: at most one point for each pulse.

    Source: the LiDAR equation; Marshall and Palmer (1948), "The distribution of raindrops with
    size"; Lekner and Dorf (1988), "Why some things are darker when wet".
    """
    per_m3, slope_per_mm = drop_sizes(rain)
    width_m = _BEAM_WIDTH_M + _BEAM_DIVERGENCE_RAD * _CELLS_M
    drops_in_cell = per_m3 / slope_per_mm * math.pi / 4 * width_m**2 * _CELL_M
    # With n drops, all are smaller than D with probability exp(-n exp(-slope D)). A negative size
    # means no drop.
    uniform = rng.uniform(1e-12, 1, size=(len(points), len(_CELLS_M)))
    largest_mm = np.log(drops_in_cell / -np.log(uniform)) / slope_per_mm
    covered = np.minimum((np.maximum(largest_mm, 0) * 1e-3 / width_m) ** 2, 1)
    wet = points.copy()
    wet[:, 3] *= rain.wet_reflectivity
    return _strongest_echoes(wet, _DROP_REFLECTIVITY * covered, extinction_of_rain(rain), rng)


def drop_sizes(rain: Rain) -> tuple[float, float]:
    """Marshall and Palmer's N(D) = N0 exp(-slope D): N0 in 1/(m³ mm), slope in 1/mm."""
    return 8000.0, 4.1 * rain.rate_mm_h**-0.21


def _strongest_echoes(
    points: NDArray[np.float32],
    air: NDArray[np.float64],
    extinction_per_m: float,
    rng: np.random.Generator,
) -> Echoes:
    """Choose the strongest of the echo of each point and the echoes of the air before it.

    Args:
        points: (N, 4) float32 as in Sweep.
        air: (N, K) float64, reflectivity of the air of each beam in the cells at _CELLS_M.
        extinction_per_m: Extinction coefficient of the air, 1/m.
        rng: Generator for the position of an echo within its cell.
    """
    ranges = np.linalg.norm(points[:, :3].astype(np.float64), axis=1)
    surface = _echo(points[:, 3] * _REFLECTIVITY_AT_FULL_INTENSITY, ranges)
    # In clear air every measured point was strong enough.
    surface = np.maximum(surface, _FAINTEST) * np.exp(-2 * extinction_per_m * ranges)
    cells = _echo(air, _CELLS_M) * np.exp(-2 * extinction_per_m * _CELLS_M)
    cells[ranges[:, None] < _CELLS_M + _CELL_M / 2] = 0
    strongest = np.argmax(cells, axis=1)
    of_air = np.take_along_axis(cells, strongest[:, None], axis=1)[:, 0]
    false_range = _CELLS_M[strongest] + rng.uniform(-0.5, 0.5, len(points)) * _CELL_M
    is_false = of_air > surface
    seen = np.maximum(surface, of_air) >= _FAINTEST

    reported = points.copy()
    reported[:, 3] *= np.exp(-2 * extinction_per_m * ranges)
    reported[is_false, :3] *= (false_range[is_false] / ranges[is_false])[:, None]
    at_full_gain = np.maximum(false_range, _FULL_GAIN_M) ** 2 / _REFLECTIVITY_AT_FULL_INTENSITY
    reported[is_false, 3] = np.minimum(of_air * at_full_gain, 1)[is_false]
    return Echoes(reported[seen], np.flatnonzero(seen), is_false[seen])


def _echo(reflectivity: NDArray[np.floating], ranges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Strength of echoes in clear air, of the shape of `reflectivity`."""
    strength: NDArray[np.float64] = reflectivity / np.maximum(ranges, _FULL_GAIN_M) ** 2
    return strength
