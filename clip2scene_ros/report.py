"""What a labelled bag shows: pictures to look at, and mIoU where the bag carries the truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.datasets.sample import CameraView, Sweep
from clip2scene_core.evaluation import ConfusionMatrix
from clip2scene_core.geometry import transform_points
from clip2scene_core.labelled_map import LabelledMap
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.outputs import (
    draw_bird_eye,
    draw_legend,
    draw_overlay,
    place_side_by_side,
    stack,
)
from clip2scene_core.vocabulary import Vocabulary
from clip2scene_ros.assembler import SweepAssembler
from clip2scene_ros.assembly import AssemblyOptions
from clip2scene_ros.bag_files import BagError, open_bag, read_messages
from clip2scene_ros.bag_messages import read_message
from clip2scene_ros.cloud_layouts import MAP_DTYPE, PCL_DTYPE, UNLABELLED_ID
from clip2scene_ros.conversions import stamp_ns
from clip2scene_ros.labelled_output import LEGEND_TOPIC, MAP_TOPIC, POINTS_TOPIC
from clip2scene_ros.profiles import choose_profile

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


@dataclass(frozen=True)
class LabelledSweep:
    """One sweep of a labelled bag with all that the bag knows of it.

    Attributes:
        sweep: N points; `labels` holds the truth where the bag has it.
        cameras: Views around its stamp.
        labels: (N,) uint8 as published.
        vocabulary: The words of those labels; its embeddings are not in a bag and left empty.
    """

    sweep: Sweep
    cameras: tuple[CameraView, ...]
    labels: NDArray[np.uint8]
    vocabulary: Vocabulary


def read_labelled_bag(bag: Path) -> list[LabelledSweep]:
    """Read every labelled sweep of a bag that `segment` or the demo wrote.

    Args:
        bag: Labelled bag with poses on /tf.

    Returns:
        The sweeps in order of time.

    Raises:
        BagError: If the bag cannot be read or holds no labelled cloud.
    """
    published: dict[int, tuple[NDArray[np.uint8], Vocabulary]] = {}
    truth: dict[int, NDArray[np.uint8]] = {}
    assembled = []
    vocabulary: Vocabulary | None = None
    with open_bag(bag) as reader:
        types = {c.topic: c.msgtype for c in reader.connections}
        profile = choose_profile(types)
        assembler = SweepAssembler(AssemblyOptions(cameras=tuple(profile.cameras)), profile)
        cameras = {topics.image: name for name, topics in profile.cameras.items()}
        infos = {topics.info: name for name, topics in profile.cameras.items()}
        for connection, at_ns, content in read_messages(reader):
            message = read_message(connection, content)
            topic = connection.topic
            if topic in ("/tf", "/tf_static"):
                assembler.on_tf(message, topic == "/tf_static")
            elif topic in infos:
                assembler.on_camera_info(infos[topic], message)
            elif topic in cameras:
                assembler.on_image(cameras[topic], message, at_ns)
            elif topic == profile.cloud_topic:
                assembler.on_cloud(message, at_ns)
            elif topic == f"{profile.cloud_topic}/lidarseg":
                truth[stamp_ns(message.header)] = np.frombuffer(message.data, np.uint8)
            elif topic == LEGEND_TOPIC:
                vocabulary = _vocabulary_of(message.data)
            elif topic == POINTS_TOPIC and vocabulary is not None:
                published[stamp_ns(message.header)] = (_labels_of(message), vocabulary)
            while (ready := assembler.next_sweep(at_ns)) is not None:
                assembled.append(ready)
        while (ready := assembler.next_sweep(at_ns, is_last=True)) is not None:
            assembled.append(ready)
    sweeps = []
    for item in assembled:
        if item.sweep.stamp_ns in published:
            labels, words = published[item.sweep.stamp_ns]
            with_truth = Sweep(
                item.sweep.points,
                item.sweep.T_global_lidar,
                item.sweep.stamp_ns,
                truth.get(item.sweep.stamp_ns),
            )
            sweeps.append(LabelledSweep(with_truth, item.cameras, labels, words))
    if not sweeps:
        raise BagError(f"{bag}: no cloud on {POINTS_TOPIC} belongs to a cloud of the bag")
    return sweeps


def read_maps(bag: Path) -> Iterator[tuple[LabelledMap, Vocabulary, int]]:
    """Read the maps of a bag that `segment`, the demo or a recording of the node wrote.

    Args:
        bag: Labelled bag.

    Yields:
        A map (its `counts` are not in a bag, and 0), its words as in `LabelledSweep`, and the stamp
        of the newest sweep in it.

    Raises:
        BagError: If the bag cannot be read.
    """
    vocabulary: Vocabulary | None = None
    with open_bag(bag) as reader:
        wanted = [c for c in reader.connections if c.topic in (MAP_TOPIC, LEGEND_TOPIC)]
        for connection, _, content in read_messages(reader, wanted) if wanted else ():
            message = read_message(connection, content)
            if connection.topic == LEGEND_TOPIC:
                vocabulary = _vocabulary_of(message.data)
            elif vocabulary is not None:
                array = np.frombuffer(message.data, MAP_DTYPE)
                points = np.stack([array[name] for name in "xyz"], axis=1)
                counts = np.zeros(len(points), np.int64)
                labels = _labels_of_ids(array["label"])
                labelled_map = LabelledMap(points, labels, array["confidence"], counts, vocabulary)
                yield labelled_map, vocabulary, stamp_ns(message.header)


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
    with_truth = [sweep for sweep in before if sweep.sweep.labels is not None]
    shown = (with_truth or before)[-1]
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
    colours = labelled.vocabulary.colourise(labelled.labels)
    predicted = draw_bird_eye(points, colours)
    legend = draw_legend(labelled.vocabulary, labelled.labels, predicted.height)
    truth = labelled.sweep.labels
    names = tuple(c.name for c in NUSCENES_CLASSES)
    if truth is None or labelled.vocabulary.names != names:
        return place_side_by_side([predicted, legend], ["labelled by words", "share of points"])
    true_colours = draw_bird_eye(points, labelled.vocabulary.colourise(truth))
    return place_side_by_side(
        [predicted, true_colours, legend], ["labelled by words", "truth", "share of points"]
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
        colours = labelled.vocabulary.colourise(labelled.labels)
        view = draw_bird_eye(points, colours, size_px=560)
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


def _labels_of(message: Any) -> NDArray[np.uint8]:
    return _labels_of_ids(np.frombuffer(message.data, PCL_DTYPE)["label"])


def _labels_of_ids(ids: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.where(ids == UNLABELLED_ID, IGNORE_LABEL, ids).astype(np.uint8)


def _vocabulary_of(legend: str) -> Vocabulary:
    classes = json.loads(legend)["classes"]
    return Vocabulary(
        tuple(entry["name"] for entry in classes),
        tuple(entry["prompt"] for entry in classes),
        np.array([entry["rgb"] for entry in classes], dtype=np.uint8),
        torch.zeros(len(classes), 0),
    )
