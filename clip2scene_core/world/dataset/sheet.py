"""A contact sheet: the scenes of a world in one picture, for visual inspection."""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from clip2scene_core.labels import IGNORE_COLOR, IGNORE_LABEL, NUSCENES_CLASSES, nuscenes_label_map
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import Scene, ego_pose
from clip2scene_core.world.render.camera import (
    Moment,
    cast_camera,
    moment_of,
    paint,
    static_sun_map,
)
from clip2scene_core.world.sensors.lidar import measure_revolution
from clip2scene_core.world.sensors.sensor_rig import RIG_CAMERAS, RIG_LIDAR, RigSensor

VIEW_SIZE: Final = (134, 240)
"""(height, width) of a camera picture, pixels; it is rendered at twice this size and shrunk."""

AROUND: Final = (
    "CAM_BACK_LEFT", "CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK",
)  # fmt: skip
"""The cameras from left to right, as in a panorama."""

TOP_REACH_M: Final = 35.0
SKY_COLOR: Final = (70, 70, 85)
TOP_COLOR: Final = (42, 42, 50)
PAPER_COLOR: Final = (250, 250, 250)
INK_COLOR: Final = (20, 20, 20)
TITLE_PX: Final = 18
GAP_PX: Final = 3

_CLASS_COLORS: Final = np.full((256, 3), IGNORE_COLOR, dtype=np.uint8)
_CLASS_COLORS[: len(NUSCENES_CLASSES)] = [one.color for one in NUSCENES_CLASSES]


def draw_sheet(options: WorldOptions) -> NDArray[np.uint8]:
    """Draw the start of each scene of a world.

    A row is a scene: the six camera pictures, their classes below, and on the right the sweep from
    above in the colours of the classes. The vehicle is in the centre and points up. The size of the
    pictures does not depend on the options.

    Args:
        options: The world; only seed, number and length of the scenes, terrain, places and LiDAR
            columns are used.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    rows = [_draw_scene(options, index) for index in range(options.num_scenes)]
    return np.concatenate([*rows, _draw_legend(rows[0].shape[1])])


def _draw_scene(options: WorldOptions, index: int) -> NDArray[np.uint8]:
    scene = build_scene(
        options.seed, index, options.seconds, terrain=options.terrain, places=options.places
    )
    moment = moment_of(scene, static_sun_map(scene), 0.0)
    sensors = {sensor.channel: sensor for sensor in RIG_CAMERAS}
    views = [_draw_view(moment, sensors[channel]) for channel in AROUND]
    cameras = np.concatenate([_framed(view) for view in views], axis=1)
    top = _draw_from_above(scene, options.lidar_columns, cameras.shape[0] - GAP_PX)
    row = np.concatenate([cameras, _framed(top)], axis=1)
    crossing = "a junction" if scene.road.crossing_s < scene.length_m + 60 else "no junction"
    radius = abs(1 / scene.road.curvature) if scene.road.curvature else float("inf")
    bend = "straight" if radius > 2000 else f"a bend of {radius:.0f} m"
    title = f"seed {options.seed}, scene {index}: {scene.weather}, {bend}, {crossing}"
    if options.places != "street":
        title += f", {scene.place}, {scene.platform} at {scene.ego_speed:.1f} m/s"
    return np.concatenate([_title(title, row.shape[1]), row])


def _draw_view(moment: Moment, sensor: RigSensor) -> NDArray[np.uint8]:
    """Draw the picture of a camera above its classes, (2 H + gap, W, 3) uint8 RGB."""
    height, width = VIEW_SIZE
    size = (2 * height, 2 * width)
    T_scene_camera = ego_pose(moment.scene, 0.0) @ sensor.T_ego_sensor
    hits = cast_camera(moment, sensor.intrinsics(size), T_scene_camera, size)
    picture = Image.fromarray(paint(moment, hits)).resize((width, height), Image.Resampling.BOX)
    labels = hits.labels[::2, ::2]
    classes = _CLASS_COLORS[labels]
    classes[labels == IGNORE_LABEL] = SKY_COLOR
    gap = np.full((GAP_PX, width, 3), PAPER_COLOR, dtype=np.uint8)
    return np.concatenate([np.asarray(picture), gap, classes])


def _draw_from_above(scene: Scene, num_columns: int, size: int) -> NDArray[np.uint8]:
    """Draw a sweep from above, (size, size, 3) uint8 RGB; the vehicle points up."""
    primitives = scene.with_static(scene.moving_at(0.0))
    T_scene_lidar = ego_pose(scene, 0.0) @ RIG_LIDAR.T_ego_sensor
    rng = np.random.default_rng(0)
    revolution = measure_revolution(primitives, scene.plan, T_scene_lidar, num_columns, rng)
    labels = nuscenes_label_map()[revolution.categories]
    x, y, z = revolution.points[:, :3].T
    pixels_per_m = size / (2 * TOP_REACH_M)
    columns = np.floor(size / 2 + x * pixels_per_m).astype(int)
    rows = np.floor(size / 2 - y * pixels_per_m).astype(int)
    shown = (labels != IGNORE_LABEL) & (np.minimum(rows, columns) >= 0)
    shown &= np.maximum(rows, columns) < size - 1
    # The highest points are drawn last: objects hide the ground.
    order = np.flatnonzero(shown)[np.argsort(z[shown], kind="stable")]
    picture = np.full((size, size, 3), TOP_COLOR, dtype=np.uint8)
    for down, right in itertools.product((0, 1), repeat=2):
        picture[rows[order] + down, columns[order] + right] = _CLASS_COLORS[labels[order]]
    middle, half = size // 2, max(2, round(pixels_per_m))
    picture[middle - half : middle + 2 * half, middle - half : middle + half] = PAPER_COLOR
    return picture


def _framed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Add a gap to the right of a picture and below it."""
    return np.stack(
        [
            np.pad(picture[..., c], ((0, GAP_PX), (0, GAP_PX)), constant_values=PAPER_COLOR[c])
            for c in range(3)
        ],
        axis=-1,
    )


def _title(text: str, width: int) -> NDArray[np.uint8]:
    strip = Image.new("RGB", (width, TITLE_PX), PAPER_COLOR)
    ImageDraw.Draw(strip).text((4, 3), text, fill=INK_COLOR)
    return np.asarray(strip)


def _draw_legend(width: int) -> NDArray[np.uint8]:
    """Draw the names of the classes beside their colours, in two lines."""
    strip = Image.new("RGB", (width, 2 * TITLE_PX + 4), PAPER_COLOR)
    draw = ImageDraw.Draw(strip)
    per_line = len(NUSCENES_CLASSES) // 2
    for index, one in enumerate(NUSCENES_CLASSES):
        left = 4 + (index % per_line) * (width // per_line)
        top = 3 + (index // per_line) * TITLE_PX
        draw.rectangle((left, top, left + 14, top + 12), fill=one.color, outline=INK_COLOR)
        draw.text((left + 20, top), one.name, fill=INK_COLOR)
    return np.asarray(strip)
