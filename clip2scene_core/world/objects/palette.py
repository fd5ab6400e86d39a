"""Named colours with random variation.

The palettes of the kinds overlap, so that colour alone does not tell the class.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from clip2scene_core.world.primitives.parts import Triple

# The names are words of captions: they decide what the small CLIP learns.
COLORS: Final[dict[str, Triple]] = {
    "white": (0.78, 0.78, 0.76),
    "silver": (0.52, 0.54, 0.56),
    "grey": (0.30, 0.31, 0.33),
    "black": (0.035, 0.035, 0.04),
    "red": (0.52, 0.045, 0.04),
    "blue": (0.05, 0.13, 0.42),
    "light blue": (0.25, 0.45, 0.62),
    "green": (0.06, 0.26, 0.10),
    "yellow": (0.80, 0.55, 0.05),
    "orange": (0.78, 0.25, 0.03),
    "brown": (0.22, 0.12, 0.07),
    "beige": (0.62, 0.53, 0.40),
}
VEHICLE_COLORS: Final = (
    "white", "white", "silver", "silver", "grey", "grey", "black", "black", "red", "red",
    "blue", "blue", "light blue", "green", "yellow", "orange", "brown", "beige",
)  # fmt: skip
HEAVY_COLORS: Final = (
    "white", "white", "red", "blue", "green", "yellow", "orange", "grey", "silver", "light blue",
    "beige",
)  # fmt: skip
MACHINE_COLORS: Final = (
    "yellow",
    "yellow",
    "yellow",
    "orange",
    "orange",
    "green",
    "red",
    "white",
    "grey",
)
WALL_COLORS: Final = (
    "white", "beige", "beige", "grey", "silver", "brown", "red", "yellow", "orange", "light blue",
    "green", "white",
)  # fmt: skip
CLOTH_COLORS: Final = tuple(COLORS)


def pick_color(rng: np.random.Generator, names: tuple[str, ...]) -> tuple[str, Triple]:
    """Draw a colour name and a random variation of its albedo."""
    name = names[int(rng.integers(len(names)))]
    return name, jitter(rng, COLORS[name])


def jitter(rng: np.random.Generator, color: Triple, spread: float = 0.12) -> Triple:
    """Vary an albedo at random in brightness and slightly in hue."""
    gain = float(np.exp(rng.normal(0, spread)))
    red, green, blue = (
        min(0.92, max(0.02, channel * gain * (1 + float(rng.normal(0, 0.04))))) for channel in color
    )
    return red, green, blue


def muted(rng: np.random.Generator, color: Triple) -> Triple:
    """Move an albedo towards grey, as on weathered walls."""
    mean = sum(color) / 3
    keep = float(rng.uniform(0.25, 0.6))
    lift = float(rng.uniform(0.05, 0.16))
    red, green, blue = (mean + keep * (channel - mean) + lift for channel in color)
    return red, green, blue
