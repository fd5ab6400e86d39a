"""Give students the prompts of each query, count their answers, and draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.bench.measure.labeller import Labeller, mode_of
from clip2scene_core.bench.measure.queries import OpenVocabularyQuery, make_queries
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.datasets import CameraView, NuScenesDataset, Sample
from clip2scene_core.evaluation import ConfusionMatrix
from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import Vocabulary, make_vocabulary
from clip2scene_core.visualization.clouds import (
    draw_legend,
    draw_overlay,
    place_side_by_side,
)
from clip2scene_core.world.dataset.ground_truth import read_objects

_WIDTH_PX = 400
_COLORS = {"red": (230, 50, 40), "white": (245, 245, 245)}
"""Colors (RGB, uint8) of answers that begin with the name of a color."""


def answer_queries(weights: Sequence[Path], test: Path, pictures: Path) -> dict[str, Any]:
    """Answer every query on every keyframe of the test split.

    Args:
        weights: Checkpoints of one configuration.
        test: Root of the test split, a synthetic world.
        pictures: Folder for one picture of each query, with the answers of the first student.

    Returns:
        "counts": by query and mode ("camera", "lidar 0", ...), confusion counts (S, A, A + 1) by
        scene as nested lists, for S scenes and A answers; "pictures": by query, the file name.

    Raises:
        ValueError: If the teacher does not know a word of a prompt.
    """
    labeller = Labeller([load_checkpoint(path) for path in weights])
    queries = make_queries(labeller.vocabulary.prompts)
    vocabularies = [labeller.embed(query.prompts) for query in queries]
    dataset = NuScenesDataset(test, with_labels=True)
    row_of_scene = {scene.token: row for row, scene in enumerate(dataset.scenes)}
    counts: list[dict[str, list[ConfusionMatrix]]] = [{} for _ in queries]
    views: list[_View | None] = [None] * len(queries)
    for index in range(len(dataset)):
        sample = dataset[index]
        assert sample.keyframe.labels is not None  # the data set was opened with labels
        objects = read_objects(test, sample)
        look = labeller.look(sample)
        for number, (query, vocabulary) in enumerate(zip(queries, vocabularies, strict=True)):
            ground_truth = query.ground_truth(sample.keyframe.labels, objects)
            answers = _answer(labeller.label(look, vocabulary), query)
            for mode, answered in answers.items():
                empty = [ConfusionMatrix(len(query.answers)) for _ in row_of_scene]
                by_scene = counts[number].setdefault(mode, empty)
                by_scene[row_of_scene[sample.scene_token]].add(ground_truth, answered)
            of_student = answers[mode_of("lidar", 0)]
            views[number] = _better(views[number], sample, query, ground_truth, of_student)
    pictures.mkdir(parents=True, exist_ok=True)
    files = {}
    before = {query.against for query in queries}
    for query, view in zip(queries, views, strict=True):
        if view is not None and query.name not in before:
            files[query.name] = f"{query.name.replace(',', '').replace(' ', '_')}.png"
            with atomic_write(pictures / files[query.name]) as draft:
                view.draw(query).save(draft)
    counted = {
        query.name: {
            mode: [scene.counts.tolist() for scene in by_scene]
            for mode, by_scene in of_query.items()
        }
        for query, of_query in zip(queries, counts, strict=True)
    }
    return {"counts": counted, "pictures": files}


def _answer(
    labels_by_mode: dict[str, NDArray[np.uint8]], query: OpenVocabularyQuery
) -> dict[str, NDArray[np.uint8]]:
    table = np.full(256, IGNORE_LABEL, dtype=np.uint8)
    table[: len(query.prompts)] = query.answer_of_prompt
    return {mode: table[labels] for mode, labels in labels_by_mode.items()}


@dataclass(frozen=True)
class _View:
    """The camera image that shows the answers to a query best, so far.

    Attributes:
        value: Quality of the view, see `_better`.
        camera: The camera image.
        sample: Keyframe with N points.
        ground_truth: (N,) uint8 true answers; IGNORE_LABEL is not drawn.
        answers: (N,) uint8 answers of the student.
        seen: (M,) int64 indices of the points in view.
    """

    value: float
    camera: CameraView
    sample: Sample
    ground_truth: NDArray[np.uint8]
    answers: NDArray[np.uint8]
    seen: NDArray[np.int64]

    def draw(self, query: OpenVocabularyQuery) -> Image.Image:
        """Draw the points that have a true answer, with their true and their given answers."""
        answers = np.where(self.ground_truth == IGNORE_LABEL, IGNORE_LABEL, self.answers).astype(
            np.uint8
        )
        vocabulary = _colors(query.answers)
        true_picture, answered_picture = (
            draw_overlay(self.camera, self.sample.keyframe, labels, vocabulary, _WIDTH_PX)
            for labels in (self.ground_truth, answers)
        )
        drawn = self.seen[self.ground_truth[self.seen] != IGNORE_LABEL]
        height = true_picture.height
        legends = (
            _legend(vocabulary, labels[drawn], height) for labels in (self.ground_truth, answers)
        )
        true_legend, answered_legend = legends
        return place_side_by_side(
            [true_picture, true_legend, answered_picture, answered_legend],
            ["ground truth", "", f"student, LiDAR alone: {query.name}", ""],
        )


def _better(
    best: _View | None,
    sample: Sample,
    query: OpenVocabularyQuery,
    ground_truth: NDArray[np.uint8],
    answers: NDArray[np.uint8],
) -> _View | None:
    """Keep the better view: the sum over answers of log(1 + number of points)."""
    shown = np.where(ground_truth < query.first_drawn, IGNORE_LABEL, ground_truth).astype(np.uint8)
    for camera in sample.cameras:
        seen = pair_pixels_with_points([sample.keyframe], [camera]).point_index
        drawn = shown[seen]
        value = float(np.log1p(np.bincount(drawn[drawn != IGNORE_LABEL])).sum())
        if value > (best.value if best else 0.0):
            best = _View(value, camera, sample, shown, answers, seen)
    return best


def _legend(vocabulary: Vocabulary, labels: NDArray[np.uint8], height_px: int) -> Image.Image:
    """Draw the legend of the labels that are present."""
    present, compact = np.unique(labels, return_inverse=True)
    occurring = Vocabulary(
        tuple(vocabulary.names[label] for label in present),
        tuple(vocabulary.prompts[label] for label in present),
        vocabulary.colors[present],
        vocabulary.embeddings[torch.from_numpy(present.astype(np.int64))],
    )
    return draw_legend(occurring, compact.astype(np.uint8), height_px)


def _colors(answers: Sequence[str]) -> Vocabulary:
    vocabulary = make_vocabulary(answers, torch.eye(len(answers)))
    colors = vocabulary.colors.copy()
    for number, answer in enumerate(answers):
        named = _COLORS.get(answer.split()[0])
        if named is not None:
            colors[number] = named
    return replace(vocabulary, colors=colors)
