"""The picture of the projection: the cloud on each camera's image, colored by depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from clip2scene_core.doctor.edges import find_depth_edges, find_picture_edges
from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.geometry.se3 import invert, transform_points
from clip2scene_core.sample import CameraView, Sweep
from clip2scene_core.visualization.clouds import place_side_by_side, stack

_WIDTH_PX: Final = 800
_COLUMNS: Final = 3
_FADE: Final = 0.45
_NEAR_M, _FAR_M = 3.0, 50.0
_RAMP: Final = np.array(
    [[255, 64, 48], [255, 176, 32], [224, 240, 64], [64, 220, 120], [48, 176, 240], [72, 80, 220]]
)
_EDGE_COLOR: Final = (255, 0, 255)
_STRONG: Final = 0.92


def draw_projection(sweep: Sweep, cameras: Sequence[CameraView]) -> Image.Image:
    """Draw a keyframe so that a wrong calibration is seen at a glance.

    Pictures are faded, their strongest edges white. Points are red where near, blue from 50 m on;
    those that end a thing to the left or right are magenta squares: they should lie on outlines.

    Args:
        sweep: The cloud, located in one frame with the cameras.
        cameras: One view or more.
    """
    rows, _ = find_depth_edges(sweep.points, sweep.T_base_lidar)
    is_edge = np.zeros(len(sweep.points), dtype=np.bool_)
    is_edge[rows] = True
    pictures = [_draw_view(sweep, view, is_edge) for view in cameras]
    captions = [
        f"{view.name}  {(view.stamp_ns - sweep.stamp_ns) / 1e6:+.0f} ms  "
        f"points red ({_NEAR_M:.0f} m) to blue ({_FAR_M:.0f} m), magenta: edges of depth"
        for view in cameras
    ]
    bands = [
        place_side_by_side(pictures[first : first + _COLUMNS], captions[first : first + _COLUMNS])
        for first in range(0, len(pictures), _COLUMNS)
    ]
    return stack(bands)


def color_by_depth(depth_m: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colors of depths: (N,) float metres to (N, 3) uint8, red near, blue far, by the logarithm."""
    spread = np.log(np.clip(depth_m, _NEAR_M, _FAR_M) / _NEAR_M) / np.log(_FAR_M / _NEAR_M)
    steps = np.linspace(0, 1, len(_RAMP))
    channels = [np.interp(spread, steps, _RAMP[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).astype(np.uint8)


def _draw_view(sweep: Sweep, view: CameraView, is_edge: NDArray[np.bool_]) -> Image.Image:
    height, width = view.image.shape[:2]
    scale = _WIDTH_PX / width
    size = (_WIDTH_PX, max(1, round(height * scale)))
    resized = Image.fromarray(view.image).resize(size)
    edges = find_picture_edges(np.asarray(resized.convert("L"), dtype=np.float32))
    faded = (np.asarray(resized) * _FADE).astype(np.uint8)
    strongest = edges > max(float(np.quantile(edges, _STRONG)), 8.0)
    faded[strongest] = np.maximum(faded[strongest], 170)
    picture = Image.fromarray(faded)
    draw = ImageDraw.Draw(picture)
    pairs = pair_pixels_with_points([sweep], [view])
    T_camera_lidar = invert(view.T_global_camera) @ sweep.T_global_lidar
    points = sweep.points[pairs.point_index, :3]
    depth = np.linalg.norm(transform_points(T_camera_lidar, points), axis=1)
    colors = color_by_depth(depth).tolist()
    pixels = ((pairs.pixels + 0.5) * scale).tolist()
    marked = is_edge[pairs.point_index]
    for (u, v), color in zip(pixels, colors, strict=True):
        draw.ellipse([u - 1, v - 1, u + 1, v + 1], fill=tuple(color))
    for (u, v), is_marked in zip(pixels, marked.tolist(), strict=True):
        if is_marked:
            draw.rectangle([u - 2, v - 2, u + 2, v + 2], outline=_EDGE_COLOR)
    return picture
