"""Pictures of a labelled bag, and its mIoU if the bag has ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.atomic_write import atomic_write
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

_CAMERA_WIDTH_PX: Final = 480
_CAMERA_ORDER: Final = (
    "cam_front_left",
    "cam_front",
    "cam_front_right",
    "cam_back_left",
    "cam_back",
    "cam_back_right",
)
"""The camera that looks left is on the left, as in the pictures of nuScenes."""

_MIN_TRAVEL_M: Final = 0.5


def score(sweeps: list[LabelledSweep]) -> ConfusionMatrix:
    """Compare labels with the ground truth of the sweeps that have it and the 16 nuScenes classes.

    Args:
        sweeps: Sweeps of one bag.

    Returns:
        Confusion matrix of 16 classes; empty if no sweep can be compared.
    """
    confusion = ConfusionMatrix(len(NUSCENES_CLASSES))
    names = tuple(c.name for c in NUSCENES_CLASSES)
    for labelled in sweeps:
        if labelled.sweep.labels is not None and labelled.vocabulary.names == names:
            confusion.add(labelled.sweep.labels, labelled.labels)
    return confusion


def draw_report(sweeps: list[LabelledSweep], out: Path) -> list[Path]:
    """Draw labels of the first vocabulary and, if the prompts changed, of the last one.

    Args:
        sweeps: Sweeps of one bag, in order of time.
        out: Folder for PNG files.

    Returns:
        Paths of the pictures: bird's-eye view; camera overlays if there are cameras; both
        vocabularies beside each other if the prompts changed.
    """
    out.mkdir(parents=True, exist_ok=True)
    first_names, last_names = sweeps[0].vocabulary.names, sweeps[-1].vocabulary.names
    before = [sweep for sweep in sweeps if sweep.vocabulary.names == first_names]
    with_ground_truth = [sweep for sweep in before if sweep.sweep.labels is not None]
    shown = (with_ground_truth or before)[-1]
    rotation = _rotation_to_travel(sweeps)
    pictures = {"birds_eye_view.png": _draw_bird_eye_report(shown, rotation)}
    if shown.cameras:
        pictures["cameras.png"] = _draw_cameras(shown)
    if last_names != first_names:
        after = next(sweep for sweep in sweeps if sweep.vocabulary.names == last_names)
        pictures["prompt_change.png"] = _draw_change(before[-1], after, rotation)
    paths = []
    for name, picture in pictures.items():
        with atomic_write(out / name) as draft:
            picture.save(draft)
        paths.append(out / name)
    return paths


def _draw_bird_eye_report(labelled: LabelledSweep, rotation: NDArray[np.float64]) -> Image.Image:
    points = _points_around_sensor(labelled.sweep, rotation)
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
    order = (*_CAMERA_ORDER, *(camera.name for camera in labelled.cameras))
    cameras = sorted(labelled.cameras, key=lambda camera: order.index(camera.name))
    overlays = [
        draw_overlay(camera, labelled.sweep, labelled.labels, labelled.vocabulary, _CAMERA_WIDTH_PX)
        for camera in cameras
    ]
    names = [camera.name for camera in cameras]
    rows = [
        place_side_by_side(overlays[start : start + 3], names[start : start + 3])
        for start in range(0, len(overlays), 3)
    ]
    return stack(rows)


def _draw_change(
    before: LabelledSweep, after: LabelledSweep, rotation: NDArray[np.float64]
) -> Image.Image:
    sides = []
    for labelled in (before, after):
        points = _points_around_sensor(labelled.sweep, rotation)
        colors = labelled.vocabulary.colorize(labelled.labels)
        view = draw_bird_eye(points, colors, size_px=560)
        legend = draw_legend(labelled.vocabulary, labelled.labels, view.height)
        sides.append(place_side_by_side([view, legend]))
    return place_side_by_side(sides, ["before the prompts changed", "after"])


def _rotation_to_travel(sweeps: list[LabelledSweep]) -> NDArray[np.float64]:
    """(2, 2) rotation of the fixed frame so that x is the direction of travel, if it moved."""
    first, last = (sweeps[index].sweep.T_global_lidar[:2, 3] for index in (0, -1))
    travel = last - first
    distance_m = float(np.linalg.norm(travel))
    cosine, sine = travel / distance_m if distance_m > _MIN_TRAVEL_M else (1.0, 0.0)
    return np.array([[cosine, sine], [-sine, cosine]])


def _points_around_sensor(sweep: Sweep, rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3) points around the sensor in metres: z as in the fixed frame, x and y turned."""
    points = transform_points(sweep.T_global_lidar, sweep.points[:, :3])
    points -= sweep.T_global_lidar[:3, 3]
    points[:, :2] = points[:, :2] @ rotation.T
    return points
