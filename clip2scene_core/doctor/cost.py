"""What the teacher's pass will take: disk, and time if a CLIP is named; with tiles, and without."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.doctor.finding import Finding, note, ok, problem
from clip2scene_core.sample import CameraView, Sweep
from clip2scene_core.teacher.cache import embed_image
from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.tiles import Tile, TilePyramid
from clip2scene_core.training.pretrain.data.pixel_embeddings import tiles_with_points

_VIT_PATCH, _VIT_HEIGHT, _VIT_SIZE = 16, 224, 512
_BYTES: Final = 2
_LONG_S: Final = 6 * 3600
_FAR: Final = TilePyramid(num_levels=3)


class Cost(NamedTuple):
    """What embeddings of pictures, or of tiles, take."""

    seconds: float | None
    num_bytes: float

    def times(self, count: float) -> Cost:
        """What `count` of them take."""
        seconds = None if self.seconds is None else self.seconds * count
        return Cost(seconds, self.num_bytes * count)


def count_tiles(sweep: Sweep, cameras: Sequence[CameraView]) -> int:
    """Count the tiles that a teacher of three levels reads beside the images of a keyframe."""
    return sum(len(tiles) - 1 for tiles in tiles_with_points(_FAR, [sweep], cameras))


def check_cost(
    num_images: int,
    tiles_per_image: float,
    pictures: Sequence[NDArray[np.uint8]],
    folder: Path,
    teacher: str | None = None,
    device: str = "cpu",
) -> list[Finding]:
    """Estimate what a teacher's pass over all pictures takes.

    Args:
        num_images: Pictures of all keyframes.
        tiles_per_image: As `count_tiles` counts them, on average.
        pictures: One or two of them, (H, W, 3) uint8 RGB.
        folder: Where embeddings will be kept, or a folder above it.
        teacher: A CLIP, which is asked about the pictures; None counts the bytes of a ViT-B/16.
        device: Where the teacher runs, such as "cpu".

    Raises:
        ValueError: If the teacher cannot be loaded.
    """
    if not num_images or not pictures:
        return []
    tiles = [_FAR.cut(picture, Tile(1, 0, 0)) for picture in pictures]
    if teacher is None:
        picture, tile = _guess(pictures[0]), _guess(tiles[0])
    else:
        dense_clip = DenseClip(load_clip(teacher, device), None)
        picture, tile = _measure(dense_clip, pictures), _measure(dense_clip, tiles)
    whole = picture.times(num_images)
    findings = []
    if picture.seconds is not None and whole.seconds is not None:
        text = (
            f"{num_images} pictures of {picture.seconds:.2f} s each on {device} take about "
            f"{format_duration(whole.seconds)} once (measured on {len(pictures)})"
        )
        remedy = "take a GPU (--device cuda), fewer scenes, or fewer keyframes of a recording"
        is_long = whole.seconds > _LONG_S
        findings.append(note("teacher", text, remedy) if is_long else ok("teacher", text))
    free = shutil.disk_usage(_existing(folder)).free
    text = (
        f"embeddings of {teacher or 'a ViT-B/16'} take {whole.num_bytes / 1e9:.2f} GB "
        f"({picture.num_bytes / 1e6:.2f} MB a picture), {free / 1e9:.1f} GB are free"
    )
    if whole.num_bytes > free:
        remedy = "make room, or name a folder on another disk with --cache"
        findings.append(problem("disk", text, remedy))
    else:
        findings.append(ok("disk", text))
    more = tile.times(num_images * tiles_per_image)
    took = "" if more.seconds is None else f"{format_duration(more.seconds)} and "
    text = (
        f"teacher.levels: 3 would add about {tiles_per_image:.0f} tiles a picture, "
        f"{took}{more.num_bytes / 1e9:.2f} GB"
    )
    return [*findings, ok("far things", text)]


def format_duration(seconds: float) -> str:
    """A time for people: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _measure(dense_clip: DenseClip, pictures: Sequence[NDArray[np.uint8]]) -> Cost:
    """What a picture takes. The first is asked twice: caches are cold at first."""
    embed_image(dense_clip, pictures[0])
    start = time.perf_counter()
    sizes = [embed_image(dense_clip, picture).nbytes for picture in pictures]
    return Cost((time.perf_counter() - start) / len(pictures), float(np.mean(sizes)))


def _guess(picture: NDArray[np.uint8]) -> Cost:
    height, width = picture.shape[:2]
    rows = _VIT_HEIGHT // _VIT_PATCH
    return Cost(None, rows * round(rows * width / height) * _VIT_SIZE * _BYTES)


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())
