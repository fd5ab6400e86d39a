"""What is counted: students on changed sensors, and on real frames by group and by box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.measure.score import Counts, count_networks
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.bench.transfer.changes import ChangedKeyframes, SensorChange
from clip2scene_core.bench.transfer.groups import (
    COARSE_PROMPTS,
    GROUPS,
    MOVABLE,
    group_of_class,
)
from clip2scene_core.bench.transfer.real_frames import KINDS, RealFrame, read_real_frames
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL

OWN_WORDS: Final = "16 prompts of training"
COARSE_WORDS: Final = "words for 6 groups"

_MARGIN_M: Final = 0.3
"""A point this near to a box is neither in it nor a false movable point."""


@dataclass(frozen=True)
class FrameCounts:
    """Counts of one labeller on one real frame.

    Attributes:
        frame: Name of the frame.
        words: OWN_WORDS or COARSE_WORDS.
        confusion: (6, 7) true group by predicted group, the last column is "no label", as nested
            tuples; () without labels.
        in_boxes: For each kind of box, (points, points with a movable word, points with the group
            of the kind).
        false_movable: (points outside of all boxes, of them with a movable word); (0, 0) where not
            every movable object has a box.
    """

    frame: str
    words: str
    confusion: tuple[tuple[int, ...], ...]
    in_boxes: tuple[tuple[int, int, int], ...]
    false_movable: tuple[int, int]


def score_changed(weights: Sequence[Path], test: Scenes, change: SensorChange) -> Counts:
    """Count students with the prompts of their training on a changed sensor, as "lidar 0", ..."""
    dataset = test.open(with_labels=True, with_images=False)
    return count_networks(weights, ChangedKeyframes(dataset, change))


def score_real(weights: Path, root: Path) -> list[dict[str, Any]]:
    """Count a student on the real frames of a folder; returns `FrameCounts` as JSON."""
    segmenter = Segmenter(load_checkpoint(weights))
    frames = read_real_frames(root)
    counts = _count_frames(segmenter, frames, OWN_WORDS, group_of_class(segmenter.class_names))
    segmenter.set_prompts([prompt for prompts in COARSE_PROMPTS for prompt in prompts])
    group_of_prompt = np.repeat(
        np.arange(len(GROUPS)), [len(prompts) for prompts in COARSE_PROMPTS]
    )
    groups = np.full(256, IGNORE_LABEL, dtype=np.uint8)
    groups[: len(group_of_prompt)] = group_of_prompt
    counts += _count_frames(segmenter, frames, COARSE_WORDS, groups)
    return [asdict(one) for one in counts]


def _count_frames(
    segmenter: Segmenter, frames: Sequence[RealFrame], words: str, groups: NDArray[np.uint8]
) -> list[FrameCounts]:
    return [
        count_frame(frame, words, groups[segmenter.segment(frame.points).labels])
        for frame in frames
    ]


def count_frame(frame: RealFrame, words: str, predicted: NDArray[np.uint8]) -> FrameCounts:
    """Compare predicted groups (N,) uint8, IGNORE_LABEL for no label, with a real frame."""
    is_movable = np.isin(predicted, MOVABLE)
    in_boxes = []
    for kind in KINDS:
        inside = _in_any_box(frame, kind, 0.0)
        group = GROUPS.index("person or cycle" if kind == "person" else "vehicle")
        right = int((predicted[inside] == group).sum())
        in_boxes.append((int(inside.sum()), int(is_movable[inside].sum()), right))
    false_movable = (0, 0)
    if frame.is_boxed_around:
        outside = ~_in_any_box(frame, None, _MARGIN_M)
        false_movable = (int(outside.sum()), int(is_movable[outside].sum()))
    confusion = _confusion(frame, predicted)
    return FrameCounts(frame.name, words, confusion, tuple(in_boxes), false_movable)


def _in_any_box(frame: RealFrame, kind: str | None, margin_m: float) -> NDArray[np.bool_]:
    """Tell which points are in a box of a kind; None means every kind."""
    inside: NDArray[np.bool_] = np.zeros(len(frame.points), dtype=np.bool_)
    for box in frame.boxes:
        if kind is None or box.kind == kind:
            inside |= box.contains(frame.points, margin_m)
    return inside


def _confusion(frame: RealFrame, predicted: NDArray[np.uint8]) -> tuple[tuple[int, ...], ...]:
    if frame.groups is None:
        return ()
    counts = np.zeros((len(GROUPS), len(GROUPS) + 1), dtype=np.int64)
    is_labelled = frame.groups != IGNORE_LABEL
    columns = np.where(predicted == IGNORE_LABEL, len(GROUPS), predicted)
    np.add.at(counts, (frame.groups[is_labelled], columns[is_labelled]), 1)
    return tuple(tuple(row) for row in counts.tolist())
