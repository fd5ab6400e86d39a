"""Name what lies far from the clouds that students are trained on."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.sections import InputConfig
from clip2scene_core.preprocessing.ground import Ground
from clip2scene_core.preprocessing.reach import is_usable

TRAINED_HEIGHTS_M: Final = (0.3, 2.6)
"""Heights of the sensors above the ground in the synthetic world."""
MAX_TILT_DEG: Final = 10.0
"""More is a sensor mounted at an angle, whose extrinsics help."""
MIN_POINTS: Final = 1000
MIN_REACH_M: Final = 12.0
"""The farthest hundredth of the points is normally farther away."""
MAX_LEFT_OUT: Final = 1 / 3
"""Share of points out of reach that is no longer normal; a car's own roof takes up to a fifth."""
MAX_BROKEN: Final = 0.9
"""Share of points without a place; half of an organised cloud is normally such."""
MAX_UNKNOWN: Final = 0.01
"""Share of intensities that are not finite which is worth a note."""
MIN_BRIGHTEST: Final = 0.02
"""A raw intensity that stays below was divided by too much: 0.02 is 5 of 255."""


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
        scale = _scale_notes(points[:, 3]) if config.intensity == "raw" else []
        return (*scale, f"only {len(points)} points: training had thousands")
    notes = []
    if config.intensity != "none":
        notes += _intensity_notes(points[:, 3], config.intensity == "raw")
    x, y, z = points[:, :3].T
    reach_m = float(np.percentile(np.sqrt(x * x + y * y + z * z), 99))
    if reach_m < MIN_REACH_M:
        notes.append(f"points reach only {reach_m:.0f} m")
    if config.level:
        notes += _ground_notes(ground)
    return tuple(notes)


def list_left_out(
    points: NDArray[np.float32],
    reach: tuple[float, float, float],
    T_base_lidar: NDArray[np.float64] | None = None,
) -> tuple[str, ...]:
    """Say why many points of a sweep are out of reach, as of one in another frame or unit.

    Points at the origin are none: drivers write them where there was no echo.

    Args:
        points: (N, 4) float32, all of the sweep as they came: x, y, z in metres, intensity.
        reach: See `is_usable`: nearest range, radius of the robot's circle, farthest range, metres.
        T_base_lidar: See `is_usable`.

    Returns:
        A note if nearly all have no place, and one if more than a third of the others are out of
        reach.
    """
    x, y, z = points[:, :3].T
    is_finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
    is_point = is_finite & ((x != 0) | (y != 0) | (z != 0))
    measured = points[is_point]
    notes = []
    if len(measured) < (1 - MAX_BROKEN) * len(points):
        broken, at_origin = 1 - np.mean(is_finite), np.mean(is_finite & ~is_point)
        notes = [
            f"{100 * broken:.0f} % of the points are not finite, {100 * at_origin:.0f} % are at "
            f"the origin: these have no place"
        ]
    usable = is_usable(measured, *reach, T_base_lidar=T_base_lidar)
    num_left_out = len(measured) - int(usable.sum())
    if num_left_out <= MAX_LEFT_OUT * len(measured):
        return tuple(notes)
    min_range_m, ego_radius_m, max_range_m = reach
    with np.errstate(over="ignore"):
        range_m = np.linalg.norm(measured[:, :3], axis=1)
    num_near, num_far = int((range_m < min_range_m).sum()), int((range_m > max_range_m).sum())
    of_robot = num_left_out - num_near - num_far

    def share(count: int) -> str:
        return f"{100 * count / len(measured):.0f} %"

    return (
        *notes,
        f"{share(num_left_out)} of the points are out of reach: {share(num_far)} farther than "
        f"{max_range_m:g} m, {share(num_near)} nearer than {min_range_m:g} m, {share(of_robot)} in "
        f"the robot's circle of {ego_radius_m:g} m; are they in metres, the sensor at the origin, "
        f"z up?",
    )


def kind_of_note(note: str) -> str:
    """Name what a note is about without its numbers, which differ from sweep to sweep."""
    return re.sub(r"[-+\d.]+(e[-+]?\d+)?", "#", note)


def _intensity_notes(intensity: NDArray[np.float32], is_raw: bool) -> list[str]:
    finite = intensity[np.isfinite(intensity)]
    notes = []
    if len(finite) < (1 - MAX_UNKNOWN) * len(intensity):
        unknown = 1 - len(finite) / len(intensity)
        notes = [f"{100 * unknown:.0f} % of the intensities are not finite: they count as unknown"]
    if len(finite) and float(finite.min()) == float(finite.max()):
        return [*notes, "intensity is constant"]
    return [*notes, *_scale_notes(intensity)] if is_raw else notes


def _scale_notes(intensity: NDArray[np.float32]) -> list[str]:
    """Name raw intensities (N,) whose full scale is not 1."""
    finite = intensity[np.isfinite(intensity)]
    lowest, highest = float(finite.min(initial=0)), float(finite.max(initial=0))
    if lowest < 0 or highest > 1 or 0 < highest < MIN_BRIGHTEST:
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
