"""Confusion counts of a student and its teacher under corruptions."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from clip2scene_core.bench.measure.labeller import Labeller
from clip2scene_core.bench.measure.score import Counts, count_scenes
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.corruptions.apply import corrupt
from clip2scene_core.corruptions.corruption import Corruption
from clip2scene_core.datasets import NuScenesDataset, Sample

MAX_SCENES: Final = 20


class SomeKeyframes:
    """The middle keyframe of up to MAX_SCENES scenes, evenly spread, corrupted.

    Args:
        dataset: Data set, opened with labels.
        corruption: Corruption of the keyframes; None leaves them as they are.

    Attributes:
        classes: The classes of the labels.
        scenes: Up to MAX_SCENES scenes, each with one keyframe.
        with_labels: True if the data set was opened with labels.
    """

    def __init__(self, dataset: NuScenesDataset, corruption: Corruption | None) -> None:
        num_keyframes = [scene.num_keyframes for scene in dataset.scenes]
        first = np.cumsum(num_keyframes) - num_keyframes
        step = math.ceil(len(dataset.scenes) / MAX_SCENES)
        chosen = range(0, len(dataset.scenes), step)
        self.scenes = tuple(replace(dataset.scenes[k], num_keyframes=1) for k in chosen)
        self.classes, self.with_labels = dataset.classes, dataset.with_labels
        self._dataset = dataset
        self._corruption = corruption
        self._indices = [int(first[k]) + num_keyframes[k] // 2 for k in chosen]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        sample = self._dataset[self._indices[index]]
        return sample if self._corruption is None else corrupt(sample, self._corruption)


def score_corrupted(weights: Path, test: Path, corruption: Corruption | None) -> Counts:
    """Count a student, its teacher and both together under a corruption.

    Points that the corruption takes away are not counted.

    Args:
        weights: Checkpoint of the student.
        test: Root of the test split.
        corruption: The corruption; None for the same keyframes as they are.

    Returns:
        Counts of "camera", "lidar 0" and "fused 0".
    """
    checkpoint = load_checkpoint(weights)
    labeller = Labeller([checkpoint])
    return count_scenes(
        lambda sample: labeller.label(labeller.look(sample), labeller.vocabulary),
        # Previous sweeps show the motion that a time offset needs.
        SomeKeyframes(NuScenesDataset(test, num_sweeps=3, with_labels=True), corruption),
        checkpoint.scene_tokens,
    )
