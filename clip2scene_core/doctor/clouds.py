"""Clouds of some keyframes: points at all, intensities, and the ground below the sensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.doctor.finding import Finding, note, ok, problem
from clip2scene_core.preprocessing.ground import Ground
from clip2scene_core.preprocessing.levelling import find_ground
from clip2scene_core.sample import Sweep

_FULL_SCALES: Final = (1.0, 255.0, 4095.0, 65535.0)
_FEW_POINTS: Final = 1000
_MUCH_UNKNOWN: Final = 0.01
_SCALE_IS_BELOW: Final = 0.01
_BEYOND: Final = 1e-3
_LOW_M, _HIGH_M = 0.3, 4.0
_TILTED_DEG: Final = 5.0


@dataclass(frozen=True)
class CloudLook:
    """What one cloud shows.

    Attributes:
        num_points: Number of its points, also those that are not finite.
        num_unknown: Points that are not finite.
        largest: Largest finite intensity, divided by the full scale that was assumed.
        beyond: Share of the points above that full scale.
        is_constant: Whether all intensities are one.
        ground: The ground; None if none was found or looked for.
        is_flipped: Whether a ground is found if the cloud is turned over.
        has_colors: Whether it is a cloud of depth cameras: then there is no intensity, and no
            ground below a sensor.
    """

    num_points: int
    num_unknown: int
    largest: float
    beyond: float
    is_constant: bool
    ground: Ground | None
    is_flipped: bool
    has_colors: bool


def look_at_cloud(sweep: Sweep) -> CloudLook:
    """Look at one sweep."""
    points = sweep.points
    is_finite = np.isfinite(points[:, :3]).all(axis=1)
    intensity = points[:, 3][np.isfinite(points[:, 3])]
    has_colors = points.shape[1] > 4
    ground = None if has_colors else find_ground(points[is_finite], sweep.T_base_lidar)
    is_flipped = False
    if ground is None and not has_colors and len(points) >= _FEW_POINTS:
        turned = points[is_finite] * np.array([1, -1, -1, 1], dtype=np.float32)
        is_flipped = find_ground(turned, sweep.T_base_lidar) is not None
    return CloudLook(
        num_points=len(points),
        num_unknown=int((~is_finite).sum()),
        largest=float(intensity.max(initial=0)),
        beyond=float((intensity > 1).mean()) if len(intensity) else 0.0,
        is_constant=len(intensity) == 0 or bool(intensity.min() == intensity.max()),
        ground=ground,
        is_flipped=is_flipped,
        has_colors=has_colors,
    )


def check_clouds(looks: Sequence[CloudLook], full_scale: float | None) -> list[Finding]:
    """Examine what clouds showed.

    Args:
        looks: What was seen of the cloud of each of some keyframes.
        full_scale: The largest intensity that was assumed; None if it was found from the clouds.
    """
    if not looks:
        return []
    counts = np.array([look.num_points for look in looks])
    findings = []
    text = f"{int(np.median(counts))} points each ({counts.min()} to {counts.max()})"
    if counts.min() == 0:
        empty = int((counts == 0).sum())
        remedy = "leave them out, or check the sensor"
        findings.append(problem("clouds", f"{empty} of {len(looks)} are empty", remedy))
    elif np.median(counts) < _FEW_POINTS:
        remedy = "a student sees little in so few; check that the clouds are whole revolutions"
        findings.append(note("clouds", text, remedy))
    else:
        findings.append(ok("clouds", text))
    unknown = sum(look.num_unknown for look in looks) / max(1, counts.sum())
    if unknown > _MUCH_UNKNOWN:
        remedy = "they are left out; nothing need be done if the driver marks what had no echo so"
        findings.append(note("clouds", f"{100 * unknown:.0f} % of the points are NaN", remedy))
    if looks[0].has_colors:
        return findings
    return [*findings, *_check_intensities(looks, full_scale), *_check_ground(looks)]


def _check_intensities(looks: Sequence[CloudLook], full_scale: float | None) -> list[Finding]:
    looks = [look for look in looks if look.num_points]
    if not looks:
        return []
    if all(look.is_constant for look in looks):
        return [
            note(
                "intensity",
                "all intensities are one number, or none is known",
                "name the field that holds them (intensity_field), or train without: "
                "--set input.intensity=none",
            )
        ]
    largest = max(look.largest for look in looks)
    beyond = float(np.mean([look.beyond for look in looks]))
    if full_scale is None:
        return [ok("intensity", f"up to {largest:.3g} of the full scale that was found")]
    if beyond > _BEYOND or largest < _SCALE_IS_BELOW:
        raw = largest * full_scale
        fitting = next((scale for scale in _FULL_SCALES if raw <= scale * 1.001), raw)
        return [
            problem(
                "intensity",
                f"the largest is {raw:.4g}, but the full scale is taken as {full_scale:g}",
                f"give the sensor's largest intensity: --intensity-scale {fitting:g} fits",
            )
        ]
    return [ok("intensity", f"up to {largest * full_scale:.4g} of {full_scale:g}")]


def _check_ground(looks: Sequence[CloudLook]) -> list[Finding]:
    grounds = [look.ground for look in looks if look.ground is not None]
    share = len(grounds) / len(looks)
    if not grounds:
        if sum(look.is_flipped for look in looks) > len(looks) / 2:
            remedy = "turn the clouds, or give the extrinsics of the LiDAR: how it hangs"
            return [problem("ground", "it is above the sensor: z points down", remedy)]
        return [
            note(
                "ground",
                f"none is found below the sensor in {len(looks)} clouds",
                "check the axes of the cloud (z up, to within 25 degrees) and the extrinsics of "
                "the LiDAR; indoors or with a narrow view nothing need be done",
            )
        ]
    heights = np.array([ground.height_m for ground in grounds])
    tilts: NDArray[np.float64] = np.array([ground.tilt_deg for ground in grounds])
    height_m, tilt_deg = float(np.median(heights)), float(np.median(tilts))
    text = (
        f"{height_m:.2f} m below the sensor, tilted by {tilt_deg:.1f} degrees, found in "
        f"{100 * share:.0f} % of {len(looks)} clouds"
    )
    if not _LOW_M <= height_m <= _HIGH_M:
        remedy = "check that points are in metres and in the sensor's own frame"
        return [note("ground", text, remedy)]
    if tilt_deg > _TILTED_DEG:
        remedy = "give the LiDAR's extrinsics, or level the clouds (--set input.level=true)"
        return [note("ground", text, remedy)]
    return [ok("ground", text)]
