"""What is left of the models when sensors or weather fail."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from clip2scene_core.bench.measure.labeller import Labeller
from clip2scene_core.bench.measure.score import Counts, count
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.corruptions.apply import corrupt
from clip2scene_core.corruptions.corruption import Corruption
from clip2scene_core.datasets import NuScenesDataset, Sample

MAX_SCENES: Final = 20


class SomeKeyframes:
    """The middle keyframe of some scenes, evenly spread, corrupted.

    Args:
        dataset: Opened with labels.
        corruption: None leaves the keyframes as they are.

    Attributes:
        scenes: Up to MAX_SCENES scenes, each with one keyframe.
        with_labels: The data set's.
    """

    def __init__(self, dataset: NuScenesDataset, corruption: Corruption | None) -> None:
        num_keyframes = [scene.num_keyframes for scene in dataset.scenes]
        first = np.cumsum(num_keyframes) - num_keyframes
        step = math.ceil(len(dataset.scenes) / MAX_SCENES)
        chosen = range(0, len(dataset.scenes), step)
        self.scenes = tuple(replace(dataset.scenes[k], num_keyframes=1) for k in chosen)
        self.with_labels = dataset.with_labels
        self._dataset = dataset
        self._corruption = corruption
        self._indices = [int(first[k]) + num_keyframes[k] // 2 for k in chosen]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        sample = self._dataset[self._indices[index]]
        return sample if self._corruption is None else corrupt(sample, self._corruption)


def evaluate_corrupted(weights: Path, test: Path, corruption: Corruption | None) -> Counts:
    """Count what a student, its teacher and both get right under a corruption.

    What a corruption takes away is not counted: the mean IoU is that of the points that are left.

    Args:
        weights: The student's checkpoint.
        test: Root of the test split.
        corruption: What fails; None for the same keyframes as they are.

    Returns:
        Counts of "camera", "lidar 0" and "fused 0".
    """
    checkpoint = load_checkpoint(weights)
    labeller = Labeller([checkpoint])
    return count(
        lambda sample: labeller.label(labeller.look(sample), labeller.vocabulary),
        # Previous sweeps show the motion that a time offset needs.
        SomeKeyframes(NuScenesDataset(test, num_sweeps=3, with_labels=True), corruption),
        checkpoint.scene_tokens,
    )
