"""Name what lies far from the clouds that students are trained on."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.sections import InputConfig
from clip2scene_core.preprocessing.ground import Ground

TRAINED_HEIGHTS_M: Final = (0.3, 2.6)
"""Heights of the sensors above the ground in the synthetic world."""
MAX_TILT_DEG: Final = 10.0
"""More is a sensor mounted at an angle, whose extrinsics help."""
MIN_POINTS: Final = 1000
MIN_REACH_M: Final = 12.0
"""The farthest hundredth of the points is normally farther away."""


def describe_ground(ground: Ground | None) -> str:
    """Say in a few words where the sensor is, for a log."""
    if ground is None:
        return "no ground below the sensor"
    return f"sensor {ground.height_m:.2f} m above ground, tilt {ground.tilt_deg:.1f} degrees"


def list_oddities(
    points: NDArray[np.float32], config: InputConfig, ground: Ground | None
) -> tuple[str, ...]:
    """Name what lies far from the training: short notes for a log or diagnostics.

    Args:
        points: (N, 4) float32, the usable points as they came: x, y, z in metres, intensity.
        config: What the network is told; what it is not told is not odd.
        ground: The ground of the sweep; only looked at if the config levels clouds.

    Returns:
        Notes such as "intensity is constant"; none for a sweep like those of the training.
    """
    if len(points) < MIN_POINTS:
        return (f"only {len(points)} points: training had thousands",)
    notes = []
    if config.intensity != "none":
        notes += _intensity_notes(points[:, 3], config.intensity == "raw")
    reach_m = float(np.percentile(np.linalg.norm(points[:, :3], axis=1), 99))
    if reach_m < MIN_REACH_M:
        notes.append(f"points reach only {reach_m:.0f} m")
    if config.level:
        notes += _ground_notes(ground)
    return tuple(notes)


def _intensity_notes(intensity: NDArray[np.float32], is_raw: bool) -> list[str]:
    finite = intensity[np.isfinite(intensity)]
    if len(finite) < len(intensity) / 2:
        return ["intensity is not finite"]
    lowest, highest = float(finite.min()), float(finite.max())
    if lowest == highest:
        return ["intensity is constant"]
    if is_raw and (lowest < 0 or highest > 1):
        return [f"intensity is {lowest:.3g} to {highest:.3g}: training had 0 to 1"]
    return []


def _ground_notes(ground: Ground | None) -> list[str]:
    if ground is None:
        return [describe_ground(None)]
    notes = []
    lowest_m, highest_m = TRAINED_HEIGHTS_M
    if not lowest_m <= ground.height_m <= highest_m:
        notes.append(
            f"sensor {ground.height_m:.1f} m above ground: training had {lowest_m} to {highest_m} m"
        )
    if ground.tilt_deg > MAX_TILT_DEG:
        notes.append(f"ground tilted by {ground.tilt_deg:.0f} degrees: are the extrinsics right?")
    return notes
