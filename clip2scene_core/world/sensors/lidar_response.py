"""How a LiDAR answers to what its rays hit: intensity, lost returns, noise of the range."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.sensors.lidar_surfaces import SurfaceResponse

REFERENCE_M: Final = 10.0
"""Range at which a law without range compensation has its gain, metres."""

NEAREST_M: Final = 4.0
"""Nearer than this a receiver is out of focus, and its signal grows no more, metres."""

DARK_SIGNAL: Final = 0.12


@dataclass(frozen=True)
class IntensityLaw:
    """The intensity that a LiDAR reports for a signal (1: a white wall that faces it).

    Attributes:
        gain: Share of the full scale that the signal 1 has; 0 for a LiDAR without intensity.
        gamma: Exponent of the signal.
        is_compensated: Whether the loss by the range is undone. Otherwise the intensity falls with
            its square, and the gain holds at REFERENCE_M.
        ceiling: Highest value, of 255.
        levels: Number of stored values from 0 to 255: 256 for 8 bit, 65536 for 16 bit.
        spread: Standard deviation of the logarithm of the intensity.
    """

    gain: float = 0.42
    gamma: float = 1.0
    is_compensated: bool = True
    ceiling: float = 255.0
    levels: int = 256
    spread: float = 0.18


@dataclass(frozen=True)
class LidarResponse:
    """The response of one LiDAR.

    Attributes:
        law: The intensities.
        drop: Share of returns that are lost anywhere.
        glass_drop: Share of returns from glass that are lost, too.
        dark_drop: Share of returns from dark surfaces at a grazing angle that are lost, too.
        wet_loss: Share of the signal that a wet road loses, because it mirrors the light away.
        noise_growth: Growth of the noise of the range over 100 m, relative.
        echo_share: Share of rays over an edge that give a second point from what lies behind it.
        num_strays: Number of points in the air, per revolution.
        foliage_m: Mean depth to which beams go into leaves before one returns them, metres.
        surfaces: How surfaces vary from the reflectivity of their material; None: not at all.
    """

    law: IntensityLaw = IntensityLaw()
    drop: float = 0.015
    glass_drop: float = 0.0
    dark_drop: float = 0.0
    wet_loss: float = 0.0
    noise_growth: float = 0.0
    echo_share: float = 0.0
    num_strays: int = 14
    foliage_m: float = 0.0
    surfaces: SurfaceResponse | None = None


def draw_response(law: IntensityLaw, wetness: float, rng: np.random.Generator) -> LidarResponse:
    """Draw the response of one LiDAR around the law of its model.

    One in eight has no intensity, because its driver does not pass it on.

    Args:
        law: Law of the model.
        wetness: Wetness of the ground, 0 (dry) to 1 (wet).
        rng: Generator.
    """
    gain = law.gain * float(np.exp(rng.normal(0, 0.35)))
    gamma = law.gamma * float(rng.uniform(0.8, 1.25))
    is_compensated = law.is_compensated if rng.random() < 0.85 else not law.is_compensated
    has_intensity = rng.random() < 0.875
    drawn = replace(
        law,
        gain=gain if has_intensity else 0.0,
        gamma=gamma,
        is_compensated=is_compensated,
        spread=float(rng.uniform(0.05, 0.25)),
    )
    return LidarResponse(
        law=drawn,
        drop=float(rng.uniform(0.0, 0.04)),
        glass_drop=float(rng.uniform(0.3, 0.95)),
        dark_drop=float(rng.uniform(0.0, 0.8)),
        wet_loss=float(rng.uniform(0.4, 0.9)) * wetness,
        noise_growth=float(rng.uniform(0.0, 2.0)),
        echo_share=float(rng.uniform(0.1, 0.5)) if rng.random() < 0.3 else 0.0,
        num_strays=int(rng.integers(0, 30)),
        foliage_m=float(rng.uniform(0.05, 0.5)),
    )


def intensity_of(
    law: IntensityLaw,
    signal: NDArray[np.float64],
    ranges: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Compute intensities, 0-255 in steps of the law.

    Args:
        law: The law.
        signal: Any shape, float64: reflectivity times the share for the angle.
        ranges: Same shape, metres.
        rng: Generator for the spread.
    """
    strength = signal if law.gamma == 1.0 else signal**law.gamma
    if not law.is_compensated:
        strength = strength * (REFERENCE_M / np.maximum(ranges, NEAREST_M)) ** 2
    value = 255 * law.gain * strength * np.exp(rng.normal(0, law.spread, ranges.shape))
    step = 255 / (law.levels - 1)
    intensity: NDArray[np.float64] = np.rint(np.clip(value, 0, law.ceiling) / step) * step
    return intensity
