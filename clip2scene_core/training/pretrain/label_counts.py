"""What the teacher's labels of a training are on: which words, how near, in which direction."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.training.pretrain.data.batch import collate
from clip2scene_core.training.pretrain.data.samples import Samples
from clip2scene_core.training.pretrain.pseudo_labels import teacher_pseudo_labels

NUM_SECTORS: Final = 12
"""Equal sectors of azimuth, counted to the left from the x axis of the clouds."""
RANGE_EDGES_M: Final = (10.0, 20.0, 40.0)
"""Distances from the LiDAR between the four bins, metres."""
_MAX_KEYFRAMES: Final = 256


@dataclass(frozen=True)
class LabelCounts:
    """Points of some keyframes, and what the teacher labelled of them. P texts.

    Attributes:
        num_keyframes: Keyframes that were counted.
        num_points: Their points, within the ranges of the training.
        num_seen: Points that a camera sees at that moment.
        num_labelled: Points with a label: those, and what cameras of other moments voted on.
        labels_of_text: (P,) int64, labels by text; a point that two cameras see has two.
        keyframes_of_text: (P,) int64, keyframes in which a text is a label.
        points_at: (12, 4) int64, points by sector and range.
        labelled_at: (12, 4) int64, points with a label by sector and range.
    """

    num_keyframes: int
    num_points: int
    num_seen: int
    num_labelled: int
    labels_of_text: NDArray[np.int64]
    keyframes_of_text: NDArray[np.int64]
    points_at: NDArray[np.int64]
    labelled_at: NDArray[np.int64]

    def of_labels(
        self, label_of_text: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count by label instead of by text.

        Args:
            label_of_text: (P,) int64, the label that each text belongs to; C labels.

        Returns:
            Labels (C,) int64, those of all texts together, and keyframes (C,) int64, those of the
            commonest text of each label.
        """
        labels, keyframes = np.zeros((2, int(label_of_text.max()) + 1), dtype=np.int64)
        np.add.at(labels, label_of_text, self.labels_of_text)
        np.maximum.at(keyframes, label_of_text, self.keyframes_of_text)
        return labels, keyframes

    def to_record(self) -> dict[str, Any]:
        """Turn into what JSON can hold; `from_record` reads it."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> LabelCounts:
        """Read what `to_record` made."""
        values: dict[str, Any] = {
            key: np.array(value, dtype=np.int64) if isinstance(value, list) else value
            for key, value in record.items()
        }
        return cls(**values)


def count_labels(samples: Samples, text: Tensor) -> LabelCounts:
    """Count the teacher's labels.

    Args:
        samples: Keyframes; sectors mean something if they are not augmented. At most 256 of them,
            evenly spread, are counted.
        text: (P, D) float32 embeddings of the P texts of all classes, unit length.
    """
    of_text, keyframes_of_text = np.zeros((2, len(text)), dtype=np.int64)
    at = np.zeros((2, NUM_SECTORS, len(RANGE_EDGES_M) + 1), dtype=np.int64)
    num_seen = 0
    indices = spread_keyframes(len(samples))
    for index in indices:
        batch = collate([samples[0, index]])
        labels = teacher_pseudo_labels(batch, text, logit_scale=1.0)
        classes = torch.cat([labels.pair_labels, labels.unseen_labels])
        counts = torch.bincount(classes, minlength=len(text)).numpy()
        of_text += counts
        keyframes_of_text += counts > 0
        seen = batch.point_index.numpy()
        num_seen += len(np.unique(seen))
        labelled = np.union1d(seen, labels.unseen_index.numpy())
        at += _count_places(batch.points.numpy(), labelled)
    return LabelCounts(
        len(indices), int(at[0].sum()), num_seen, int(at[1].sum()), of_text, keyframes_of_text, *at
    )


def spread_keyframes(num_keyframes: int) -> list[int]:
    """Indices of the keyframes whose labels are counted: at most 256, evenly spread."""
    spread = np.linspace(0, num_keyframes - 1, min(num_keyframes, _MAX_KEYFRAMES))
    indices: list[int] = spread.round().astype(int).tolist()
    return indices


def _count_places(points: NDArray[np.float32], labelled: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count all points (N, 4) and the labelled rows of them: (2, 12, 4) by sector and range."""
    angle = np.arctan2(points[:, 1], points[:, 0]) % (2 * np.pi)
    sector = np.floor(angle / (2 * np.pi) * NUM_SECTORS).astype(np.int64) % NUM_SECTORS
    num_bins = len(RANGE_EDGES_M) + 1
    nearness = np.searchsorted(RANGE_EDGES_M, np.linalg.norm(points[:, :3], axis=1), side="right")
    place = sector * num_bins + nearness
    counted = [np.bincount(p, minlength=NUM_SECTORS * num_bins) for p in (place, place[labelled])]
    return np.stack(counted).reshape(2, NUM_SECTORS, num_bins)
