"""What the teacher's pass will take: disk, and time if a CLIP is named."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.doctor.finding import Finding, note, ok, problem
from clip2scene_core.teacher.cache import embed_image
from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.maskclip import DenseClip

_VIT_PATCH, _VIT_HEIGHT, _VIT_SIZE = 16, 224, 512
_BYTES: Final = 2
_LONG_S: Final = 6 * 3600


def check_cost(
    num_images: int,
    pictures: Sequence[NDArray[np.uint8]],
    folder: Path,
    teacher: str | None = None,
    device: str = "cpu",
) -> list[Finding]:
    """Estimate what a teacher's pass over all pictures takes.

    Args:
        num_images: Pictures of all keyframes.
        pictures: One or two of them, (H, W, 3) uint8 RGB.
        folder: Where embeddings will be kept, or a folder above it.
        teacher: A CLIP, which is asked about the pictures; None counts the bytes of a ViT-B/16.
        device: Where the teacher runs, such as "cpu".

    Raises:
        ValueError: If the teacher cannot be loaded.
    """
    if not num_images or not pictures:
        return []
    if teacher is None:
        height, width = pictures[0].shape[:2]
        rows = _VIT_HEIGHT // _VIT_PATCH
        per_picture = rows * round(rows * width / height) * _VIT_SIZE * _BYTES
        findings = []
        of_whom = "a ViT-B/16"
    else:
        seconds, per_picture = _measure(teacher, device, pictures)
        total_s = seconds * num_images
        text = (
            f"{num_images} pictures of {seconds:.2f} s each on {device} take about "
            f"{format_duration(total_s)} once (measured on {len(pictures)})"
        )
        remedy = "take a GPU (--device cuda), fewer scenes, or fewer keyframes of a recording"
        is_long = total_s > _LONG_S
        findings = [note("teacher", text, remedy) if is_long else ok("teacher", text)]
        of_whom = teacher
    needed = per_picture * num_images
    free = shutil.disk_usage(_existing(folder)).free
    text = (
        f"embeddings of {of_whom} take {needed / 1e9:.2f} GB ({per_picture / 1e6:.2f} MB a "
        f"picture), {free / 1e9:.1f} GB are free"
    )
    if needed > free:
        remedy = "make room, or name a folder on another disk with --cache"
        return [*findings, problem("disk", text, remedy)]
    return [*findings, ok("disk", text)]


def format_duration(seconds: float) -> str:
    """A time for people: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _measure(teacher: str, device: str, pictures: Sequence[NDArray[np.uint8]]) -> tuple[float, int]:
    """Seconds and bytes of a picture. The first is asked twice: caches are cold at first."""
    dense_clip = DenseClip(load_clip(teacher, device), None)
    embed_image(dense_clip, pictures[0])
    start = time.perf_counter()
    sizes = [embed_image(dense_clip, picture).nbytes for picture in pictures]
    return (time.perf_counter() - start) / len(pictures), int(np.mean(sizes))


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())
