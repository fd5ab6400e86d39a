"""Pictures of labelled clouds: bird's-eye view, camera overlay and legend."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.labels import IGNORE_COLOR, IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.sample import CameraView, Sweep

BACKGROUND = (24, 26, 31)
FOREGROUND = (235, 235, 235)
MARGIN_PX = 10

_FADE = 0.75
_POINTS_ACROSS = 160
_NAME_PX = 18
_NAME_CHARS = 120
_NAMES_PER_COLUMN = 20


def draw_bird_eye(
    points: NDArray[np.floating],
    colors: NDArray[np.uint8],
    size_px: int = 720,
    reach_m: float = 35.0,
) -> Image.Image:
    """Draw points from above; higher points cover lower ones.

    Args:
        points: (N, 3) float, metres; the origin is the sensor, x forward, y left, z up.
        colors: (N, 3) uint8 RGB.
        size_px: Edge of the square picture, pixels.
        reach_m: Distance from the centre to an edge, metres.

    Returns:
        RGB picture; forward is up, and the arrow is the sensor.
    """
    canvas = np.empty((size_px, size_px, 3), dtype=np.uint8)
    canvas[:] = BACKGROUND
    scale = size_px / (2 * reach_m)
    rows = np.floor(size_px / 2 - points[:, 0] * scale).astype(np.int64)
    columns = np.floor(size_px / 2 - points[:, 1] * scale).astype(np.int64)
    order = np.argsort(points[:, 2], kind="stable")
    for row_step in (0, 1):  # 2 x 2 pixels per point: a single pixel is hard to see
        for column_step in (0, 1):
            r, c = rows[order] + row_step, columns[order] + column_step
            inside = (r >= 0) & (r < size_px) & (c >= 0) & (c < size_px)
            canvas[r[inside], c[inside]] = colors[order][inside]
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    center = size_px / 2
    draw.polygon(
        [(center, center - 9), (center - 6, center + 7), (center + 6, center + 7)],
        fill=FOREGROUND,
    )
    length = 10 * scale
    left, bottom = MARGIN_PX, size_px - MARGIN_PX
    draw.line([(left, bottom), (left + length, bottom)], fill=FOREGROUND, width=2)
    draw.text((left, bottom - 16), "10 m", fill=FOREGROUND, font=label_font())
    return picture


def forward_left_up(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """Turn points from nuScenes' LiDAR frame to the axes of `draw_bird_eye`.

    Args:
        points: (N, 3 or more) float, x right, y forward, z up.

    Returns:
        (N, 3) float, x forward, y left, z up.
    """
    right, forward, up = points[:, :3].T
    return np.stack([forward, -right, up], axis=1)


def draw_overlay(
    camera: CameraView,
    sweep: Sweep,
    labels: NDArray[np.uint8],
    vocabulary: Vocabulary,
    width_px: int,
) -> Image.Image:
    """Draw the labelled points that a camera sees over its image.

    Args:
        camera: The camera view.
        sweep: Sweep of N points.
        labels: (N,) uint8; IGNORE_LABEL is not drawn.
        vocabulary: Colours of the labels.
        width_px: Width of the picture, pixels.

    Returns:
        RGB picture with the aspect ratio of the image.
    """
    pairs = pair_pixels_with_points([sweep], [camera], occlusion_margin_m=0.5)
    drawn = labels[pairs.point_index] != IGNORE_LABEL
    height, width = camera.image.shape[:2]
    scale = width_px / width
    pixels = (pairs.pixels[drawn] + 0.5) * scale
    colors = vocabulary.colorize(labels[pairs.point_index[drawn]])
    faded = Image.fromarray((camera.image * _FADE).astype(np.uint8))
    picture = faded.resize((width_px, round(height * scale)))
    draw = ImageDraw.Draw(picture)
    radius = width_px / _POINTS_ACROSS / 2
    for (u, v), color in zip(pixels.tolist(), colors.tolist(), strict=True):
        draw.ellipse([u - radius, v - radius, u + radius, v + radius], fill=tuple(color))
    return picture


def draw_legend(vocabulary: Vocabulary, labels: NDArray[np.uint8], height_px: int) -> Image.Image:
    """Draw the name and colour of each label with its share of the points, most frequent first.

    Args:
        vocabulary: Names and colours of the labels.
        labels: (N,) uint8 labels of the points.
        height_px: Height of the picture, pixels.

    Returns:
        RGB picture.
    """
    counts = np.bincount(labels, minlength=256)
    order = sorted(range(len(vocabulary)), key=lambda label: -counts[label])
    line_px = max(12, min(24, (height_px - 2 * MARGIN_PX) // (len(order) + 1)))
    picture = Image.new("RGB", (230, height_px), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    rows = [(vocabulary.names[i], tuple(vocabulary.colors[i].tolist()), counts[i]) for i in order]
    rows.append(("unlabelled", IGNORE_COLOR, counts[IGNORE_LABEL]))
    for line, (name, color, count) in enumerate(rows):
        top = MARGIN_PX + line * line_px
        if top + line_px > height_px:
            break
        draw.rectangle([MARGIN_PX, top + 2, MARGIN_PX + 14, top + line_px - 4], fill=color)
        share = f"{100 * count / max(1, len(labels)):.1f} %"
        draw.text((MARGIN_PX + 22, top), name, fill=FOREGROUND, font=label_font())
        draw.text((180, top), share, fill=FOREGROUND, font=label_font())
    return picture


def draw_names(vocabulary: Vocabulary) -> Image.Image:
    """Draw the colour, number and name of each label, in the order of the labels.

    Args:
        vocabulary: Names and colours of the labels; a column holds up to 20, and of a name the
            first 120 characters are drawn.

    Returns:
        RGB picture; its size depends on the names.
    """
    font = label_font(_NAME_PX)
    line_px = _NAME_PX + 8
    rows = [f"{label}  {_shortened(name)}" for label, name in enumerate(vocabulary.names)]
    text_left = MARGIN_PX + _NAME_PX + 8
    widest = max(font.getbbox(row)[2] for row in rows)
    column_px = text_left + math.ceil(widest) + MARGIN_PX
    num_columns = math.ceil(len(rows) / _NAMES_PER_COLUMN)
    height = 2 * MARGIN_PX + line_px * min(len(rows), _NAMES_PER_COLUMN)
    picture = Image.new("RGB", (num_columns * column_px, height), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for label, row in enumerate(rows):
        column, line = divmod(label, _NAMES_PER_COLUMN)
        left, top = column * column_px, MARGIN_PX + line * line_px
        color = tuple(vocabulary.colors[label].tolist())
        swatch = [left + MARGIN_PX, top + 2, left + MARGIN_PX + _NAME_PX, top + 2 + _NAME_PX]
        draw.rectangle(swatch, fill=color)
        draw.text((left + text_left, top), row, fill=FOREGROUND, font=font)
    return picture


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_CHARS else f"{name[:_NAME_CHARS]}..."


def place_side_by_side(
    pictures: Sequence[Image.Image], captions: Sequence[str] | None = None
) -> Image.Image:
    """Put pictures in a row on the dark background, aligned at the top, with captions above."""
    header = 0 if captions is None else 26
    width = sum(p.width for p in pictures) + MARGIN_PX * (len(pictures) - 1)
    row = Image.new("RGB", (width, header + max(p.height for p in pictures)), BACKGROUND)
    draw = ImageDraw.Draw(row)
    left = 0
    for index, picture in enumerate(pictures):
        row.paste(picture, (left, header))
        if captions is not None:
            draw.text((left + 4, 5), captions[index], fill=FOREGROUND, font=label_font())
        left += picture.width + MARGIN_PX
    return row


def stack(pictures: Sequence[Image.Image]) -> Image.Image:
    """Put pictures in a column on the dark background, aligned at the left."""
    height = sum(p.height for p in pictures) + MARGIN_PX * (len(pictures) - 1)
    column = Image.new("RGB", (max(p.width for p in pictures), height), BACKGROUND)
    top = 0
    for picture in pictures:
        column.paste(picture, (0, top))
        top += picture.height + MARGIN_PX
    return column


def label_font(size_px: int = 13) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load the font of all pictures."""
    return ImageFont.load_default(size=size_px)
