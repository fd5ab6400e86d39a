"""Cameras of some keyframes: sizes, focal lengths, and how much of the cloud each one sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from clip2scene_core.doctor.finding import Finding, note, ok, problem
from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.sample import CameraView, Sweep

_NARROW_DEG, _WIDE_DEG = 15.0, 150.0
_CENTRAL: Final = (0.35, 0.65)
_ASPECT: Final = 1.2
_LITTLE_IN_VIEW: Final = 0.01


@dataclass(frozen=True)
class CameraLook:
    """What one view shows.

    Attributes:
        size: (height, width) of the picture, pixels.
        focal: (fx, fy), pixels.
        center: (cx, cy), pixels.
        is_pinhole: Whether the lens bends nothing.
        in_view: Share of the points of the cloud that the view contains.
        apart_s: From the stamp of the cloud to that of the picture, seconds.
        spread: Standard deviation of the brightness, of 255.
    """

    size: tuple[int, int]
    focal: tuple[float, float]
    center: tuple[float, float]
    is_pinhole: bool
    in_view: float
    apart_s: float
    spread: float


def look_at_view(sweep: Sweep, view: CameraView) -> CameraLook:
    """Look at one view of a sweep."""
    num_seen = len(pair_pixels_with_points([sweep], [view]))
    matrix = view.intrinsics
    return CameraLook(
        size=(view.image.shape[0], view.image.shape[1]),
        focal=(float(matrix[0, 0]), float(matrix[1, 1])),
        center=(float(matrix[0, 2]), float(matrix[1, 2])),
        is_pinhole=view.lens.model == "pinhole",
        in_view=num_seen / max(1, len(sweep.points)),
        apart_s=(view.stamp_ns - sweep.stamp_ns) / 1e9,
        spread=float(view.image[::4, ::4].std()),
    )


def check_cameras(looks: Mapping[str, Sequence[CameraLook]], num_clouds: int) -> list[Finding]:
    """Examine what views showed.

    Args:
        looks: Of some keyframes, by camera.
        num_clouds: Number of these keyframes.
    """
    if not looks:
        return [
            note(
                "cameras",
                "there are none",
                "pre-training learns from cameras; label or fine-tune without (mode lidar)",
            )
        ]
    findings = []
    for name, views in looks.items():
        findings += _check_camera(f"camera {name}", views, num_clouds)
    unseen = [name for name, views in looks.items() if not max(view.in_view for view in views)]
    if len(unseen) == len(looks):
        remedy = "check the extrinsics, and whether they say child in parent or the reverse"
        findings.append(problem("cameras", "no camera sees a point of the cloud", remedy))
    return findings


def _check_camera(subject: str, views: Sequence[CameraLook], num_clouds: int) -> list[Finding]:
    findings = []
    sizes = sorted({view.size for view in views})
    if len(sizes) > 1:
        listed = ", ".join(f"{width} x {height}" for height, width in sizes)
        remedy = "keep one size; check that calibration and pictures change together"
        findings.append(note(subject, f"pictures of several sizes: {listed}", remedy))
    last = views[-1]
    findings += check_intrinsics(subject, last.size, last.focal, last.center, last.is_pinhole)
    dark = sum(view.spread < 2 for view in views)
    if dark:
        remedy = "look at the pictures: a covered lens, an exposure that failed"
        findings.append(
            note(subject, f"{dark} of {len(views)} pictures show one color alone", remedy)
        )
    share = float(np.median([view.in_view for view in views]))
    apart_ms = 1000 * float(np.median([view.apart_s for view in views]))
    height, width = last.size
    text = (
        f"{width} x {height}, {_view_deg(last):.0f} degrees wide, sees {100 * share:.1f} % of the "
        f"points, {apart_ms:+.0f} ms from the cloud"
    )
    if share == 0:
        remedy = "check its extrinsics: points lie behind it or beside its view"
        findings.append(problem(subject, f"{text}: none", remedy))
    elif share < _LITTLE_IN_VIEW:
        remedy = "look at the picture of the projection (--picture)"
        findings.append(note(subject, text, remedy))
    else:
        findings.append(ok(subject, text))
    if len(views) < num_clouds / 2:
        text = f"it has a picture for {len(views)} of {num_clouds} clouds"
        findings.append(note(subject, text, "look for lost pictures, or clocks that drift"))
    return findings


def check_intrinsics(
    subject: str,
    size: tuple[int, int],
    focal: tuple[float, float],
    center: tuple[float, float],
    is_pinhole: bool = True,
) -> list[Finding]:
    """Compare a pinhole matrix with the size of the picture.

    Args:
        subject: What the findings are about.
        size: (height, width), pixels.
        focal: (fx, fy), pixels.
        center: (cx, cy), pixels.
        is_pinhole: Whether the lens bends nothing; others may see wider.
    """
    height, width = size
    across, down = (center[0] + 0.5) / width, (center[1] + 0.5) / height
    what = (
        f"focal length {focal[0]:.0f}, {focal[1]:.0f} and center {center[0]:.0f}, {center[1]:.0f} "
        f"in a picture of {width} x {height}"
    )
    is_off = [not _CENTRAL[0] <= share <= _CENTRAL[1] for share in (across, down)]
    if all(is_off) or not (0 < across < 1 and 0 < down < 1):
        return [
            problem(
                subject,
                f"{what}: the calibration is of a picture of about {2 * center[0]:.0f} x "
                f"{2 * center[1]:.0f}",
                "give the calibration of these pictures: a picture that was made smaller needs a "
                "matrix that was made smaller",
            )
        ]
    findings = []
    if any(is_off):
        remedy = "fine for a picture that was cut; else calibrate this size of picture"
        findings.append(note(subject, f"{what}: the center is far from the middle", remedy))
    view_deg = float(2 * np.degrees(np.arctan(width / 2 / focal[0])))
    if not _NARROW_DEG <= view_deg <= (_WIDE_DEG if is_pinhole else 180):
        remedy = "check the unit (pixels) and the size of the picture that was calibrated"
        findings.append(note(subject, f"{what}: {view_deg:.0f} degrees wide", remedy))
    if max(focal) > _ASPECT * min(focal):
        remedy = "check the calibration; pixels are square in nearly every camera"
        findings.append(note(subject, f"{what}: pixels are not square", remedy))
    return findings


def _view_deg(look: CameraLook) -> float:
    return float(2 * np.degrees(np.arctan(look.size[1] / 2 / look.focal[0])))
