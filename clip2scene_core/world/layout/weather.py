"""Six kinds of weather and light."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

WEATHER_NAMES: Final = ("sunny", "overcast", "foggy", "sunset", "rainy", "night")
NIGHT_GRAIN: Final = 4.0


class Light(NamedTuple):
    """Light of one scene (a NamedTuple, because compiled code takes no dataclass).

    Attributes:
        sun_direction: (3,) float64 unit vector towards the sun (or moon), scene frame.
        colors: (5, 3) float64 linear RGB of sun, ambient light, zenith, horizon, fog.
        fog_density: Extinction coefficient of fog, 1/m.
        softness_m: Radius of the blur of shadow edges, metres.
        wetness: Wetness of the ground, 0 (dry) to 1 (wet).
        lamp: Brightness of lamps and windows, 0 (off) to 1 (on).
        clouds: Cloud cover, 0 (clear) to 1 (covered).
        grain: Standard deviation of the camera's noise, in display values (0-255).
    """

    sun_direction: NDArray[np.float64]
    colors: NDArray[np.float64]
    fog_density: float
    softness_m: float
    wetness: float
    lamp: float
    clouds: float
    grain: float


def light_of(weather: str, rng: np.random.Generator) -> Light:
    """Draw the light of a scene.

    Args:
        weather: One of WEATHER_NAMES.
        rng: Generator for sun, colours and haze.
    """
    # The elevation of the sun in degrees, then the fields of Light in order.
    elevation, sun, ambient, zenith, horizon, fog, softness, wet, lamp, clouds = {
        "sunny": (rng.uniform(32, 60), (1.75, 1.62, 1.4), (0.52, 0.6, 0.74), (0.22, 0.42, 0.78),
                  (0.68, 0.79, 0.9), 0.0007, 0.12, 0.0, 0.0, rng.uniform(0.1, 0.5)),
        "overcast": (75.0, (0.62, 0.62, 0.6), (0.72, 0.75, 0.8), (0.62, 0.66, 0.72),
                     (0.8, 0.82, 0.84), 0.0013, 0.9, 0.1, 0.0, 0.9),
        "foggy": (75.0, (0.4, 0.4, 0.4), (0.88, 0.9, 0.92), (0.72, 0.74, 0.76),
                  (0.78, 0.79, 0.8), rng.uniform(0.009, 0.016), 0.9, 0.25, 0.3, 1.0),
        "sunset": (rng.uniform(14, 24), (2.0, 1.2, 0.62), (0.6, 0.55, 0.62), (0.32, 0.38, 0.58),
                   (0.95, 0.66, 0.42), 0.0016, 0.16, 0.0, 0.6, rng.uniform(0.3, 0.6)),
        "rainy": (75.0, (0.3, 0.31, 0.34), (0.6, 0.64, 0.72), (0.38, 0.42, 0.48),
                  (0.55, 0.58, 0.62), 0.0055, 0.9, 1.0, 0.8, 1.0),
        # The sun is the moon here, and the sky has the glow of a town; lamps give most light.
        "night": (rng.uniform(35, 60), (0.14, 0.15, 0.2), (0.11, 0.115, 0.155),
                  (0.008, 0.011, 0.028), (0.045, 0.04, 0.045), 0.0012, 0.12, 0.0, 1.0,
                  rng.uniform(0.1, 0.7)),
    }[weather]  # fmt: skip
    azimuth = float(rng.uniform(0, 2 * math.pi))
    tilt = math.radians(float(elevation))
    colors = np.array([sun, ambient, zenith, horizon, horizon], dtype=np.float64)
    colors *= float(rng.uniform(0.9, 1.1))
    return Light(
        sun_direction=np.array(
            [
                math.cos(azimuth) * math.cos(tilt),
                math.sin(azimuth) * math.cos(tilt),
                math.sin(tilt),
            ]
        ),
        colors=colors,
        fog_density=float(fog),
        softness_m=float(softness),
        wetness=float(wet),
        lamp=float(lamp),
        clouds=float(clouds),
        grain=NIGHT_GRAIN if weather == "night" else 0.0,
    )
