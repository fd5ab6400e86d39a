"""What the teacher knows of the test split: pictures, words and pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clip2scene_core.bench.measure.clip_evaluation import evaluate_pictures, evaluate_pixels
from clip2scene_core.bench.provenance import digest_of
from clip2scene_core.bench.results import ClipResult, TextGroup
from clip2scene_core.config.sections import TeacherConfig
from clip2scene_core.device import find_device
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.teacher.clip import load_clip, shipped_small_clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.world.captions.pictures import caption_pictures


def score_clip(
    teacher: TeacherConfig, test: Path, num_pictures: int, device: str = "cpu"
) -> dict[str, Any]:
    """Score a CLIP on whole pictures and on the pixels of the test split.

    Args:
        teacher: Names the CLIP, and how it labels pixels in distillation.
        test: Root of the test split, with class images.
        num_pictures: Pictures of the test split to name.
        device: Where CLIP runs.

    Returns:
        The fields of a `ClipResult` that are measured, as JSON holds them.
    """
    clip = load_clip(teacher.clip, find_device(device))
    pictures = evaluate_pictures(clip, caption_pictures(num_pictures, seed=0, split="test"))
    dense_clip = DenseClip(clip, teacher.image_height, teacher.key_smoothing, teacher.scales)
    pixels = evaluate_pixels(dense_clip, test)
    return {
        "num_pictures": int(pictures.confusion.counts.sum()),
        "accuracy": pictures.accuracy,
        "recall": _numbers(pictures.class_recall[: len(NUSCENES_CLASSES)]),
        "groups": [[group, *values] for group, values in pictures.group_recall().items()],
        "unread": list(pictures.unread),
        "mean_iou": pixels.mean_iou(),
        "iou": _numbers(pixels.iou()),
    }


def clip_result(teacher: TeacherConfig, value: dict[str, Any]) -> ClipResult:
    """Make the nouns of a report from what `score_clip` gave."""
    return ClipResult(
        name=teacher.clip,
        digest=clip_digest(teacher),
        num_pictures=value["num_pictures"],
        accuracy=value["accuracy"],
        recall=_floats(value["recall"]),
        mean_iou=value["mean_iou"],
        iou=_floats(value["iou"]),
        groups=tuple(TextGroup(*group) for group in value["groups"]),
        unread=tuple(value["unread"]),
    )


def clip_digest(teacher: TeacherConfig) -> str:
    """SHA-256 of a small CLIP's file; "" for a CLIP that open_clip finds by its name."""
    if teacher.clip == "small":
        return digest_of(shipped_small_clip())
    path = Path(teacher.clip.partition(":")[2])
    return digest_of(path) if path.is_file() else ""


def _numbers(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _floats(values: list[float | None]) -> tuple[float, ...]:
    return tuple(np.nan if value is None else value for value in values)
