"""Scores of the teacher on the test split: pictures, texts and pixels, as a `ClipResult`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clip2scene_core.bench.json_dataclass import to_json
from clip2scene_core.bench.measure.clip_evaluation import evaluate_pictures, evaluate_pixels
from clip2scene_core.bench.provenance import digest_of
from clip2scene_core.bench.results import ClipResult, TextGroup
from clip2scene_core.config.sections import TeacherConfig
from clip2scene_core.device import find_device
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.teacher.clip import load_clip, shipped_small_clip
from clip2scene_core.training.pretrain.prepare import dense_clip_of
from clip2scene_core.world.captions.pictures import caption_pictures


def score_clip(
    teacher: TeacherConfig, test: Path, num_pictures: int, device: str = "cpu"
) -> dict[str, Any]:
    """Score a CLIP on whole pictures and on the pixels of the test split.

    Args:
        teacher: Names the CLIP, and says how it labels pixels in distillation.
        test: Root of the test split, with class images.
        num_pictures: Number of pictures of the test split to classify.
        device: Device of CLIP.

    Returns:
        A `ClipResult` as JSON.
    """
    clip = load_clip(teacher.clip, find_device(device))
    pictures = evaluate_pictures(clip, caption_pictures(num_pictures, seed=0, split="test"))
    pixels = evaluate_pixels(dense_clip_of(teacher, clip), test)
    result = ClipResult(
        name=teacher.clip,
        digest=clip_digest(teacher),
        num_pictures=int(pictures.confusion.counts.sum()),
        accuracy=pictures.accuracy,
        recall=tuple(pictures.class_recall[: len(NUSCENES_CLASSES)].tolist()),
        mean_iou=pixels.mean_iou(),
        iou=tuple(pixels.iou().tolist()),
        groups=tuple(TextGroup(name, *values) for name, values in pictures.group_recall().items()),
        unread=pictures.unread,
    )
    values: dict[str, Any] = to_json(result)
    return values


def clip_digest(teacher: TeacherConfig) -> str:
    """SHA-256 of a CLIP's file as hexadecimal text; "" for a CLIP that open_clip downloads."""
    if teacher.clip == "small":
        return digest_of(shipped_small_clip())
    path = Path(teacher.clip.partition(":")[2])
    return digest_of(path) if path.is_file() else ""
