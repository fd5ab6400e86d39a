"""Changes of a sensor: other heights, tilts and intensities, applied to rendered keyframes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets import KeyframeDataset, Sample


@dataclass(frozen=True)
class SensorChange:
    """Another sensor, or another place for it, than the one that measured.

    Attributes:
        name: What changes, in words.
        raise_m: The sensor is this much higher, so points are lower in its frame, metres.
        tilt_deg: The sensor is turned about its x axis, degrees.
        gain: Factor on the intensity, which stays below 1.
    """

    name: str
    raise_m: float = 0.0
    tilt_deg: float = 0.0
    gain: float = 1.0

    def apply(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the points (N, 4) float32 as the other sensor measures them."""
        angle = math.radians(self.tilt_deg)
        cosine, sine = math.cos(angle), math.sin(angle)
        changed = points.copy()
        changed[:, 1] = cosine * points[:, 1] - sine * points[:, 2]
        changed[:, 2] = sine * points[:, 1] + cosine * points[:, 2] - self.raise_m
        changed[:, 3] = np.minimum(points[:, 3] * self.gain, 1.0)
        return changed


NO_CHANGE: Final = SensorChange("as rendered")

CHANGES: Final = (
    NO_CHANGE,
    SensorChange("5 cm lower", raise_m=-0.05),
    SensorChange("10 cm lower", raise_m=-0.1),
    SensorChange("10 cm higher", raise_m=0.1),
    SensorChange("1 m lower", raise_m=-1.0),
    SensorChange("tilted by 1 degree", tilt_deg=1.0),
    SensorChange("tilted by 10 degrees", tilt_deg=10.0),
    SensorChange("no intensity", gain=0.0),
    SensorChange("intensity x 6", gain=6.0),
)


class ChangedKeyframes:
    """The middle keyframe of each scene of a data set, with another sensor.

    Args:
        dataset: Data set, opened with labels.
        change: What is other about the sensor.

    Attributes:
        classes: The classes of the labels.
        scenes: The scenes, each with one keyframe.
        with_labels: True if the data set was opened with labels.
    """

    def __init__(self, dataset: KeyframeDataset, change: SensorChange) -> None:
        num_keyframes = [scene.num_keyframes for scene in dataset.scenes]
        first = np.cumsum(num_keyframes) - num_keyframes
        self._indices = [
            int(start) + count // 2 for start, count in zip(first, num_keyframes, strict=True)
        ]
        self.scenes = tuple(replace(scene, num_keyframes=1) for scene in dataset.scenes)
        self.classes, self.with_labels = dataset.classes, dataset.with_labels
        self._dataset, self._change = dataset, change

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        sample = self._dataset[self._indices[index]]
        keyframe = replace(sample.keyframe, points=self._change.apply(sample.keyframe.points))
        # Without cameras: their poses would be wrong for the moved points.
        return replace(sample, sweeps=(keyframe,), cameras=())
