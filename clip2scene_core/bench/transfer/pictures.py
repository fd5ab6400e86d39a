"""Pictures of real frames, labelled by a student with the prompts of its training."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.bench.transfer.groups import group_of_class
from clip2scene_core.bench.transfer.real_frames import RealFrame, read_real_frames
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.visualization.clouds import (
    draw_bird_eye,
    draw_legend,
    forward_left_up,
    place_side_by_side,
)
from clip2scene_core.visualization.error_maps import color_errors

_SIZE_PX: Final = 520
_REACH_M: Final = 30.0


def draw_real_frames(weights: Path, root: Path, out: Path) -> list[str]:
    """Draw each real frame from above, and where there are labels, which points are right.

    Args:
        weights: Checkpoint of the student.
        root: Folder of real frames.
        out: Folder for the pictures.

    Returns:
        Names of the files, one for each frame.
    """
    segmenter = Segmenter(load_checkpoint(weights))
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for frame in read_real_frames(root):
        labels = segmenter.segment(frame.points).labels
        colors = segmenter.vocabulary.colorize(labels)
        pictures, captions = [_from_above(frame, colors)], [frame.name]
        if frame.groups is not None:
            groups = group_of_class(segmenter.class_names)[labels]
            pictures.append(_from_above(frame, color_errors(frame.groups, groups)))
            captions.append("groups: right green, wrong red, no label yellow")
        pictures.append(draw_legend(segmenter.vocabulary, labels, _SIZE_PX))
        file = f"{frame.name.lower().replace(' ', '_')}.png"
        with atomic_write(out / file) as draft:
            place_side_by_side(pictures, [*captions, "labels"]).save(draft)
        files.append(file)
    return files


def _from_above(frame: RealFrame, colors: NDArray[np.uint8]) -> Image.Image:
    points = frame.points if frame.is_x_forward else forward_left_up(frame.points)
    return draw_bird_eye(points, colors, _SIZE_PX, _REACH_M)
