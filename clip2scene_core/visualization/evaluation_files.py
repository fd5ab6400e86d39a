"""Write an evaluation as files: numbers as JSON, charts and keyframes as pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.datasets import LabelledDataset, Sample
from clip2scene_core.evaluation import Prediction, Report
from clip2scene_core.labels import SemanticClass
from clip2scene_core.prompts.vocabulary import Vocabulary, make_vocabulary
from clip2scene_core.visualization.charts import draw_bars, draw_confusion, draw_reliability
from clip2scene_core.visualization.clouds import place_side_by_side
from clip2scene_core.visualization.error_maps import choose_keyframes, draw_errors


def write_json(
    folder: Path,
    setting: Mapping[str, Any],
    names: Sequence[str],
    reports: Mapping[str, Report],
    absent: str,
) -> Path:
    """Write all numbers to evaluation.json.

    Args:
        folder: Folder of the file.
        setting: Settings of the evaluation, for the start of the file.
        names: C names of the classes.
        reports: Reports by mode.
        absent: See `ConfusionMatrix.mean_iou`.

    Returns:
        Path of the file.
    """
    content = {
        **setting,
        "absent": absent,
        "classes": list(names),
        "modes": {mode: report.to_dict(names, absent) for mode, report in reports.items()},
    }
    path = folder / "evaluation.json"
    with atomic_write(path) as draft:
        draft.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def draw_charts(
    folder: Path, names: Sequence[str], reports: Mapping[str, Report], absent: str
) -> list[Path]:
    """Draw IoU by class and by part of the points, calibration, and confusion matrices.

    Args:
        folder: Folder of the PNG files.
        names: C names of the classes.
        reports: Reports by mode, of the same points.
        absent: See `ConfusionMatrix.mean_iou`.

    Returns:
        Paths of the files.
    """
    of_classes = {
        mode: [*report.confusion.iou().tolist(), report.confusion.mean_iou(absent)]
        for mode, report in reports.items()
    }
    of_parts = {
        mode: [part.mean_iou(absent) for _, part in report.parts()]
        for mode, report in reports.items()
    }
    titles = [title for title, _ in next(iter(reports.values())).parts()]
    diagrams = [draw_reliability(mode, report.calibration) for mode, report in reports.items()]
    pictures = {
        "iou_by_class.png": draw_bars("IoU [%]", [*names, "mean"], of_classes),
        "iou_by_part.png": draw_bars("mean IoU [%] of points", titles, of_parts),
        "calibration.png": place_side_by_side(diagrams),
    }
    for mode, report in reports.items():
        title = f"{mode}: what the points of each class (rows) were taken for, in percent"
        pictures[f"confusion_{mode}.png"] = draw_confusion(title, report.confusion, names)
    for file, picture in pictures.items():
        with atomic_write(folder / file) as draft:
            picture.save(draft)
    return [folder / file for file in pictures]


def draw_keyframes(
    folder: Path,
    dataset: LabelledDataset,
    reports: Mapping[str, Report],
    labellers: Mapping[str, Callable[[Sample], Prediction]],
) -> list[Path]:
    """Draw the worst, the median and the best keyframe of the first mode, in all modes.

    Args:
        folder: Folder of the PNG files.
        dataset: Data set of the evaluation.
        reports: Reports by mode.
        labellers: Labellers by mode; they label the drawn keyframes again.

    Returns:
        Paths of the files.
    """
    classes = _vocabulary_of(dataset.classes)
    paths = []
    first = next(iter(reports.values()))
    for name, index in choose_keyframes(first.keyframe_accuracies).items():
        sample = dataset[index]
        predictions = {mode: predict(sample).labels for mode, predict in labellers.items()}
        path = folder / f"keyframe_{name}.png"
        with atomic_write(path) as draft:
            draw_errors(sample.keyframe, predictions, classes).save(draft)
        paths.append(path)
    return paths


def _vocabulary_of(classes: Sequence[SemanticClass]) -> Vocabulary:
    return make_vocabulary(
        [one.prompt for one in classes],
        torch.zeros(len(classes), 0),
        [one.name for one in classes],
        palette=[part for one in classes for part in one.color],
    )
