"""Fog and rain in camera images."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from clip2scene_core.corruptions.corruption import Fog, Rain
from clip2scene_core.corruptions.weather import (
    drop_sizes,
    extinction_of_fog,
    extinction_of_rain,
)
from clip2scene_core.geometry.projection import project_points
from clip2scene_core.geometry.se3 import invert
from clip2scene_core.sample import CameraView, Sweep

_GAMMA: Final = 2.2
_CELLS_ACROSS: Final = 40
_FAR_M: Final = 100.0
"""Distance of a column of the image without LiDAR points, metres."""

_AIRLIGHT_PERCENTILE: Final = 95
_EXPOSURE_S: Final = 0.004
_THINNEST_STREAK_PX: Final = 0.3
_SMALLEST_STREAK_MM: Final = 1.0
_NEAREST_STREAK_M: Final = 0.5
_MAX_SLANT: Final = 0.2


def fog_view(view: CameraView, sweep: Sweep, fog: Fog) -> CameraView:
    """Add fog to an image.

    Args:
        view: View in clear air.
        sweep: Sweep in clear air, near in time; it gives the distances.
        fog: Density of the fog.

    Returns:
        The view with the new image.

    Source: Koschmieder's law, light = t · light + (1 - t) · airlight with t = exp(-extinction ·
    distance). The airlight is the 95th percentile of the light of the image.
    """
    return _veil(view, sweep, extinction_of_fog(fog))


def rain_view(view: CameraView, sweep: Sweep, rain: Rain, rng: np.random.Generator) -> CameraView:
    """Add rain to an image: a veil as in fog, and streaks of near drops.

    Args:
        view: View in clear air.
        sweep: Sweep in clear air, near in time; it gives the distances.
        rain: Rainfall.
        rng: Generator for the drops.

    Returns:
        The view with the new image.

    Source: drops by Marshall and Palmer (1948); as in Garg and Nayar, "Vision and Rain" (IJCV
    2007), a drop shows the bright sky for the share of the exposure in which it covers a pixel.
    """
    veiled = _veil(view, sweep, extinction_of_rain(rain))
    light = _light(veiled.image)
    cover = _streaks(view, rain, rng)[..., None]
    return replace(view, image=_picture((1 - cover) * light + cover * _airlight(light)))


def distance_image(view: CameraView, sweep: Sweep) -> NDArray[np.float32]:
    """Estimate the distance of the surface in each pixel.

    A coarse cell has the distance of its nearest LiDAR point. A cell without points has the
    distance of the cell below it, because objects on the ground reach upwards. So the sky has the
    distance of the horizon below it.

    Args:
        view: Camera view with its pose.
        sweep: Any sweep near in time.

    Returns:
        (H, W) float32, metres.
    """
    height, width = view.image.shape[:2]
    cell_px = max(1.0, width / _CELLS_ACROSS)
    shape = math.ceil(height / cell_px), math.ceil(width / cell_px)
    T_camera_lidar = invert(view.T_global_camera) @ sweep.T_global_lidar
    pixels, _ = project_points(sweep.points[:, :3], T_camera_lidar, view.intrinsics, view.lens)
    distances = np.linalg.norm(sweep.points[:, :3] - invert(T_camera_lidar)[:3, 3], axis=1)
    inside = (pixels > 0).all(axis=1) & (pixels < (width, height)).all(axis=1) & (distances > 1)
    columns, rows = (pixels[inside] / cell_px).astype(np.int64).T
    cells = np.full(shape, np.inf)
    np.minimum.at(cells, (rows, columns), distances[inside])
    for row in range(shape[0] - 2, -1, -1):
        cells[row] = np.where(np.isinf(cells[row]), cells[row + 1], cells[row])
    for row in range(1, shape[0]):
        cells[row] = np.where(np.isinf(cells[row]), cells[row - 1], cells[row])
    cells[np.isinf(cells)] = _FAR_M
    smooth = Image.fromarray(cells.astype(np.float32))
    return np.asarray(smooth.resize((width, height), Image.Resampling.BILINEAR))


def _veil(view: CameraView, sweep: Sweep, extinction_per_m: float) -> CameraView:
    light = _light(view.image)
    through = np.exp(-extinction_per_m * distance_image(view, sweep))[..., None]
    return replace(view, image=_picture(through * light + (1 - through) * _airlight(light)))


def _streaks(view: CameraView, rain: Rain, rng: np.random.Generator) -> NDArray[np.float32]:
    """Share of the exposure in which a drop covers each pixel: (H, W) float32 in [0, 1]."""
    height, width = view.image.shape[:2]
    focal_px = float(view.intrinsics[0, 0])
    per_m3, slope_per_mm = drop_sizes(rain)
    count = per_m3 / slope_per_mm * math.exp(-slope_per_mm * _SMALLEST_STREAK_MM)
    farthest_m = 4e-3 * focal_px / _THINNEST_STREAK_PX  # a drop of 4 mm has the minimum width
    volume_m3 = width * height / focal_px**2 * farthest_m**3 / 3
    num_drops = rng.poisson(count * volume_m3)
    diameter_mm = _SMALLEST_STREAK_MM + rng.exponential(1 / slope_per_mm, num_drops)
    distance_m = farthest_m * np.cbrt(rng.random(num_drops))
    width_px = focal_px * diameter_mm * 1e-3 / distance_m
    seen = (width_px > _THINNEST_STREAK_PX) & (distance_m > _NEAREST_STREAK_M)
    # Fall speed in m/s, Atlas et al. (1973).
    fall_m = (9.65 - 10.3 * np.exp(-0.6 * diameter_mm)) * _EXPOSURE_S
    length_px = focal_px * fall_m / distance_m
    cover = diameter_mm * 1e-3 / fall_m * np.minimum(width_px, 1)
    u, v = rng.random(num_drops) * width, rng.random(num_drops) * height
    slant = rng.uniform(-_MAX_SLANT, _MAX_SLANT)
    layer = Image.new("F", (width, height))
    draw = ImageDraw.Draw(layer)
    for i in np.flatnonzero(seen):
        line = [(u[i], v[i]), (u[i] + slant * length_px[i], v[i] + length_px[i])]
        draw.line(line, fill=float(cover[i]), width=max(1, round(width_px[i])))
    return np.asarray(layer)


def _light(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Linear light of the pixels (H, W, 3), in [0, 1]."""
    values = ((np.arange(256) / 255) ** _GAMMA).astype(np.float32)
    light: NDArray[np.float32] = values[image]
    return light


def _picture(light: NDArray[np.floating]) -> NDArray[np.uint8]:
    values: NDArray[np.float64] = 255 * np.clip(light, 0, 1) ** (1 / _GAMMA)
    return np.rint(values).astype(np.uint8)


def _airlight(light: NDArray[np.float32]) -> NDArray[np.float32]:
    brightest = np.percentile(light.reshape(-1, 3), _AIRLIGHT_PERCENTILE, axis=0)
    return brightest.astype(np.float32)
