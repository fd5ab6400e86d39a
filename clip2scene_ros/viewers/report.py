"""What a labelled bag shows: pictures to look at, and mIoU where the bag carries the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.evaluation import ConfusionMatrix
from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.sample import Sweep
from clip2scene_core.visualization.clouds import (
    draw_bird_eye,
    draw_legend,
    draw_overlay,
    place_side_by_side,
    stack,
)
from clip2scene_ros.bags.labelled_reader import LabelledSweep

_CAMERA_WIDTH_PX = 480
_PLACES = {
    name: place
    for place, name in enumerate(
        (
            "cam_front_left",
            "cam_front",
            "cam_front_right",
            "cam_back_left",
            "cam_back",
            "cam_back_right",
        )
    )
}
_MOVED_M = 0.5


def score(sweeps: list[LabelledSweep]) -> ConfusionMatrix:
    """Compare labels with the truth on the sweeps that have it and use the 16 nuScenes classes.

    Returns:
        The confusion; empty if no sweep can be compared.
    """
    confusion = ConfusionMatrix(len(NUSCENES_CLASSES))
    names = tuple(c.name for c in NUSCENES_CLASSES)
    for labelled in sweeps:
        if labelled.sweep.labels is not None and labelled.vocabulary.names == names:
            confusion.add(labelled.sweep.labels, labelled.labels)
    return confusion


def draw_report(sweeps: list[LabelledSweep], out: Path) -> list[Path]:
    """Draw the first words and, if they changed, the last ones.

    Args:
        sweeps: Of one bag, in order of time.
        out: Folder for PNG files.

    Returns:
        Paths: bird's-eye view, camera overlays if there are cameras and, after a change, both
        words beside each other.
    """
    out.mkdir(parents=True, exist_ok=True)
    first_words, last_words = sweeps[0].vocabulary.names, sweeps[-1].vocabulary.names
    before = [sweep for sweep in sweeps if sweep.vocabulary.names == first_words]
    with_ground_truth = [sweep for sweep in before if sweep.sweep.labels is not None]
    shown = (with_ground_truth or before)[-1]
    turn = _turn_by_travel(sweeps)
    pictures = {"birds_eye_view.png": _draw_from_above(shown, turn)}
    if shown.cameras:
        pictures["cameras.png"] = _draw_cameras(shown)
    if last_words != first_words:
        after = next(sweep for sweep in sweeps if sweep.vocabulary.names == last_words)
        pictures["prompt_change.png"] = _draw_change(before[-1], after, turn)
    paths = []
    for name, picture in pictures.items():
        picture.save(out / name)
        paths.append(out / name)
    return paths


def _draw_from_above(labelled: LabelledSweep, turn: NDArray[np.float64]) -> Image.Image:
    points = _points_along(labelled.sweep, turn)
    colors = labelled.vocabulary.colorize(labelled.labels)
    predicted = draw_bird_eye(points, colors)
    legend = draw_legend(labelled.vocabulary, labelled.labels, predicted.height)
    ground_truth = labelled.sweep.labels
    names = tuple(c.name for c in NUSCENES_CLASSES)
    if ground_truth is None or labelled.vocabulary.names != names:
        return place_side_by_side([predicted, legend], ["labelled by words", "share of points"])
    true_colors = draw_bird_eye(points, labelled.vocabulary.colorize(ground_truth))
    return place_side_by_side(
        [predicted, true_colors, legend], ["labelled by words", "truth", "share of points"]
    )


def _draw_cameras(labelled: LabelledSweep) -> Image.Image:
    # What looks left stands on the left, as in nuScenes' own pictures.
    cameras = sorted(labelled.cameras, key=lambda camera: _PLACES.get(camera.name, len(_PLACES)))
    overlays = []
    for camera in cameras:
        overlays.append(
            draw_overlay(
                camera, labelled.sweep, labelled.labels, labelled.vocabulary, _CAMERA_WIDTH_PX
            )
        )
    names = [camera.name for camera in cameras]
    rows = [
        place_side_by_side(overlays[start : start + 3], names[start : start + 3])
        for start in range(0, len(overlays), 3)
    ]
    return stack(rows)


def _draw_change(
    before: LabelledSweep, after: LabelledSweep, turn: NDArray[np.float64]
) -> Image.Image:
    sides = []
    for labelled in (before, after):
        points = _points_along(labelled.sweep, turn)
        colors = labelled.vocabulary.colorize(labelled.labels)
        view = draw_bird_eye(points, colors, size_px=560)
        legend = draw_legend(labelled.vocabulary, labelled.labels, view.height)
        sides.append(place_side_by_side([view, legend]))
    return place_side_by_side(sides, ["before the prompts changed", "after"])


def _turn_by_travel(sweeps: list[LabelledSweep]) -> NDArray[np.float64]:
    """Rotation (2, 2) from the fixed frame to x along the way travelled, if there was any."""
    first, last = (sweeps[index].sweep.T_global_lidar[:2, 3] for index in (0, -1))
    way = last - first
    distance_m = float(np.linalg.norm(way))
    cosine, sine = way / distance_m if distance_m > _MOVED_M else (1.0, 0.0)
    return np.array([[cosine, sine], [-sine, cosine]])


def _points_along(sweep: Sweep, turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (N, 3) around the sensor: z up as in the fixed frame, x and y turned by `turn`."""
    points = transform_points(sweep.T_global_lidar, sweep.points[:, :3])
    points -= sweep.T_global_lidar[:3, 3]
    points[:, :2] = points[:, :2] @ turn.T
    return points
